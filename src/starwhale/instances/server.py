"""The server of an instance: where it runs, how it is stopped, and who may ask it."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starwhale.errors import ConflictError, ExecutionError, NotFoundError
from starwhale.instances.place.access import Access
from starwhale.instances.running import find_running, forget_running, note_running
from starwhale.storage.catalog.driver import end_driver, is_alive

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from starwhale.instances.running import RunningServer
    from starwhale.storage.stores import Stores

_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """Whether the server of a root runs."""

    is_running: bool
    """Whether it does."""
    address: str = ""
    """Where it answers."""
    pid: int = 0
    """Its process; 0 where none runs."""
    has_token: bool = False
    """Whether a token of the administrator was made."""

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return a JSON object."""
        return {
            "running": self.is_running,
            "address": self.address or None,
            "pid": self.pid or None,
            "has_token": self.has_token,
        }


class ServerVerbs:
    """Verbs of the server of one root."""

    def __init__(self, stores: Stores) -> None:
        self._layout = stores.layout

    @cached_property
    def access(self) -> Access:
        """Who may ask it."""
        return Access(self._layout.access)

    @property
    def log(self) -> Path:
        """What it says in the background."""
        return self._layout.server_log

    def status(self) -> ServerStatus:
        """Say whether it runs, and where."""
        found = find_running(self._layout.server)
        if found is None:
            return ServerStatus(is_running=False, has_token=self.access.has_token)
        return ServerStatus(
            is_running=True, address=found.address, pid=found.process.pid, has_token=self.access.has_token
        )

    def stop(self, *, timeout_s: float = 30.0, force: bool = False) -> ServerStatus:
        """End it, and return what it was; what it had begun to answer is finished first.

        Args:
            timeout_s: Wait so long for its end, at most.
            force: End it at once.

        Raises:
            NotFoundError: None runs for this root.
            ConflictError: It is on another machine, or belongs to another user.
            ExecutionError: It has not ended in that time.
        """
        found = find_running(self._layout.server)
        if found is None:
            raise NotFoundError("no server runs for this root", hint="start one with: swcli server start")
        before = self.status()
        end_driver(found.process, signal.SIGKILL if force else signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while is_alive(found.process):
            if time.monotonic() >= deadline:
                message = (
                    f"the server at {found.address} (process {found.process.pid}) has not ended after {timeout_s:g} s"
                )
                raise ExecutionError(message, hint="end it at once with: swcli server stop --force")
            time.sleep(_POLL_S)
        return before

    def refuse_second(self) -> None:
        """Raise where a server runs for this root.

        Raises:
            ConflictError: One does.
        """
        found = find_running(self._layout.server)
        if found is not None:
            raise _taken(found)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Be the server of this root until the block ends.

        Raises:
            ConflictError: Another one is.
        """
        import fcntl

        with self._layout.server_lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _taken(find_running(self._layout.server)) from error
            yield

    def note(self, address: str) -> None:
        """Write down that this process is the server, and where."""
        note_running(self._layout.server, address)

    def forget(self) -> None:
        """Take back what this process has written down."""
        forget_running(self._layout.server)


def _taken(found: RunningServer | None) -> ConflictError:
    where = f" at {found.address} (process {found.process.pid})" if found is not None else ""
    return ConflictError(f"a server runs for this root already{where}", hint="stop it with: swcli server stop")


__all__ = ["ServerStatus", "ServerVerbs"]
