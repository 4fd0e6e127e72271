"""The task-side contract over HTTP: what a worker on another machine asks a server. Needs the standard library alone.

A request is one message of `frames`, and so is its answer. Whatever gets lost on the way is sent again, with the number that it had: the server does
each number once. Requests of several threads go over connections of their own, which are kept.
"""

from __future__ import annotations

import http.client
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, LoginError, ServerError, StarwhaleError, UsageError, told_error
from starwhale.settings import VERSION
from starwhale.storage.carriers.carried import Answer
from starwhale.storage.carriers.frames import FRAMES_TYPE, error_from_json, from_bytes, to_pieces
from starwhale.storage.task_contract import TaskCodec

logger = logging.getLogger(__name__)

TASK_PROTOCOL = 1
"""Counts changes of what workers and servers say to each other; both have to have the same."""
PROTOCOL_HEADER = "X-Starwhale-Protocol"
"""Header with the protocol and the version of the program, as `1 0.1.0`."""
STOP_HEADER = "X-Starwhale-Stop"
"""Header of an answer to an attempt that is to stop at its next batch boundary."""
_MARKED = frozenset({"next_range", "split", "commit"})
"""Operations that change something: they carry a number."""
_AGAIN = frozenset({429, 502, 503, 504})
"""What a server, or what stands before it, answers while it is not there."""
_HEADERS_BYTES = 64 << 10
_NEWS = 3
"""Failed tries after which a user is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAddress:
    """Where a worker asks, and with which right."""

    server: str
    """Address of the server, as `http://host:port`."""
    token: str = field(repr=False)
    """Token of the attempt."""
    task_id: str
    """The task."""
    attempt: int
    """Its try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierPatience:
    """How long a server that does not answer is waited for."""

    answer_s: float = 60.0
    """How long an answer may be silent before the request is sent again."""
    total_s: float = 300.0
    """How long a server may be away: so long is a request tried again."""
    first_s: float = 0.1
    """Seconds before the first of the tries that follow, about; they double."""
    most_s: float = 2.0
    """Seconds between two tries, at most."""


