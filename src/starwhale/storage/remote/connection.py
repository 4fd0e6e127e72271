"""Requests to a server of this program: kept connections, tries, and problems as the errors that they were at the other end."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starwhale.errors import LoginError, ServerError, StarwhaleError, told_error
from starwhale.settings import VERSION
from starwhale.storage.objects.connections import Answer, Connections, Request

API = "/api/v1"
"""Where the API of a server begins."""
BYTES_TYPE = "application/octet-stream"
"""Media type of contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPatience:
    """How long a server is waited for, and how often it is tried."""

    connect_timeout_s: float = 10.0
    """How long making a connection may take."""
    read_timeout_s: float = 60.0
    """How long an answer may be silent."""
    attempts: int = 5
    """Tries of a request in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccess:
    """A server, and what lets us in. The token is never shown."""

    address: str
    """`http://host:port`."""
    token: str
    """What lets us in; empty tries without."""
    patience: ServerPatience = ServerPatience()
    """How long it is waited for."""

    def __repr__(self) -> str:
        return f"ServerAccess({self.address!r})"


class _Connections(Connections):
    """Kept connections to one server."""

    retried = frozenset({429, 502, 503, 504})  # a 500 is a mistake there, and is one again

    def failure(self, reason: str) -> StarwhaleError:
        return ServerError(
            f"the server at {self.address} did not answer: {reason}",
            address=self.address,
            hint="is it running (swcli server status, there), and can this machine reach the address?",
        )


class ServerConnection:
    """Asks one server; safe to use from several threads. Whoever opens it closes it."""

    def __init__(self, access: ServerAccess) -> None:
        self.address = access.address
        """Of the server."""
        self.sent_bytes = 0
        """Bytes of bodies that it was sent, about: several threads count."""
        self.received_bytes = 0
        """Bytes of bodies that it has answered, about."""
        self._access = access
        self._connections = _Connections(access.address, access.patience)
        self._base = urllib.parse.urlsplit(access.address).path.rstrip("/")
        self._headers = {"User-Agent": f"starwhale-evaluation/{VERSION}", "Accept": "application/json, */*"}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"

    def ask(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, Any] | None = None, key: str = ""
    ) -> Any:  # Any: JSON
        """Send JSON and return the JSON that comes back.

        Args:
            method: Of HTTP.
            path: Below the API.
            body: What is sent; None for nothing.
            query: Words of the address.
            key: Names the request, so that it does its work once although it is sent again; empty where that makes no difference.

        Raises:
            StarwhaleError: Whatever the server says is wrong, of the class that it was there.
            ServerError: It cannot be reached, or is no server of this program.
            LoginError: It wants a token, or another one.
        """
        headers = {"Idempotency-Key": key} if key else {}
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        answer = self.send(
            method,
            path,
            content,
            query=query,
            headers={**headers, "Content-Type": "application/json"} if content else headers,
        )
        return self._json(answer)

    def send(
        self,
        method: str,
        path: str,
        body: Any = b"",  # Any: whatever has the buffer protocol
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        allowed: tuple[int, ...] = (),
    ) -> Answer:
        """Send bytes and return the answer, which is none of an error but those that are `allowed`; same errors as `ask`."""
        target = f"{self._base}{API}{urllib.parse.quote(path)}"
        if query:
            target += f"?{urllib.parse.urlencode(query)}"
        sent = {**self._headers, **(headers or {})}
        if method not in {"GET", "HEAD"}:
            sent["Content-Length"] = str(memoryview(body).nbytes)
        answer = self._connections.send(Request(method=method, target=target, headers=lambda: sent, body=body))
        self.sent_bytes += memoryview(body).nbytes
        self.received_bytes += len(answer.body)
        if answer.status >= http.client.BAD_REQUEST and answer.status not in allowed:
            raise self._refusal(answer)
        return answer

    def read_number(self, answer: Answer, name: str) -> int:
        """Return a number that an answer says, such as the size of something."""
        try:
            return int(self._json(answer)[name])
        except (KeyError, TypeError, ValueError) as error:
            raise self._stranger(answer) from error

    @staticmethod
    def new_key() -> str:
        """Return a name for a request."""
        return uuid.uuid4().hex

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def _json(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body) if answer.body else None
        except ValueError as error:
            raise self._stranger(answer) from error

    def _refusal(self, answer: Answer) -> StarwhaleError:
        try:
            said: Any = json.loads(answer.body)  # Any: JSON, checked here
            code, message, hint = (str(said[name]) for name in ("code", "message", "hint"))
        except (ValueError, KeyError, TypeError):
            return self._stranger(answer)
        if code == LoginError.code:
            again = f"log in with: swcli instance login {self.address}; on its machine, swcli server token makes a new token"
            return LoginError(f"the server at {self.address} refuses: {message}", hint=again)
        error = told_error(code, message, hint)
        if type(error) is StarwhaleError:
            return ServerError(f"the server at {self.address} answers: {message}", address=self.address, hint=hint)
        return error

    def _stranger(self, answer: Answer) -> ServerError:
        message = f"what answers at {self.address} is no server of this program (it said {answer.status})"
        return ServerError(message, address=self.address, hint="check the address; swcli server status shows it, there")


__all__ = ["BYTES_TYPE", "ServerAccess", "ServerConnection", "ServerPatience"]
