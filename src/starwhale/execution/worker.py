"""The process in which user code runs: `python -m starwhale.execution.worker CONTROL STORES`, given two inherited sockets.

It imports the user's modules, runs tasks that arrive as JSON and reports their ends. It needs the standard library only, so that the
user's environment can hold whatever it wants. It ends when its parent does: the control socket ends then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from starwhale.domain.job import Task, TaskUpdate
from starwhale.storage.remote.frames import Channel, Json, error_to_json
from starwhale.storage.remote.pipe import PipeClient, PipeTaskStores

_FLUSH_CHARACTERS = 4096
_FLUSH_S = 0.2


class LogSink(Protocol):
    """What keeps the log of a task."""

    def log(self, text: str) -> None:
        """Append to the log."""
        ...


class TaskLog:
    """Sends what a task prints to its log, a few lines at a time."""

    def __init__(self, stores: LogSink) -> None:
        self._stores = stores
        self._pieces: list[str] = []
        self._size = 0
        self._sent_at = 0.0
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Keep text for the log."""
        with self._lock:
            self._pieces.append(text)
            self._size += len(text)
            now = time.monotonic()
            if self._size >= _FLUSH_CHARACTERS or (now - self._sent_at > _FLUSH_S and text.endswith("\n")):
                self._send(now)

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            self._send(time.monotonic())

    def _send(self, now: float) -> None:
        if self._pieces:
            self._stores.log("".join(self._pieces))
        self._pieces, self._size, self._sent_at = [], 0, now


class TaskStream(io.TextIOBase):
    """`sys.stdout` and `sys.stderr` of a worker: what a thread prints goes to the log of the task that it runs."""

    def __init__(self, raw: io.TextIOWrapper, logs: dict[int, TaskLog], echo: io.TextIOWrapper | None) -> None:
        super().__init__()
        self._raw = raw
        self._logs = logs
        self._echo = echo

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - typeshed has a plain attribute
        """Encoding of what is written."""
        return "utf-8"

    @property
    def buffer(self) -> Any:  # Any: the binary stream below, as sys.stdout has it
        """The stream of bytes; it goes to the worker's own log."""
        return self._raw.buffer

    def fileno(self) -> int:
        return self._raw.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        log = self._logs.get(threading.get_ident())
        if log is None and len(self._logs) == 1:  # a thread that user code started, while one task runs
            log = next(iter(self._logs.values()), None)
        if log is None:
            self._raw.write(text)
        else:
            log.write(text)
        if self._echo is not None:
            self._echo.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(ValueError):  # closed at the interpreter's end
            self._raw.flush()
            if self._echo is not None:
                self._echo.flush()


class Worker:
    """What one worker process does with the messages of its parent."""

    def __init__(self, control: socket.socket, stores: socket.socket) -> None:
        self._control = Channel(control)
        self._stores_channel = Channel(stores)
        self._client: PipeClient | None = None
        self._hello: Json = {}
        self._messages: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._stops: dict[str, threading.Event] = {}
        self._logs: dict[int, TaskLog] = {}
        self._handlers: Json | None = None
        self._log_is_open = False
        self._importing = threading.RLock()  # one thread at a time: discovery replaces modules

    def run(self) -> None:
        """Work until the parent says that it is enough."""
        threading.Thread(target=self._receive, name="control", daemon=True).start()
        while (message := self._messages.get())["op"] != "exit":
            match message["op"]:
                case "hello":
                    self._begin(message)
                case "discover":
                    self._discover()
                case "run":
                    self._start(Task.from_json(message["task"]))
                case _:
                    pass

    def _receive(self) -> None:
        while (message := self._control.receive()) is not None:
            if message[0]["op"] == "stop":  # at once, whatever the main thread is doing
                self._stop_event(message[0]["task"]).set()
            else:
                self._messages.put(message[0])
        os._exit(1)  # the parent has gone: nobody would take what user code still does

    def _begin(self, message: Json) -> None:
        self._hello = message
        echo = None
        if message["is_verbose"]:
            echo = io.TextIOWrapper(
                os.fdopen(os.dup(2), "wb"), encoding="utf-8", errors="backslashreplace", line_buffering=True
            )
        for name in ("stdout", "stderr"):
            raw = getattr(sys, name)
            raw.reconfigure(errors="backslashreplace", line_buffering=True)
            setattr(sys, name, TaskStream(raw, self._logs, echo))
        os.chdir(message["workdir"])

    def _discover(self) -> None:
        try:
            handlers = self._import_modules()
        except BaseException as error:
            self._control.send({"op": "error", "error": error_to_json(error)})
            return
        self._control.send({"op": "handlers", "handlers": handlers})

    def _import_modules(self) -> Json:
        """Import the user's modules once, and return the records of their handlers."""
        if self._handlers is None:
            from starwhale.handlers.discover import discover

            found = discover(Path(self._hello["workdir"]), self._hello["modules"], arguments=self._hello["arguments"])
            self._handlers = {name: record.to_json() for name, record in found.items()}
        return self._handlers

    def _start(self, task: Task) -> None:
        if self._hello["uses_threads"]:
            threading.Thread(target=self._run, args=(task,), name=task.id, daemon=True).start()
        else:
            self._run(task)  # in the main thread, which some libraries insist on

    def _run(self, task: Task) -> None:
        from starwhale.execution import task_entry

        stores = PipeTaskStores(self._stores(), task.id, task.attempt)
        log = TaskLog(stores)
        thread = threading.get_ident()
        self._logs[thread] = log
        stop = self._stop_event(task.id)
        try:
            with self._importing:
                self._open_log()
                self._import_modules()
            update = task_entry.run_task(task, stores, should_stop=stop.is_set)
        except BaseException as error:
            status = task_entry.Status.FAILED
            described = task_entry.describe_error(error)
            update = TaskUpdate(task_id=task.id, attempt=task.attempt, status=status, error=described)
        finally:
            self._logs.pop(thread, None)
            self._stops.pop(task.id, None)
        with contextlib.suppress(Exception):
            log.flush()
        self._control.send({"op": "update", "update": dataclasses.asdict(update)})

    def _stores(self) -> PipeClient:
        with self._importing:
            if self._client is None:
                from starwhale.storage.task_codec import TaskCodec

                self._client = PipeClient(self._stores_channel, TaskCodec())
            return self._client

    def _stop_event(self, task_id: str) -> threading.Event:
        return self._stops.setdefault(task_id, threading.Event())

    def _open_log(self) -> None:
        """Send what native code writes to a file that stays, once there is a job that it belongs to."""
        if self._log_is_open:
            return
        self._log_is_open = True
        path = Path(self._hello["log"])
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        if not self._hello["is_verbose"]:
            os.dup2(descriptor, 2)
        os.close(descriptor)


def main(arguments: list[str]) -> None:
    """Run a worker over the two inherited sockets whose descriptors are given."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    control, stores = (socket.socket(fileno=int(each)) for each in arguments)
    for each in (control, stores):
        each.set_inheritable(False)
    _die_with_parent()
    Worker(control, stores).run()
    sys.stdout.flush()
    os._exit(0)  # threads that user code left behind do not hold the job up


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, even while native code keeps every thread from running."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main(sys.argv[1:])
