"""`caller`: a task is a thread of the process that asks for the job. For functions of a notebook or a script, which only it has."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import queue
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

from starwhale.domain.job import HandlerRecord, Task, TaskUpdate
from starwhale.domain.machine import Machine
from starwhale.domain.status import Status
from starwhale.errors import ExecutionError
from starwhale.execution.executors.allotment import Allotment
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.tasks.packages import LoadedPackages
from starwhale.execution.tasks.task_output import TaskLog

logger = logging.getLogger(__name__)

_END_S = 2.0
STREAMS = ("stdout", "stderr")


class _AbandonedError(BaseException):
    """Ends the user's code in a thread whose job is given up; no `except Exception` of theirs or ours holds it."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """One task that has a thread."""

    task: Task
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class TeeStream:
    """`sys.stdout` or `sys.stderr` while tasks run: what their threads print goes to their logs too, and on to where it went before."""

    def __init__(self, stream: TextIO, logs: dict[int, TaskLog]) -> None:
        self.stream = stream
        """Where everything goes."""
        self._logs = logs
        self._caller = threading.get_ident()

    def write(self, text: str) -> int:
        """Write text."""
        thread = threading.get_ident()
        log = self._logs.get(thread)
        if log is None and len(self._logs) == 1 and thread != self._caller:  # of a thread that user code started
            log = next(iter(self._logs.values()), None)
        if log is not None:
            log.write(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the notebook's own stream has beyond a plain one
        return getattr(self.stream, name)


class CallerThreads:
    """Threads of this process; there is no worker that could die, and user code that never ends cannot be killed, only asked."""

    def __init__(self, options: ExecutorOptions) -> None:
        if options.open_stores is None:
            message = "the executor 'caller' was given no stores of this process"
            raise ExecutionError(message)
        self._options = options
        self._open_stores = options.open_stores
        self._updates: queue.SimpleQueue[TaskUpdate] = queue.SimpleQueue()
        self._waiting: deque[Task] = deque()
        self._running: dict[str, _Running] = {}
        self._logs: dict[int, TaskLog] = {}
        self._tees: dict[str, TeeStream] = {}
        self._allotment = Allotment(options.find_machine)

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together."""
        return self._allotment.machine

    @property
    def worker_bytes(self) -> int:
        """0: its tasks share one memory."""
        return 0

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        return True

    def discover(self) -> dict[str, HandlerRecord]:
        from starwhale.handlers.discover import discover_loaded

        return discover_loaded(self._options.modules, arguments=self._options.arguments)

    def submit(self, task: Task) -> None:
        self._redirect()
        self._waiting.append(task)
        self._place()

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        found: list[TaskUpdate] = []
        try:
            found.append(self._updates.get(timeout=timeout_s))
            while True:
                found.append(self._updates.get_nowait())
        except queue.Empty:
            pass
        for update in found:
            self._running.pop(update.task_id, None)
            self._allotment.give_back(update.task_id)
        self._place()
        return found

    def cancel(self, task_id: str) -> None:
        for task in list(self._waiting):
            if task.id == task_id:
                self._waiting.remove(task)
                self._updates.put(TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.INTERRUPTED))
        if task_id in self._running:
            self._running[task_id].stop.set()

    def close(self, *, kill: bool = False) -> None:
        """Give the output back; threads that still run stop at their next batch, and what they commit later is refused."""
        running, self._running = list(self._running.values()), {}
        self._waiting.clear()
        for each in running:
            each.stop.set()
            if kill and each.thread is not None:
                _abandon(each.thread)
        for each in running:
            if each.thread is not None:
                each.thread.join(_END_S)
                if each.thread.is_alive():
                    logger.warning("task=%s: user code goes on after its job was given up", each.task.id)
        self._give_back()

    def _place(self) -> None:
        while self._waiting and len(self._running) < self._options.max_workers:
            chosen = self._allotment.take_first(self._waiting)
            if chosen is None:
                return
            task, grant = chosen
            self._waiting.remove(task)
            running = _Running(task=dataclasses.replace(task, accelerators=grant.accelerators or ()))
            self._running[running.task.id] = running
            running.thread = threading.Thread(target=self._run, args=(running,), name=running.task.id, daemon=True)
            running.thread.start()

    def _run(self, running: _Running) -> None:
        from starwhale.execution.tasks import task_entry

        task, thread = running.task, threading.get_ident()
        try:
            stores = self._open_stores(task)
            self._logs[thread] = log = TaskLog(stores)
            try:
                update = task_entry.run_task(task, stores, should_stop=running.stop.is_set, output=log)
            finally:
                self._logs.pop(thread, None)
                log.flush()
        except BaseException as error:  # noqa: BLE001 - the end of a thread: whatever happens becomes a TaskUpdate
            failed = task_entry.describe_error(error)
            update = TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.FAILED, error=failed)
        self._updates.put(dataclasses.replace(update, packages=LoadedPackages().versions()))

    def _redirect(self) -> None:
        for name in STREAMS:
            if name not in self._tees:
                self._tees[name] = tee = TeeStream(getattr(sys, name), self._logs)
                setattr(sys, name, cast("TextIO", tee))

    def _give_back(self) -> None:
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:  # somebody may have put a stream of their own there meanwhile
                setattr(sys, name, tee.stream)
        self._tees = {}


def _abandon(thread: threading.Thread) -> None:
    """Raise in another thread, at its next step in Python; code that waits in C is not reached."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_AbandonedError))
