"""Connections to one HTTP server, kept open between requests; a request that fails for a while is tried again."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from starwhale.errors import ObjectStoreError, StarwhaleError

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""
FIRST_PAUSE_S = 0.1
"""Before the second try; doubled for each further one."""
LONGEST_PAUSE_S = 5.0
"""Before any try."""


class Patience(Protocol):
    """How long somebody waits, and how often they try."""

    @property
    def connect_timeout_s(self) -> float:
        """How long making a connection may take."""
        ...

    @property
    def read_timeout_s(self) -> float:
        """How long an answer may be silent."""
        ...

    @property
    def attempts(self) -> int:
        """Tries of a request in all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: str
    """GET, PUT, ….."""
    target: str
    """Encoded path and query."""
    headers: Callable[[], Mapping[str, str]]
    """Makes the headers, anew for each try: a signature holds for some minutes."""
    body: Any = b""
    """Whatever has the buffer protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    """Of HTTP."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """All of it."""


class Connections:
    """Connections to one address; safe to use from several threads.

    Args:
        address: `http://host:port` or `https://host`.
        access: Time limits and tries.
        sleep: Waits between tries.
    """

    retried = RETRIED
    """Answers after which the same request may succeed."""

    def __init__(self, address: str, access: Patience, *, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(address)
        self.address = address
        """Where they lead."""
        self._is_secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._access = access
        self._sleep = sleep
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        """Send a request and read the whole answer; tried again while that may help.

        Raises:
            ObjectStoreError: The store cannot be reached, or breaks off, each time.
        """
        attempts = max(1, self._access.attempts)
        for attempt in range(1, attempts + 1):
            try:
                answer = self._send(request)
            except (OSError, http.client.HTTPException) as error:
                if attempt == attempts:
                    raise self._unreachable(error, attempts) from error
            else:
                if answer.status not in self.retried or attempt == attempts:
                    return answer
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1))
            self._sleep(pause * (0.5 + random.random() / 2))
        raise AssertionError  # the last try returns or raises

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _send(self, request: Request) -> Answer:
        connection, is_used = self._take()
        try:
            return self._exchange(connection, request)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            if not is_used:
                raise
        # A store may close what was idle for long at any time; that says nothing about the request.
        return self._exchange(self._connect(), request)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        try:
            connection.request(request.method, request.target, body=request.body, headers=dict(request.headers()))
            if connection.sock is not None:
                connection.sock.settimeout(self._access.read_timeout_s)
            response = connection.getresponse()
            body = response.read()  # to the end: one that is cut short raises IncompleteRead
        except BaseException:
            connection.close()
            raise
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return Answer(status=response.status, headers=headers, body=body)

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return self._connect(), False

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._access.connect_timeout_s)

    def _unreachable(self, error: Exception, attempts: int) -> StarwhaleError:
        if isinstance(error, http.client.IncompleteRead):
            reason = "an answer broke off in the middle"
        elif isinstance(error, TimeoutError):
            reason = f"no answer within {self._access.read_timeout_s:g} s"
        elif isinstance(error, ssl.SSLError):
            reason = f"no secure connection ({error.reason or error}); an endpoint without TLS is written http://…"
        elif isinstance(error, OSError):
            reason = error.strerror or str(error) or type(error).__name__
        else:
            reason = str(error) or type(error).__name__
        tries = f"tried {attempts} times" if attempts > 1 else "tried once"
        return self.failure(f"{reason} ({tries})")

    def failure(self, reason: str) -> StarwhaleError:
        """Return the error that says so: a subclass speaks of another kind of server."""
        return ObjectStoreError(
            f"the object store at {self.address} cannot be read: {reason}",
            address=self.address,
            hint="is it running, and is SW_S3_ENDPOINT right? SW_S3_TOTAL_MAX_ATTEMPTS tries more often",
        )


__all__ = ["Answer", "Connections", "Patience", "Request"]
