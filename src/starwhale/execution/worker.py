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
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from starwhale.domain.job import Task, TaskUpdate
from starwhale.errors import InterruptedJobError, UserCodeError
from starwhale.storage.remote.frames import Channel, Json, error_to_json
from starwhale.storage.remote.pipe import PipeClient, PipeTaskStores

_FLUSH_CHARACTERS = 4096
_FLUSH_S = 0.2
_LINE_CHARACTERS = 1 << 20
"""A longer line is not kept until it ends."""


class LogSink(Protocol):
    """What keeps the log of a task."""

    def log(self, text: str) -> None:
        """Append to the log."""
        ...


class Echo:
    """The standard error stream of the call that runs the job: what user code prints is shown there with `-v`."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        self._lock = threading.Lock()
        self.is_left_to_parent = False
        """Whether the parent shows what comes into the worker's own log."""

    def write(self, text: str) -> None:
        """Show text at once."""
        with self._lock, contextlib.suppress(OSError, ValueError):  # nobody may be reading any more
            self._stream.write(text)
            self._stream.flush()


class Lines:
    """Keeps what each thread has written until its line is whole, so that threads do not write into each other's lines."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._begun: dict[int, str] = {}
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Take text of this thread, and give on what is whole."""
        thread = threading.get_ident()
        with self._lock:
            text = self._begun.pop(thread, "") + text
            end = len(text) if len(text) > _LINE_CHARACTERS else text.rfind("\n") + 1
            if end < len(text):
                self._begun[thread] = text[end:]
            if end:
                self._emit(text[:end])

    def flush_line(self) -> None:
        """Give on what this thread has begun, because its owner asks for it."""
        with self._lock:
            if text := self._begun.pop(threading.get_ident(), ""):
                self._emit(text)

    def end(self) -> None:
        """Give on what every thread has begun, as lines of their own."""
        with self._lock:
            begun, self._begun = self._begun, {}
            if begun:
                self._emit("".join(f"{text}\n" for text in begun.values()))


class TaskLog:
    """Sends what a task prints to its log, a few lines at a time."""

    def __init__(self, stores: LogSink, echo: Echo | None = None) -> None:
        self._stores = stores
        self._echo = echo
        self._lines = Lines(self._take)
        self._pieces: list[str] = []
        self._size = 0
        self._sent_at = 0.0
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Keep text for the log."""
        self._lines.write(text)

    def flush_line(self) -> None:
        """Give on the line that this thread has begun."""
        self._lines.flush_line()

    def flush(self) -> None:
        """Send what waits."""
        self._lines.end()
        with self._lock:
            self._send(time.monotonic())

    def _take(self, text: str) -> None:
        with self._lock:
            self._pieces.append(text)
            self._size += len(text)
            now = time.monotonic()
            if self._size >= _FLUSH_CHARACTERS or now - self._sent_at > _FLUSH_S:
                self._send(now)
        if self._echo is not None:
            self._echo.write(text)

    def _send(self, now: float) -> None:
        if self._pieces:
            self._stores.log("".join(self._pieces))
        self._pieces, self._size, self._sent_at = [], 0, now


class TaskStream(io.TextIOBase):
    """`sys.stdout` and `sys.stderr` of a worker: what a thread prints goes to the log of the task that it runs."""

    def __init__(self, raw: io.TextIOWrapper, logs: dict[int, TaskLog], echo: Echo | None) -> None:
        super().__init__()
        self._raw = raw
        self._logs = logs
        self._echo = echo
        self._lines = Lines(self._write_raw)

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
        (self._log() or self._lines).write(text)
        return len(text)

    def flush(self) -> None:
        (self._log() or self._lines).flush_line()
        with contextlib.suppress(ValueError):  # closed at the interpreter's end
            self._raw.flush()

    def _log(self) -> TaskLog | None:
        log = self._logs.get(threading.get_ident())
        if log is None and len(self._logs) == 1:  # a thread that user code started, while one task runs
            log = next(iter(self._logs.values()), None)
        return log

    def _write_raw(self, text: str) -> None:
        self._raw.write(text)
        if self._echo is not None and not self._echo.is_left_to_parent:
            self._echo.write(text)


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
        self._echo: Echo | None = None
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
        if message["is_debug"]:  # the streams are the terminal's, as the user's own program has them
            from starwhale.execution import debugger

            debugger.attach()
        else:
            self._echo = Echo() if message["is_verbose"] else None
            for name in ("stdout", "stderr"):
                raw = getattr(sys, name)
                raw.reconfigure(errors="backslashreplace", line_buffering=True)
                setattr(sys, name, TaskStream(raw, self._logs, self._echo))
        os.chdir(message["workdir"])

    def _discover(self) -> None:
        try:
            with self._interruptible():
                handlers = self._import_modules()
        except BaseException as error:
            if (quit_error := self._show(error)) is not None:
                error = quit_error
            self._control.send({"op": "error", "error": error_to_json(error)})
            return
        self._control.send({"op": "handlers", "handlers": handlers})

    def _interruptible(self) -> AbstractContextManager[None]:
        """In a debugger, let Ctrl-C reach user code; otherwise the parent decides when to stop."""
        if not self._hello["is_debug"]:
            return contextlib.nullcontext()
        from starwhale.execution import debugger

        return debugger.interruptible()

    def _show(self, error: BaseException) -> InterruptedJobError | None:
        """In a debugger, show what an import raised; return what it comes to when the user wanted to stop."""
        if not self._hello["is_debug"]:
            return None
        from starwhale.execution import debugger

        cause = error.__cause__ or error
        if isinstance(cause, KeyboardInterrupt) or debugger.has_quit(cause):
            return InterruptedJobError("the debug run was stopped while the modules were imported")
        if isinstance(error, UserCodeError):
            with debugger.interruptible():
                debugger.show_failure(error)
        return None

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
        log = TaskLog(stores, self._echo)
        thread = threading.get_ident()
        self._logs[thread] = log
        stop = self._stop_event(task.id)
        try:
            with self._importing:
                self._open_log()
                self._import_modules()
            with self._interruptible():
                update = task_entry.run_task(task, stores, should_stop=stop.is_set, on_failure=self._on_failure())
        except BaseException as error:
            is_stopped = self._hello["is_debug"] and isinstance(error, KeyboardInterrupt)
            update = TaskUpdate(
                task_id=task.id,
                attempt=task.attempt,
                status=task_entry.Status.INTERRUPTED if is_stopped else task_entry.Status.FAILED,
                error=None if is_stopped else task_entry.describe_error(error),
            )
        finally:
            self._logs.pop(thread, None)
            self._stops.pop(task.id, None)
        with contextlib.suppress(Exception):
            log.flush()
            stores.sync()
        self._control.send({"op": "update", "update": dataclasses.asdict(update)})

    def _on_failure(self) -> Callable[[UserCodeError], None] | None:
        if not self._hello["is_debug"]:
            return None
        from starwhale.execution import debugger

        return debugger.show_failure

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
        if self._log_is_open or self._hello["is_debug"]:
            return
        self._log_is_open = True
        path = Path(self._hello["log"])
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        if self._echo is not None:
            self._echo.is_left_to_parent = True


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
