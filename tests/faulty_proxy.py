"""A proxy that does to requests what networks do: loses them or their answers, brings them twice, late, and out of their order. Its dice are seeded."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

FATES = ("passed", "request lost", "answer lost", "doubled", "delayed", "again later")
"""What may become of a request."""
LATEST_S = 1.5
"""A request that comes again later comes within this time."""


class FaultyProxy:
    """Stands before a server on loopback; whoever made it closes it."""

    def __init__(self, port: int, seed: int, *, share: float) -> None:
        """Begin to listen.

        Args:
            port: Where the server is.
            seed: Of the dice.
            share: Of the requests to which something happens.
        """
        self._to = port
        self._dice = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        """Where it is asked."""
        self.fates: Counter[str] = Counter()
        """What became of how many requests."""
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._run(self._accept)

    def close(self) -> None:
        """Stop listening, and wait for what is under way."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._threads:
            each.join(LATEST_S + 10)

    def _run(self, what: object, *args: object) -> None:
        thread = threading.Thread(target=what, args=args, daemon=True)  # type: ignore[arg-type]  # a method of this class
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Take request after request of one connection, until one is lost."""
        with client, client.makefile("rb") as stream:
            client.settimeout(60)
            while not self._is_closed:
                try:
                    request = _read_message(stream)
                    if request is None or not self._treat(client, request):
                        return
                except OSError:
                    return

    def _treat(self, client: socket.socket, request: bytes) -> bool:
        """Let one request meet its fate; returns whether the connection goes on."""
        with self._lock:
            fate = FATES[0] if self._dice.random() >= self._share else self._dice.choice(FATES[1:])
            late_s = self._dice.random() * LATEST_S
            self.fates[fate] += 1
        if fate == "request lost":
            return False
        if fate == "delayed":
            time.sleep(late_s / 3)
        if fate == "doubled":
            self._run(self._forward, request)
        answer = self._forward(request)
        if fate == "again later":
            self._run(self._later, request, late_s)
        if answer is None or fate == "answer lost":
            return False
        client.sendall(answer)
        return True

    def _later(self, request: bytes, seconds: float) -> None:
        time.sleep(seconds)
        self._forward(request)

    def _forward(self, request: bytes) -> bytes | None:
        """Ask the server, over a connection of its own; None where it does not answer."""
        try:
            with socket.create_connection(("127.0.0.1", self._to), 10) as server, server.makefile("rb") as stream:
                server.settimeout(60)
                server.sendall(request)
                return _read_message(stream)
        except OSError:
            return None


def _read_message(stream: object) -> bytes | None:
    """Read one request or answer whole; None at the end of the stream, also in the middle of one."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line: bytes = stream.readline()  # type: ignore[attr-defined]  # a file of a socket
        if not line:
            return None
        head += line
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    body: bytes = stream.read(length)  # type: ignore[attr-defined]  # as above
    return head + body if len(body) == length else None


@contextmanager
def faulty(port: int, seed: int, *, share: float = 0.3) -> Generator[FaultyProxy]:
    """Stand before a server until the block ends."""
    proxy = FaultyProxy(port, seed, share=share)
    try:
        yield proxy
    finally:
        proxy.close()