class HttpClient:
    """A worker's way to the server, for one attempt of one task; any thread may use it. Whoever made it closes it."""

    def __init__(
        self,
        address: TaskAddress,
        codec: TaskCodec,
        *,
        patience: CarrierPatience | None = None,
        on_wait: Callable[[str], None] = logger.warning,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            address: Where to ask.
            codec: How values are encoded here.
            patience: How long a server that does not answer is waited for.
            on_wait: Told what is being waited for, and when that is over.
            on_stop: Called when an answer says that the attempt is to stop; often.

        Raises:
            UsageError: The address is none of a server.
        """
        self.codec = codec
        self.address = address
        """Where it asks."""
        self.key = attempt_key(address.task_id, address.attempt)
        """Names the attempt in every request."""
        self._patience = patience or CarrierPatience()
        self._on_wait = on_wait
        self._on_stop = on_stop
        self._url = _ServerUrl.parse(address.server)
        self._path = f"{self._url.path}/api/v1/tasks/{quote(address.task_id)}/{address.attempt}"
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._open_numbers: set[int] = set()
        self._log_lock = threading.Lock()
        self._logged = 0
        self._notes = itertools.count(1)
        self._away_since: float | None = (
            None  # of all threads: what is asked after one has given up is tried twice, and not waited for anew
        )
        self.has_answered = False
        """Whether the server has answered anything yet."""

    def call(self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()) -> Answer:
        """Send a request for the attempt and wait for the answer; see `ask`."""
        return self.ask(operation, key, arguments, blobs)()

    def ask(
        self, operation: str, key: str, arguments: Json, blobs: Sequence[bytes | memoryview] = ()
    ) -> Callable[[], Answer]:
        """Send a request for the attempt; what is returned waits for the answer, once, and sends it again where none comes.

        Raises:
            StarwhaleError: Whatever the other side raised; when the answer is waited for.
            LoginError: The token is good no more: the attempt has ended, or another one was begun.
            ServerError: The server did not answer for as long as it is waited for, or is of another version.
        """
        self._check_key(key)
        header, number = self._numbered(operation, arguments)
        pieces = to_pieces(header, blobs)
        sent = self._send(operation, pieces)

        def answer() -> Answer:
            try:
                value, found = self._answer(operation, pieces, sent)
            finally:
                if number:
                    with self._lock:
                        self._open_numbers.discard(number)
            return value, found

        return answer

    def tell(self, operation: str, key: str, arguments: Json) -> None:
        """Send a line of the log, or a note; returns when the server has it."""
        if operation == "log":
            self._log(key, arguments["text"].encode("utf-8", "backslashreplace"))
        else:
            self.call(operation, key, {**arguments, "number": next(self._notes)})

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def hurry(self, total_s: float) -> None:
        """Wait no longer than so many seconds for a server that is away, from now on."""
        self._patience = replace(self._patience, total_s=min(total_s, self._patience.total_s))

    def _log(self, key: str, content: bytes) -> None:
        """Append to the log: the server says how much of it is there, so that nothing comes twice and nothing is left out."""
        with self._log_lock:
            value, _ = self.call("log", key, {"offset": self._logged}, [content])
            if value < self._logged:  # it has lost the end of what was there
                self._logged = value
                value, _ = self.call("log", key, {"offset": self._logged}, [content])
            self._logged = value

    def _check_key(self, key: str) -> None:
        if key != self.key:
            message = f"{key} is not the task of this worker"
            raise ExecutionError(message)

    def _numbered(self, operation: str, arguments: Json) -> tuple[Json, int]:
        if operation not in _MARKED:
            return {"op": operation, **arguments}, 0
        with self._lock:
            number = next(self._numbers)
            self._open_numbers.add(number)
            answered = min(self._open_numbers)
        return {"op": operation, "number": number, "answered": answered, **arguments}, number

    def _answer(
        self, operation: str, pieces: Sequence[bytes | memoryview], sent: http.client.HTTPConnection | None
    ) -> Answer:
        """Wait for the answer of a request that was sent, and send it again until one comes."""
        began, pause_s, tries = time.monotonic(), self._patience.first_s, 0
        while True:
            connection, sent = (sent, None) if sent is not None else (self._send(operation, pieces), None)
            reason = "is not to be reached"
            if connection is not None:
                found = self._receive(connection, operation)
                if not isinstance(found, str):
                    if tries >= _NEWS:
                        self._on_wait(f"the server {self.address.server} answers again")
                    return found
                reason = found
            tries += 1
            self.close()  # the server may have closed the kept connections as well
            since = self._away_since = self._away_since or time.monotonic()
            waited_s = time.monotonic() - min(began, since)
            if waited_s > self._patience.total_s and tries > 1:
                message = f"the server {self.address.server} {reason}; it was asked for {waited_s:.0f} s"
                hint = "look whether it runs, and whether this machine reaches it"
                raise ServerError(message, address=self.address.server, hint=hint)
            if tries == _NEWS:  # a request or two that are lost on the way are no news
                self._on_wait(
                    f"waiting for the server {self.address.server}, which {reason}; asked again for {self._patience.total_s:.0f} s at most"
                )
            if tries > 1:  # a kept connection may have been closed meanwhile
                time.sleep(pause_s * (0.5 + random.random()))
                pause_s = min(pause_s * 2, self._patience.most_s)

    def _send(self, operation: str, pieces: Sequence[bytes | memoryview]) -> http.client.HTTPConnection | None:
        """Send a request, and return the connection that its answer will come over; None where that did not work."""
        connection = self._take()
        try:
            connection.putrequest("POST", f"{self._path}/{operation}", skip_accept_encoding=True)
            connection.putheader("Authorization", f"Bearer {self.address.token}")
            connection.putheader("Content-Type", FRAMES_TYPE)
            connection.putheader("Content-Length", str(sum(map(len, pieces))))
            connection.putheader(PROTOCOL_HEADER, f"{TASK_PROTOCOL} {VERSION}")
            if sum(map(len, pieces)) < _HEADERS_BYTES:  # one packet
                connection.endheaders(b"".join(pieces))
            else:
                connection.endheaders()
                for each in pieces:
                    connection.send(each)
        except (
            OSError
        ):  # the server may have answered already, and closed: that answer is not worth more than a new try
            connection.close()
            return None
        return connection

    def _receive(self, connection: http.client.HTTPConnection, operation: str) -> Answer | str:
        """Return what came back; a word on why nothing did.

        Raises:
            StarwhaleError: The server says that something is wrong.
        """
        try:
            response = connection.getresponse()
            content = response.read()
        except TimeoutError:
            connection.close()
            return f"has not answered for {self._patience.answer_s:g} s"
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return f"has closed the connection ({type(error).__name__})"
        with self._lock:
            self._idle.append(connection)
        is_message = response.headers.get_content_type() == FRAMES_TYPE
        if is_message:
            self._away_since, self.has_answered = None, True
        if (
            response.status in _AGAIN and not is_message
        ):  # one of ours says what is wrong, such as an object store that refuses
            return f"answers {response.status} {response.reason}"
        if response.headers.get(STOP_HEADER) and self._on_stop is not None:
            self._on_stop()
        if not is_message:
            raise _refusal(content, response.status, self.address.server, operation)
        try:
            header, blobs = from_bytes(content)
        except ValueError as error:
            return f"has sent what cannot be read: {error}"
        if "error" in header:
            raise error_from_json(header["error"])
        return header.get("value"), blobs

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._url.connect(self._patience.answer_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServerUrl:
    """Where a server is."""

    host: str
    port: int | None
    is_secure: bool
    path: str

    @classmethod
    def parse(cls, address: str) -> _ServerUrl:
        """Read an address.

        Raises:
            UsageError: It is none of a server.
        """
        with suppress(ValueError):
            split = urlsplit(address)
            if split.scheme in {"http", "https"} and split.hostname:
                is_secure = split.scheme == "https"
                return cls(host=split.hostname, port=split.port, is_secure=is_secure, path=split.path.rstrip("/"))
        message = f"{address!r} is no address of a server"
        raise UsageError(message, hint="it looks like http://host:8848")

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """Make what connects with the first request."""
        if self.is_secure:
            import ssl

            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)


def _refusal(content: bytes, status: int, server: str, operation: str) -> StarwhaleError:
    """Return what a problem says."""
    import json

    try:
        said: Any = json.loads(content)  # Any: a problem, or whatever stands before the server says
        code, message, hint = str(said["code"]), str(said["message"]), str(said.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return ServerError(
            f"{server} answered {status} to {operation!r}, and not as a server of ours does", address=server
        )
    if status in {401, 403}:
        return LoginError(message, hint=hint)
    return told_error(code, message, hint)
