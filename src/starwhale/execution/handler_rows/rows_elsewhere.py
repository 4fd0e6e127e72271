"""The rows of a Python handler, which runs in a process of its own: user code and this program cannot harm each other."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starwhale.errors import UserCodeError, WorkerDiedError
from starwhale.execution.executors.worker_process import is_ours
from starwhale.handlers.dataset_rows import Row
from starwhale.handlers.failures import crash_frame
from starwhale.media import codec
from starwhale.media.source import FileSource
from starwhale.settings import child_environment
from starwhale.storage.carriers.frames import Channel, error_from_json
from starwhale.storage.carriers.lifetime import describe_exit
from starwhale.storage.object_accounts import accounts

_STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerPlace:
    """A handler, and where it runs."""

    handler: str
    """`module:object`."""
    workdir: str
    """Folder that its module is looked for in first; the working directory stays that of this process."""
    python: str = sys.executable
    """The interpreter; this program's own where the handler is in no other environment."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it finds in its environment beside what this process has."""
    told: str = ""
    """What the user calls the environment; empty for this program's own."""


def read_elsewhere(place: HandlerPlace) -> Iterator[Row]:
    """Yield the rows of a handler; what it prints goes to the standard error stream.

    The process ends when the iteration does, however that is.

    Raises:
        HandlerError: There is no such module or object.
        UserCodeError: The user's code raised; with its line, and the environment that it was tried in.
        UnsupportedValueError: A value cannot be stored; its column and row are named.
        WorkerDiedError: The process was killed, or ended by itself.
    """
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours), tempfile.TemporaryFile() as crashes:
        channel = Channel(ours)
        process = subprocess.Popen(
            [
                place.python,
                "-P",
                "-m",
                "starwhale.execution.handler_rows.rows_worker",
                str(theirs.fileno()),
                str(crashes.fileno()),
            ],
            env=child_environment(place.environment, without=() if is_ours(place.python) else ("PYTHONHOME",)),
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,  # results of commands are what goes to ours
            pass_fds=(theirs.fileno(), crashes.fileno()),
            start_new_session=True,  # Ctrl-C is for this process
        )
        theirs.close()
        watcher = threading.Thread(target=_watch, args=(process, channel), daemon=True)
        watcher.start()
        try:
            with contextlib.suppress(OSError):  # it has ended, which is told below
                channel.send(
                    {
                        "op": "read",
                        "handler": place.handler,
                        "workdir": place.workdir,
                        "link_auths": accounts.pass_on(),
                    }
                )
            if not (yield from _rows(channel, place)):
                raise _died(process.wait(), crashes.fileno(), place)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that user code started in it
            watcher.join()


def _rows(channel: Channel, place: HandlerPlace) -> Generator[Row, None, bool]:
    """Yield the rows, and return whether these were all."""
    while (received := channel.receive()) is not None:
        message, blobs = received
        if message["op"] == "end":
            return True
        if message["op"] == "error":
            raise _error(message["error"], place)
        for blob in blobs:
            key, features = cast("Row", codec.unpack(bytes(blob), _named_file))
            yield key, features
        if message["waits"]:
            channel.send({"op": "next"})
    return False


def _died(code: int, crashes: int, place: HandlerPlace) -> WorkerDiedError:
    """Say how the process ended by itself, and in which line, where that is known."""
    where = crash_frame(os.pread(crashes, os.fstat(crashes).st_size, 0).decode(errors="replace"))
    message = f"the process in which handler {place.handler!r} ran {describe_exit(code)}" + (
        f" at {where}" if where else ""
    )
    hint = "the memory of the machine may not suffice, or native code has failed"
    if code >= 0:
        hint = "the handler, or what it calls, ends the process, as os._exit() does; let it return, or raise"
    return WorkerDiedError(message, hint=hint)


def _watch(process: subprocess.Popen[bytes], channel: Channel) -> None:
    """End the stream with the process: children that user code forked may hold its other end open."""
    process.wait()
    channel.shut_down()


def _named_file(reference: dict[str, Any]) -> FileSource:  # Any: JSON values
    return FileSource(reference["path"])


def _error(said: Mapping[str, Any], place: HandlerPlace) -> Exception:  # Any: JSON values
    error = error_from_json(said)
    if isinstance(error, UserCodeError) and place.told:
        tried = f"it ran in {place.told}"
        error.hint = f"{error.hint}; {tried}" if error.hint else tried
    return error
