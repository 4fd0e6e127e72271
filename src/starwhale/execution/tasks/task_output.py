"""What user code prints: sent to the log of its task, and shown where that is asked for. Needs the standard library only."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

_FLUSH_CHARACTERS = 4096
_FLUSH_S = 0.2
_LINE_CHARACTERS = 1 << 20
"""A longer line is not kept until it ends."""
_OWN_CHARACTERS = 16 << 20
"""So much is kept of what modules print at their import, or threads that belong to no task: a loop there must not fill the disk."""
TAIL_BYTES = 4000
"""So much of the last output is kept with a failure."""


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
        self._tail = ""
        self.sends_at_once = False
        """Whether every line is sent when it is whole, because the process may not live to send it later."""

    def tail(self) -> str:
        """Return the end of what was printed."""
        with self._lock:
            return self._tail.strip()

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
            self._tail = (self._tail + text)[-TAIL_BYTES:]
            now = time.monotonic()
            if self.sends_at_once or self._size >= _FLUSH_CHARACTERS or now - self._sent_at > _FLUSH_S:
                self._send(now)
        if self._echo is not None:
            self._echo.write(text)

    def _send(self, now: float) -> None:
        if self._pieces:
            self._stores.log("".join(self._pieces))
        self._pieces, self._size, self._sent_at = [], 0, now


def read_tail(path: Path, start: int = 0) -> str:
    """Return the end of a log, but nothing before the byte `start`; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL_BYTES, start))
            return file.read(TAIL_BYTES).decode(errors="replace").strip()
    except OSError:
        return ""


class ThreadLogs:
    """Which thread prints for which task: the one that runs it, and those that it starts."""

    def __init__(self) -> None:
        self._logs: dict[int, TaskLog] = {}
        self._started: weakref.WeakKeyDictionary[threading.Thread, TaskLog] = weakref.WeakKeyDictionary()

    def begin(self, log: TaskLog) -> None:
        """Let this thread print for a task."""
        self._logs[threading.get_ident()] = log

    def end(self) -> None:
        """Let it print for none; threads that it started go on."""
        self._logs.pop(threading.get_ident(), None)

    def find(self) -> TaskLog | None:
        """Return the log of this thread; None when it belongs to no task."""
        log = self._logs.get(threading.get_ident())
        if log is None:
            log = self._started.get(threading.current_thread())
        if log is None and len(self._logs) == 1:  # a thread that is not Python's own, while one task runs
            log = next(iter(self._logs.values()), None)
        return log

    def follow_threads(self) -> None:
        """Note for whom each thread prints when it is started: nothing in Python hands that on."""
        start, started, find = threading.Thread.start, self._started, self.find

        def start_noted(self: threading.Thread) -> None:
            if (log := find()) is not None:
                started[self] = log
            start(self)

        threading.Thread.start = start_noted  # the process is a worker's, and ends with it


class TaskStream(io.TextIOBase):
    """`sys.stdout` and `sys.stderr` of a worker: what a thread prints goes to the log of the task that it runs."""

    def __init__(self, raw: io.TextIOWrapper, logs: ThreadLogs, echo: Echo | None) -> None:
        super().__init__()
        self._raw = raw
        self._logs = logs
        self._echo = echo
        self._lines = Lines(self._write_raw)
        self._room = _OWN_CHARACTERS

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
        (self._logs.find() or self._lines).write(text)
        return len(text)

    def flush(self) -> None:
        (self._logs.find() or self._lines).flush_line()
        with contextlib.suppress(ValueError):  # closed at the interpreter's end
            self._raw.flush()

    def _write_raw(self, text: str) -> None:
        if self._room > 0:
            self._room -= len(text)
            self._raw.write(text if self._room > 0 else f"{text}\n… and more, which is not kept\n")
        if self._echo is not None and not self._echo.is_left_to_parent:
            self._echo.write(text)
