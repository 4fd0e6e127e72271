"""The rows of a Python handler that runs in a process of its own, with the interpreter of an environment."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starwhale.errors import UserCodeError, WorkerDiedError
from starwhale.execution.executors.worker_process import describe_exit
from starwhale.media import codec
from starwhale.media.source import FileSource
from starwhale.settings import child_environment
from starwhale.storage.object_accounts import accounts
from starwhale.storage.remote.frames import Channel, error_from_json

_STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerPlace:
    """A handler, and where it runs."""

    handler: str
    """`module:object`."""
    workdir: str
    """Folder that its module is looked for in first; the working directory stays that of this process."""
    python: str
    """The interpreter."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it finds in its environment beside what this process has."""
    told: str = ""
    """What the user calls the environment."""


def read_elsewhere(place: HandlerPlace) -> Iterator[tuple[int | str, dict[str, object]]]:
    """Yield the rows of a handler; what it prints goes to the standard error stream.

    The process ends when the iteration does, however that is.

    Raises:
        HandlerError: There is no such module or object.
        UserCodeError: The user's code raised; with its line, and the environment that it was tried in.
        UnsupportedValueError: A value cannot be stored; its column and row are named.
        WorkerDiedError: The process was killed, or ended by itself.
    """
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours):
        channel = Channel(ours)
        process = subprocess.Popen(
            [place.python, "-P", "-m", "starwhale.execution.rows_worker", str(theirs.fileno())],
            env=child_environment(place.environment, without=("PYTHONHOME",)),
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,  # results of commands are what goes to ours
            pass_fds=(theirs.fileno(),),
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
            yield from _rows(channel, process, place)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that user code started in it
            watcher.join()


def _rows(
    channel: Channel, process: subprocess.Popen[bytes], place: HandlerPlace
) -> Iterator[tuple[int | str, dict[str, object]]]:
    while (received := channel.receive()) is not None:
        message, blobs = received
        if message["op"] == "end":
            return
        if message["op"] == "error":
            raise _error(message["error"], place)
        for blob in blobs:
            key, features = cast("tuple[int | str, dict[str, object]]", codec.unpack(bytes(blob), _named_file))
            yield key, features
        if message["waits"]:
            channel.send({"op": "next"})
    message = f"the process in which handler {place.handler!r} ran {describe_exit(process.wait())}"
    raise WorkerDiedError(message, hint="the memory of the machine may not suffice, or native code has failed")


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
