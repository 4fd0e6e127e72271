"""The rules of `Executor` as tests: subclass `ExecutorContract` in a test module, give it `make_executor`, and run pytest.

    class TestMyExecutor(ExecutorContract):
        def make_executor(self, options):
            return MyExecutor(options)

Stores, workers and user code are real; everything lies below the test's own folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from starwhale.domain.job import DatasetInput, Job, RunRequest, Task, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import UserCodeError
from starwhale.execution.executors import Executor, ExecutorOptions
from starwhale.execution.plan import plan_job, plan_tasks
from starwhale.execution.run import Desk
from starwhale.storage.remote.pipe import PipeServer
from starwhale.storage.stores import Stores, StoresRef, open_stores
from starwhale.storage.task_side import JobSide

DEADLINE_S = 60.0
"""How long a test waits for what must come."""
_ROWS = 400
_MODULE = """
    import os
    import signal
    import threading
    from pathlib import Path
    from starwhale import evaluation

    @evaluation.predict(replicas={replicas}, log_mode="plain")
    def predict(data):
        Path("pids").mkdir(exist_ok=True)
        Path("pids", str(os.getpid())).touch()
        {body}
        return data["number"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """One job on a real store, an executor to try, and the tasks to give it."""

    executor: Executor
    """What is tried."""
    stores: Stores
    """Where the tasks commit."""
    job: Job
    """The job, its queue made."""
    tasks: tuple[Task, ...]
    """First attempts of its one step."""
    folder: Path
    """Working directory of user code."""

    def rows_done(self) -> int:
        """Rows that were committed so far."""
        return sum(each.done for each in self.stores.catalog.ledger.progress(self.job.id))

    def pids(self) -> list[int]:
        """Processes in which user code has run."""
        return [int(each.name) for each in (self.folder / "pids").iterdir()]

    def collect(self, count: int) -> list[TaskUpdate]:
        """Wait until so many tasks have reported, then once more for reports that must not come."""
        found: list[TaskUpdate] = []

        def has_all() -> bool:
            found.extend(self.executor.wait(0.2))
            return len(found) >= count

        wait_for(has_all, f"{count} reports")
        found += self.executor.wait(0.2)
        return found


def wait_for(is_there: Callable[[], bool], what: str) -> None:
    """Ask again and again until something is there.

    Raises:
        AssertionError: It did not come within `DEADLINE_S`.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not is_there():
        if time.monotonic() > deadline:
            message = f"{what} did not come within {DEADLINE_S} s"
            raise AssertionError(message)


class ExecutorContract:
    """What every executor must do; one test per rule."""

    def make_executor(self, options: ExecutorOptions) -> Executor:
        """Make the executor to try; subclasses do."""
        raise NotImplementedError

    @contextmanager
    def workplace(
        self, folder: Path, body: str = "pass", *, replicas: int = 3, max_workers: int = 32
    ) -> Generator[Workplace]:
        """Open an executor over a job whose predict does `body` with each row."""
        user = folder / "user"
        user.mkdir()
        source = dedent(_MODULE).format(replicas=replicas, body=body)
        (user / "contract.py").write_text(source, encoding="utf-8")
        stores = open_stores(StoresRef(root=str(_make_root(folder))))
        desk = Desk()
        options = ExecutorOptions(
            python=sys.executable,
            workdir=str(user),
            modules=("contract",),
            log_folder=folder / "logs",
            serve=lambda sock: PipeServer(sock, desk.open),
            open_stores=desk.open,
            max_workers=max_workers,
        )
        executor = self.make_executor(options)
        try:
            job = _make_job(stores, executor, user)
            desk.side = JobSide(stores, job.steps, job.datasets)
            tasks = plan_tasks(job, job.steps[0])
            yield Workplace(executor=executor, stores=stores, job=job, tasks=tasks, folder=user)
        finally:
            executor.close(kill=True)
            stores.close()

    def test_every_task_reports_once(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path) as place:
            for task in place.tasks:
                place.executor.submit(task)
            updates = place.collect(len(place.tasks))
            assert sorted(each.task_id for each in updates) == sorted(task.id for task in place.tasks)
            assert {(each.status, each.attempt, each.worker_died) for each in updates} == {(Status.SUCCESS, 1, False)}
            assert place.rows_done() == _ROWS

    def test_more_tasks_than_workers_all_report(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, replicas=4, max_workers=1) as place:
            for task in place.tasks:
                place.executor.submit(task)
            assert len(place.collect(4)) == 4
            assert place.rows_done() == _ROWS

    def test_an_error_of_user_code_is_reported_as_such(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "raise ValueError('no good')", replicas=1) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert (update.status, update.worker_died) == (Status.FAILED, False)
            assert update.error is not None
            assert "no good" in update.error.exception

    def test_tasks_of_a_killed_worker_report_once(self, tmp_path: Path) -> None:
        body = "data['number'] == 30 and os.kill(os.getpid(), signal.SIGKILL)"
        with self.workplace(tmp_path, body) as place:
            for task in place.tasks:
                place.executor.submit(task)
            updates = place.collect(len(place.tasks))
            assert sorted(each.task_id for each in updates) == sorted(task.id for task in place.tasks)
            dead = [each for each in updates if each.worker_died]
            assert dead
            assert all(each.status is Status.FAILED and each.error is not None for each in dead)
            done = place.rows_done()
            assert place.executor.wait(0.0) == []
            assert place.rows_done() == done < _ROWS, "nothing of a dead worker reaches the stores any more"

    def test_a_task_runs_after_a_worker_was_killed(self, tmp_path: Path) -> None:
        body = "os.path.exists('dead') or (Path('dead').touch(), os.kill(os.getpid(), signal.SIGKILL))"
        with self.workplace(tmp_path, body, replicas=1) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert update.worker_died
            place.stores.catalog.ledger.release_all(place.job.id)
            again = plan_tasks(place.job, place.job.steps[0], {0: 2})[0]
            place.executor.submit(again)
            (update,) = place.collect(1)
            assert (update.status, update.attempt) == (Status.SUCCESS, 2)
            assert place.rows_done() == _ROWS

    def test_cancel_stops_at_a_batch_boundary(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "threading.Event().wait(0.02)", replicas=2) as place:
            for task in place.tasks:
                place.executor.submit(task)
            wait_for(lambda: place.rows_done() > 0, "the first rows")
            for task in place.tasks:
                place.executor.cancel(task.id)
            updates = place.collect(2)
            assert {each.status for each in updates} == {Status.INTERRUPTED}
            assert 0 < place.rows_done() < _ROWS

    def test_cancel_of_a_waiting_and_of_an_unknown_task(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "threading.Event().wait(0.02)", replicas=2, max_workers=1) as place:
            for task in place.tasks:
                place.executor.submit(task)
            place.executor.cancel("no such task")
            for task in reversed(place.tasks):
                place.executor.cancel(task.id)
            updates = place.collect(2)
            assert sorted(each.task_id for each in updates) == sorted(task.id for task in place.tasks)
            assert {each.status for each in updates} == {Status.INTERRUPTED}

    def test_wait_without_news_returns_nothing(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path) as place:
            assert place.executor.wait(0.0) == []

    def test_wait_returns_as_soon_as_there_is_news(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, replicas=1) as place:
            place.executor.submit(place.tasks[0])
            updates = place.executor.wait(DEADLINE_S)
            assert [each.status for each in updates] == [Status.SUCCESS], "one call was enough"

    def test_close_leaves_no_process(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path) as place:
            for task in place.tasks:
                place.executor.submit(task)
            place.collect(len(place.tasks))
            place.executor.close()
            place.executor.close()
            assert place.pids()
            assert [pid for pid in place.pids() if _is_living(pid)] == []

    def test_close_ends_user_code_that_never_ends(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "threading.Event().wait()") as place:
            place.executor.submit(place.tasks[0])
            wait_for(lambda: (place.folder / "pids").is_dir() and bool(place.pids()), "the user's code")
            place.executor.close(kill=True)
            assert [pid for pid in place.pids() if _is_living(pid)] == []

    def test_a_module_that_does_not_import_is_the_users_error(self, tmp_path: Path) -> None:
        try:
            with self.workplace(tmp_path, "this is no Python"):
                pass
        except UserCodeError as error:
            assert "contract.py" in f"{error} {error.frame} {error.details}"
            return
        message = "discover said nothing of a module that does not import"
        raise AssertionError(message)


def _make_root(folder: Path) -> Path:
    root = folder / "root"
    for name in ("datasets", "blobs", "tmp"):
        (root / name).mkdir(parents=True)
    return root


def _make_job(stores: Stores, executor: Executor, user: Path) -> Job:
    handlers = executor.discover()
    writer = stores.datasets.begin("contract", None)
    writer.put_columns(range(_ROWS), {"number": list(range(_ROWS))})
    written = writer.commit()
    dataset = DatasetInput(
        uri="contract/version/1",
        given="contract",
        dataset_id="contract",
        project="self",
        name="contract",
        version="1" * 40,
        manifest_digest=written.manifest_digest,
        row_count=_ROWS,
    )
    request = RunRequest(workdir=str(user), modules=("contract",), datasets=("contract",))
    job = plan_job(request, handlers, "contract:predict", [dataset], job_id=stores.catalog.make_id())
    stores.catalog.jobs.create(job, {}, None)
    stores.catalog.ledger.create_queue(job.id, job.steps[0].name, "", 0, _ROWS, 1)
    return job


def _is_living(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
