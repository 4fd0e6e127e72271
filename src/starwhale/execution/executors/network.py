"""`network`: a task is a process of this machine that reaches its instance over HTTP and nothing else, as a container in a Pod does.

It needs no cluster, so that what happens there can be tried, tested and measured anywhere. A process is started anew for each attempt.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import IO

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.job import HandlerRecord, Task, TaskUpdate
from starwhale.domain.machine import Machine
from starwhale.execution.executors.allotment import NOTHING, Allotment, Grant
from starwhale.execution.executors.attempt_ends import Renewals, failed, need_server, take_waiting
from starwhale.execution.executors.local_workers import LocalWorkers
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.executors.worker_process import check_python
from starwhale.execution.machine.capacity import accelerator_environment
from starwhale.execution.network.spec import GAVE_UP, NEVER_REACHED
from starwhale.execution.tasks.task_output import TAIL_BYTES
from starwhale.settings import child_environment
from starwhale.storage.carriers.lifetime import describe_exit, signal_name

LOOK_S = 0.05
"""Time between two looks at what has ended."""
_LEAVE_S = 10.0


@dataclass(slots=True)
class _Running:
    """A task and the process that runs it."""

    task: Task
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    start: int

    def tail(self) -> str:
        """Return the end of what the process has written."""
        descriptor = self.output.fileno()
        start = max(os.fstat(descriptor).st_size - TAIL_BYTES, self.start)
        return os.pread(descriptor, TAIL_BYTES, start).decode(errors="replace").strip()

    def kill(self) -> None:
        """End the process with everything that user code started in it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class NetworkExecutor:
    """Starts a worker per task with what `RemoteTasks` tells it."""

    def __init__(self, options: ExecutorOptions) -> None:
        """Begin with no workers.

        Raises:
            UsageError: No server is known that they could reach.
        """
        self._remote = need_server(options, "network", "its tasks")
        self._options = options
        self._allotment = Allotment(options.find_machine)
        self._waiting: deque[Task] = deque()
        self._running: dict[str, _Running] = {}
        self._leaving: list[tuple[_Running, float]] = []
        self._updates: list[TaskUpdate] = []
        self._started = 0
        self._worker_bytes = 0
        self._renewals = Renewals()

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        return False

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together."""
        return self._allotment.machine

    @property
    def worker_bytes(self) -> int:
        """Main memory that a worker took after it had imported the user's modules."""
        return self._worker_bytes

    def discover(self) -> dict[str, HandlerRecord]:
        """Import the modules in a worker of the usual kind, which ends then."""
        workers = LocalWorkers(self._options, shares_workers=False)
        try:
            found = workers.discover()
            self._worker_bytes = workers.worker_bytes
        finally:
            workers.close()
        return found

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._place()

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        deadline = time.monotonic() + timeout_s
        while True:
            self._look()
            left_s = deadline - time.monotonic()
            if self._updates or left_s <= 0:
                break
            time.sleep(min(LOOK_S, left_s))
        self._place()
        found, self._updates = self._updates, []
        return found

    def cancel(self, task_id: str) -> None:
        self._updates += take_waiting(self._waiting, task_id)
        if task_id in self._running:
            self._remote.stop(self._running[task_id].task)

    def close(self, *, kill: bool = False) -> None:
        running, self._running = list(self._running.values()), {}
        for each in running:
            self._remote.revoke(each.task)
            each.kill()  # a task that has not ended is not waited for, and its right is gone
        for each, _ in self._leaving:
            if kill:
                each.kill()
        for each in [*running, *(found for found, _ in self._leaving)]:
            try:
                each.process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                each.kill()
                each.process.wait()
            each.output.close()
        self._leaving = []

    def _place(self) -> None:
        while self._waiting and len(self._running) < self._options.max_workers:
            chosen = self._allotment.take_first(self._waiting, list)
            if chosen is None:
                return
            task, grant = chosen
            self._waiting.remove(task)
            seen = tuple(range(len(grant.accelerators or ())))
            self._start(replace(task, accelerators=seen if task.demand != NOTHING else ()), grant)

    def _start(self, task: Task, grant: Grant) -> None:
        options = self._options
        if self._started == 0:
            check_python(options.python)
        environment = dict(options.environment)
        if grant.accelerators is not None:
            ids = [self.machine.accelerators[position].id for position in grant.accelerators]
            environment |= accelerator_environment(ids)
        options.log_folder.mkdir(parents=True, exist_ok=True)
        output = (options.log_folder / f"worker-{self._started}.txt").open("a+b")
        self._started += 1
        workdir = "" if task.request.model_version else options.workdir
        spec = self._remote.launch(task, workdir=workdir, owner=os.getpid())
        with tempfile.TemporaryFile() as told:  # no pipe: nobody would wait until it is read
            told.write(json.dumps(spec.to_json(with_secrets=True)).encode())
            told.seek(0)
            process = subprocess.Popen(
                [options.python, "-P", "-m", "starwhale.execution.worker", "--task", "-"],
                env=child_environment(environment),
                stdin=told,
                stdout=output,
                stderr=output,
                cwd=tempfile.gettempdir(),
                start_new_session=True,
            )
        self._running[task.id] = _Running(task, process, output, os.fstat(output.fileno()).st_size)

    def _look(self) -> None:
        """Take in what workers have said of their ends, and which have gone without a word."""
        gone = [each for each in self._running.values() if each.process.poll() is not None]
        said = self._remote.words() if self._running else {}
        for each in list(self._running.values()):
            update = said.get(attempt_key(each.task.id, each.task.attempt))
            if update is not None or each in gone:
                self._report(each, update or self._died(each))
        now = time.monotonic()
        for each, until in list(self._leaving):
            if each.process.poll() is None and now > until:
                each.kill()
                each.process.wait()
            if each.process.poll() is not None:
                self._leaving.remove((each, until))
                each.output.close()

    def _report(self, each: _Running, update: TaskUpdate) -> None:
        del self._running[each.task.id]
        self._remote.revoke(each.task)
        self._allotment.give_back(each.task.id)
        if each.process.poll() is None or each.process.returncode == 0:
            self._leaving.append((each, time.monotonic() + _LEAVE_S))
        else:
            each.kill()  # whatever user code started in it
            each.output.close()
        self._updates.append(update)

    def _died(self, each: _Running) -> TaskUpdate:
        """Say what became of a worker that ended without a word."""
        task, code = each.task, each.process.returncode
        how = "gave the server up" if code in {GAVE_UP, NEVER_REACHED} else describe_exit(code)
        update = failed(
            task,
            f"the worker process {how} while it ran task {task.index} of {task.step.name}",
            hint="the memory of the machine may not suffice, or native code has failed; see the task's log",
            output=each.tail(),
            exit_code=code if code >= 0 else None,
            signal=signal_name(code),
        )
        return self._renewals.after_exit(replace(update, worker_died=True), code)
