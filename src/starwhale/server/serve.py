"""Serve one instance: open it, take a port, say the address, and run until it is told to stop."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from starwhale.errors import PortError, StarwhaleError, UsageError
from starwhale.instances import open_instance
from starwhale.instances.change_feed import ChangeFeed
from starwhale.instances.jobs.job_table import JobTable
from starwhale.server.app import make_app
from starwhale.server.comparisons import Comparisons
from starwhale.server.guard import hosts_of
from starwhale.server.live import Changes
from starwhale.server.state import Served

if TYPE_CHECKING:
    from collections.abc import Callable

    from starwhale.instances import Instance
    from starwhale.settings import Settings

logger = logging.getLogger(__name__)
PORT = 8848
"""Port when nobody says one, and the first of those that are tried."""
TRIED = 50
"""Ports that are tried when nobody says one."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where to serve."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int | None = None
    """The port; None for the first free one from `PORT` on."""


def make_served(instance: Instance) -> Served:
    """Put together what is served; what is kept of it is read in the background."""
    feed = ChangeFeed(instance.catalog.changes())
    return Served(
        instance=instance,
        jobs=JobTable(instance, feed),
        rows=instance.jobs.row_indexes(),
        comparisons=Comparisons(instance),
        changes=Changes(feed),
    )


def serve(settings: Settings, options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve the instance that the settings name until SIGINT or SIGTERM.

    Args:
        settings: What the environment says.
        options: Where to serve.
        say: Called with the address, when requests are answered there.

    Raises:
        PortError: The port is taken, or the address is none of this machine's.
        RootError: The root cannot be used.
    """
    listening = _listen(options)
    port = listening.getsockname()[1]
    with open_instance(settings) as instance, listening:
        served = make_served(instance)
        threading.Thread(target=_warm, args=(served,), name="starwhale-warm", daemon=True).start()
        hosts = hosts_of(options.host, [socket.gethostname()], port=port)
        app = make_app(served, hosts)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3, lifespan="on"
        )
        address = _address(options.host, port)

        def started() -> None:
            instance.console.note(address)
            say(address)

        try:
            _Server(config, started, served.changes.end).run(sockets=[listening])
        finally:
            instance.console.forget()


class _Server(uvicorn.Server):
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


def _warm(served: Served) -> None:
    try:
        served.jobs.warm()
    except StarwhaleError as error:
        logger.warning("the summaries of jobs cannot be read: %s", error)


def _listen(options: ServeOptions) -> socket.socket:
    """Take the port that is asked for, or the first free one."""
    if options.port is not None:
        return _bind(options.host, options.port)
    for port in range(PORT, PORT + TRIED):
        try:
            return _bind(options.host, port)
        except PortError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
                raise
    return _bind(options.host, 0)


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


def _address(host: str, port: int) -> str:
    shown = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - what it listens on was asked for
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
