"""What the executors of this machine share: workers, the tasks that wait for one, and the reports."""

from __future__ import annotations

import dataclasses
import logging
import queue
from collections import deque
from collections.abc import Sequence

from starwhale.domain.job import HandlerRecord, Task, TaskError, TaskUpdate
from starwhale.domain.json_shape import Json
from starwhale.domain.machine import Machine
from starwhale.domain.status import Status
from starwhale.errors import WorkerDiedError
from starwhale.execution.executors.allotment import NOTHING, Allotment, Grant, Positions
from starwhale.execution.executors.attempt_ends import take_waiting
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.executors.worker_process import Events, WorkerProcess, check_python
from starwhale.execution.machine.capacity import accelerator_environment
from starwhale.handlers.failures import crash_frame
from starwhale.storage.carriers.frames import error_from_json

logger = logging.getLogger(__name__)
_STACK = (" ", "Traceback ", "Stack (", "Current thread", "Thread 0x", "Extension modules:")
"""How lines of a stack begin, in what Python writes of an error or a crash."""


class LocalWorkers:
    """Places tasks on worker processes; idle ones are used again."""

    def __init__(self, options: ExecutorOptions, *, shares_workers: bool) -> None:
        self._options = options
        self._shares_workers = shares_workers
        self._allotment = Allotment(options.find_machine)
        self._events: Events = queue.SimpleQueue()
        self._workers: list[WorkerProcess] = []
        self._waiting: deque[Task] = deque()
        self._updates: list[TaskUpdate] = []
        self._started = 0
        self._last: WorkerProcess | None = None
        self._worker_bytes = 0

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        return self._shares_workers

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together."""
        return self._allotment.machine

    @property
    def worker_bytes(self) -> int:
        """Main memory that a worker took after it had imported the user's modules; 0 where nobody knows or tasks share it."""
        return 0 if self._shares_workers else self._worker_bytes

    def discover(self) -> dict[str, HandlerRecord]:
        worker = self._workers[0] if self._workers else self._start()
        worker.discover()
        while True:
            source, message = self._events.get()
            if source is worker and message is None:
                died = _died_importing(worker, self._options.modules)
                self._end(worker)
                raise died
            if source is worker and message is not None and message["op"] == "handlers":
                self._worker_bytes = worker.memory_bytes()
                return {name: HandlerRecord.from_json(record) for name, record in message["handlers"].items()}
            if source is worker and message is not None and message["op"] == "error":
                raise error_from_json(message["error"])
            self._take(source, message)

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._place()

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        try:
            if not self._updates:
                self._take(*self._events.get(timeout=timeout_s))
            while True:
                self._take(*self._events.get_nowait())
        except queue.Empty:
            pass
        self._place()
        for worker in self._workers:
            worker.echo()
        found, self._updates = self._updates, []
        return found

    def cancel(self, task_id: str) -> None:
        self._updates += take_waiting(self._waiting, task_id)
        for worker in self._workers:
            if task_id in worker.tasks:
                worker.stop(task_id)

    def close(self, *, kill: bool = False) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close(kill=kill or bool(worker.tasks))

    def _place(self) -> None:
        while self._waiting and self._has_room():
            chosen = self._allotment.take_first(self._waiting, self._idle_accelerators)
            if chosen is None:
                return
            task, grant = chosen
            self._waiting.remove(task)
            worker = self._worker_for(task, grant)
            own = grant.accelerators or ()
            seen = own if self._shares_workers else tuple(range(len(own)))  # a process of its own sees no others
            worker.run(dataclasses.replace(task, accelerators=seen if task.demand != NOTHING else ()))

    def _has_room(self) -> bool:
        return sum(len(worker.tasks) for worker in self._workers) < self._options.max_workers

    def _idle(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if not worker.tasks]

    def _idle_accelerators(self) -> list[Positions]:
        return [] if self._shares_workers else [each.accelerators for each in self._idle() if each.accelerators]

    def _worker_for(self, task: Task, grant: Grant) -> WorkerProcess:
        """Return a worker that sees what a task was given, started if need be."""
        del task  # workers of this kind are all alike
        if self._shares_workers:
            return self._workers[0] if self._workers else self._start()
        for worker in self._idle():
            if worker.accelerators == grant.accelerators:
                return worker
        for worker in self._idle():
            if _overlap(worker.accelerators, grant.accelerators) or len(self._workers) >= self._options.max_workers:
                self._workers.remove(worker)  # what it keeps on an accelerator would be in the way
                worker.close(kill=False)
        return self._start(grant.accelerators)

    def _start(self, accelerators: Positions | None = None) -> WorkerProcess:
        if self._started == 0:
            check_python(self._options.python)
        options = self._options
        if accelerators is not None:
            ids = [self.machine.accelerators[position].id for position in accelerators]
            options = dataclasses.replace(options, environment={**options.environment, **accelerator_environment(ids)})
        uses_threads = self._shares_workers and not self._options.is_debug
        worker = WorkerProcess(options, self._events, number=self._started, uses_threads=uses_threads)
        return self._add(worker, accelerators)

    def _add(self, worker: WorkerProcess, accelerators: Positions | None) -> WorkerProcess:
        worker.accelerators = accelerators
        self._last = worker
        self._started += 1
        self._workers.append(worker)
        logger.debug("started worker pid=%s", worker.pid)
        return worker

    def _take(self, worker: WorkerProcess, message: Json | None) -> None:
        if message is None:
            self._end(worker)
        elif message["op"] == "update":
            update = TaskUpdate.from_json(message["update"])
            self._allotment.give_back(update.task_id)
            if worker.tasks.pop(update.task_id, None) is not None:
                self._updates.append(update)
            if message.get("ends") and worker in self._workers:  # user code in it does not end
                self._workers.remove(worker)
                worker.close(kill=True)

    def _end(self, worker: WorkerProcess) -> None:
        """Report the tasks that a worker took with it."""
        if worker not in self._workers:  # it was closed
            return
        self._workers.remove(worker)
        for task in worker.tasks.values():
            self._allotment.give_back(task.id)
            error = TaskError(
                message=f"the worker process {worker.describe_end()} while it ran task {task.index} of {task.step.name}",
                details=worker.output_tail(),
                hint="the memory of the machine may not suffice, or native code has failed; see the task's log",
                is_user_error=False,
                step=task.step.name,
                task=task.index,
                attempt=task.attempt,
                output=worker.output_tail(),
                exit_code=worker.exit_code,
                signal=worker.signal,
            )
            self._updates.append(
                TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.FAILED, error=error, worker_died=True)
            )
        worker.tasks.clear()
        worker.close(kill=False)


def _overlap(seen: Positions | None, granted: Positions | None) -> bool:
    """Whether a worker that sees some accelerators, or all, is in the way of one that is to have its own."""
    return bool(granted) and (seen is None or not set(seen).isdisjoint(granted or ()))


def _died_importing(worker: WorkerProcess, modules: Sequence[str]) -> WorkerDiedError:
    """Say how a worker ended at the import of modules, in which line of the user's that was, and what it wrote last."""
    said = worker.output_tail()
    place = crash_frame(said)
    told = [line for line in said.splitlines() if not line.startswith(_STACK)]
    fatal = [line for line in told if line.startswith("Fatal Python error")]
    wrote = (fatal or told[-1:])[:1]
    message = f"the worker process {worker.describe_end()} while it imported {', '.join(modules)}"
    hint = "look at what these modules do when they are imported"
    return WorkerDiedError(f"{message}, at {place}" if place else message, hint="; it wrote: ".join([hint, *wrote]))
