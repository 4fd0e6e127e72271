"""Where a server listens: a port is taken before anything else is done, and requests are answered when everything is ready."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from starwhale.errors import PortError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

TRIED = 50
"""Ports that are tried when nobody says one."""


class TellingServer(uvicorn.Server):
    """Says when requests are answered, and ends the streams of pages before it waits for what is asked."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if not self.should_exit:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering."""
        self._ending()
        await super().shutdown(sockets)


def listen(host: str, port: int | None, *, first: int) -> socket.socket:
    """Take the port that is asked for, or the first free one from `first` on.

    Raises:
        PortError: It is taken, or the address is none of this machine's.
        UsageError: The host is no address.
    """
    if port is not None:
        return _bind(host, port)
    for each in range(first, first + TRIED):
        try:
            return _bind(host, each)
        except PortError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
                raise
    return _bind(host, 0)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(
            f"{host!r} is no address of this machine", hint="use 127.0.0.1, or leave --host out"
        ) from error
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is in use"
            raise PortError(message, hint="leave --port out for the next free one, or give another") from error
        if error.errno == errno.EACCES:
            raise PortError(f"port {port} needs more rights", hint="give one from 1024 on") from error
        raise PortError(
            f"cannot listen on {host} port {port}: {error.strerror}", hint="use 127.0.0.1, or leave --host out"
        ) from error
    return bound


def address_of(host: str, port: int) -> str:
    """Return what a browser is given to open."""
    shown = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - what it listens on was asked for
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
