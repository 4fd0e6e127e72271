"""Serve one instance: open it, take a port, say the address, and run until it is told to stop."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import uvicorn

from starwhale.errors import PortError, StarwhaleError
from starwhale.execution.supervise import QueueLimits
from starwhale.instances import open_instance
from starwhale.instances.change_feed import ChangeFeed
from starwhale.instances.jobs.job_table import JobTable
from starwhale.server.app import make_app
from starwhale.server.comparisons import Comparisons
from starwhale.server.door import Lock
from starwhale.server.guard import Hosts, hosts_of
from starwhale.server.listening import TellingServer, address_of, listen
from starwhale.server.live import Changes
from starwhale.server.state import Served
from starwhale.server.supervisor import Supervisor
from starwhale.server.task_keeper import TaskKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from starwhale.instances import Instance
    from starwhale.settings import Settings

logger = logging.getLogger(__name__)
PORT = 8848
"""Port when nobody says one, and the first of those that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where to serve."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int | None = None
    """The port; None for the first free one from `PORT` on."""
    has_login: bool = False
    """Whether a token is asked for: then it is the server of its root, of which there is one."""
    names: tuple[str, ...] = ()
    """More names under which browsers reach it."""


def make_served(instance: Instance) -> Served:
    """Put together what is served; what is kept of it is read in the background."""
    feed = ChangeFeed(instance.catalog.changes())
    return Served(
        instance=instance,
        stores=instance.served(),
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
        ConflictError: A server with a login runs for the root already.
    """
    try:
        listening = listen(options.host, options.port, first=PORT)
    except PortError as error:
        if options.has_login:  # its port is asked for: logins name it
            error.hint = "give another one with --port, or 0 for a free one"
        raise
    port = listening.getsockname()[1]
    with ExitStack() as stack:
        instance = stack.enter_context(open_instance(settings))
        stack.enter_context(listening)
        served = make_served(instance)
        lock = _lock(instance, port) if options.has_login else None
        stack.enter_context(instance.server.alone() if lock else nullcontext())
        app = make_app(served, _hosts(options, port), lock)
        # Not before: Python 3.11 raises SystemError where two threads parse source at once, and descriptions of bodies are read from it.
        threading.Thread(target=_warm, args=(served,), name="starwhale-warm", daemon=True).start()
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3, lifespan="on"
        )
        address = address_of(options.host, port)

        def started() -> None:
            instance.console.note(address)
            if lock:
                instance.server.note(address)
            say(address)

        if lock:  # jobs are submitted to the one server of a root
            queue = settings.queue
            limits = QueueLimits(jobs=queue.jobs, tasks=queue.tasks)
            stack.enter_context(closing(Supervisor(instance, limits)))
        try:
            TellingServer(config, started, served.changes.end).run(sockets=[listening])
        finally:
            instance.console.forget()
            served.jobs.keep()
            if lock:
                instance.server.forget()


def _lock(instance: Instance, port: int) -> Lock:
    return Lock(access=instance.server.access, keepers=[TaskKeeper()], cookie=f"starwhale_{port}")


def _hosts(options: ServeOptions, port: int) -> Hosts:
    found = hosts_of(options.host, [socket.gethostname()], port=port)
    return replace(found, names=found.names | {each.casefold() for each in options.names})


def _warm(served: Served) -> None:
    try:
        served.jobs.warm()
    except StarwhaleError as error:
        logger.warning("the summaries of jobs cannot be read: %s", error)
    served.rows.get_ready()
