"""A worker elsewhere: runs the one attempt that it was started for, over HTTP alone, and says how it ended.

`python -m starwhale.execution.worker --task FILE` (or `-` for the standard input). The exit code is 0 when the server has taken in how the attempt
ended, whatever that was; otherwise nobody may be waiting for it any more. Needs the standard library only, like every worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from starwhale.domain.job import TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import LeaseLostError, LoginError, ServerError, StarwhaleError
from starwhale.execution.network.model_files import fetch_model
from starwhale.execution.network.renewer import Renewer, leave_s
from starwhale.execution.network.spec import GAVE_UP, NEVER_REACHED, WorkerSpec, read_spec
from starwhale.execution.tasks.packages import LoadedPackages
from starwhale.execution.tasks.task_output import TaskLog, TaskStream, ThreadLogs
from starwhale.storage.carriers.carried import CarriedTaskStores
from starwhale.storage.carriers.http import CarrierPatience, HttpClient
from starwhale.storage.object_accounts import accounts
from starwhale.storage.task_codec import WorkerCodec


class RemoteWorker:
    """What one process does for one attempt."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._stop = threading.Event()
        self._waits: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._raw = sys.stderr
        self._client = HttpClient(
            spec.address,
            WorkerCodec(),
            patience=CarrierPatience(total_s=spec.outage_s),
            on_wait=self._say_wait,
            on_stop=self._stop.set,
        )
        self._stores = _SaidStores(self._client, spec, self._waits)
        self._packages = LoadedPackages()

    def run(self) -> int:
        """Run the attempt to its end, and return the exit code."""
        task = self._spec.task
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())  # a Pod that is deleted: what is done is kept
        renewer = Renewer(self._spec, on_word=self._hear)
        folder = tempfile.mkdtemp(prefix="starwhale-task-")
        log = TaskLog(self._stores)
        try:
            try:
                self._make_ready(Path(folder), log)
                update = self._run(log)
            except BaseException as error:
                update = self._failed(error)
            return self._end(update, log)
        except StarwhaleError as error:
            self._say(f"attempt {task.attempt} of task {task.id} ends without a word: {error}")
            if isinstance(error, ServerError):
                return GAVE_UP if self._client.has_answered else NEVER_REACHED
            return 1
        finally:
            renewer.close()
            self._client.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _hear(self, word: str) -> None:
        """Stop at the next batch boundary, whatever the word is: nothing more of the attempt is wanted."""
        if word == "alone":
            self._client.hurry(leave_s(self._spec))
            self._say("the driver of the job has ended; the attempt ends at the next batch boundary")
        self._stop.set()

    def _make_ready(self, folder: Path, log: TaskLog) -> None:
        """Bring the user's code here, and have what it prints go to the log of the task."""
        spec = self._spec
        accounts.take_over(spec.link_auths)
        workdir = Path(spec.workdir) if spec.workdir else folder / "model"
        if not spec.workdir:
            fetch_model(self._client, Path(spec.cache) if spec.cache else folder / "cache", workdir)
        faulthandler.enable(all_threads=False)
        logs = ThreadLogs()
        logs.begin(log)
        logs.follow_threads()
        for name in ("stdout", "stderr"):
            raw = getattr(sys, name)
            raw.reconfigure(errors="backslashreplace", line_buffering=True)
            setattr(sys, name, TaskStream(raw, logs, None))
        os.chdir(workdir)

    def _run(self, log: TaskLog) -> TaskUpdate:
        from starwhale.execution.tasks import task_entry
        from starwhale.handlers.discover import discover

        spec = self._spec
        self._client.codec.warm_up()
        discover(Path.cwd(), list(spec.modules), arguments=list(spec.arguments))
        task = dataclasses.replace(spec.task, request=dataclasses.replace(spec.task.request, workdir=str(Path.cwd())))
        update = task_entry.run_task(
            task,
            self._stores,
            should_stop=self._stop.is_set,
            output=log,
            on_stuck=lambda update: os._exit(self._end(update, log)),
        )
        return renewed_where_lost(update)

    def _failed(self, error: BaseException) -> TaskUpdate:
        """Say that the attempt could not even begin."""
        from starwhale.execution.tasks.task_entry import describe_error
        from starwhale.handlers.failures import user_code_error

        if isinstance(error, LoginError):
            raise error
        if not isinstance(error, Exception):  # user code may raise KeyboardInterrupt, or make one of its own
            error = user_code_error(f"importing {', '.join(self._spec.modules)}", error)
        task = self._spec.task
        return TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.FAILED, error=describe_error(error))

    def _end(self, update: TaskUpdate, log: TaskLog) -> int:
        """Tell the server how the attempt ended, after everything that it has said."""
        with contextlib.suppress(StarwhaleError):
            log.flush()
        update = dataclasses.replace(update, packages=self._packages.versions())
        try:
            self._client.call("end", self._client.key, {"update": update.to_json()})
        except LoginError as error:  # the word may have arrived before, and its answer not
            self._say(str(error))
            return 1
        return 0

    def _say_wait(self, text: str) -> None:
        """Say what is waited for: here at once, and in the log of the task when that can be reached again."""
        self._say(text)
        self._waits.put(f"{time.strftime('%H:%M:%S')} {text}\n")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody may be reading
            print(text, file=self._raw, flush=True)


class _SaidStores(CarriedTaskStores):
    """The stores of the attempt, whose log also says what the worker has waited for."""

    def __init__(self, client: HttpClient, spec: WorkerSpec, waits: queue.SimpleQueue[str]) -> None:
        super().__init__(client, spec.task.id, spec.task.attempt)
        self._waits = waits

    def log(self, text: str) -> None:
        said: list[str] = []
        with contextlib.suppress(queue.Empty):
            while True:
                said.append(self._waits.get_nowait())
        super().log("".join([*said, text]))


def renewed_where_lost(update: TaskUpdate) -> TaskUpdate:
    """Have an attempt begun anew whose lease has ended under it: over a network that is nobody's mistake, and no reason to stop the job."""
    error = update.error
    if error is None or not error.exception.startswith(f"{LeaseLostError.__name__}:"):
        return update
    return dataclasses.replace(update, status=Status.FAILED, worker_died=True, is_renewal=True)


def work(source: str) -> int:
    """Run the attempt that a file describes, and return the exit code."""
    try:
        worker = RemoteWorker(read_spec(source))
    except StarwhaleError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - the log of the container
        return error.exit_code
    return worker.run()
