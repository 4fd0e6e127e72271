"""The rules of `Executor` as tests: subclass the suites in a test module, give them `make_executor`, and run pytest.

    class TestMyExecutor(ExecutorContract, ResourceContract):
        def make_executor(self, options):
            return MyExecutor(options)

Stores, workers and user code are real; everything lies below the test's own folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from starwhale.domain.job import DatasetInput, Job, RunRequest, Task, TaskUpdate
from starwhale.domain.machine import ACCELERATOR, Accelerator, Machine
from starwhale.domain.status import Status
from starwhale.errors import UserCodeError
from starwhale.execution.attempt_stores import AttemptStores
from starwhale.execution.executors import Executor, ExecutorOptions
from starwhale.execution.network.launch import RemoteTasks, ServerPlace
from starwhale.execution.plan import plan_job, plan_tasks
from starwhale.storage.carriers.pipe import PipeServer
from starwhale.storage.stores import Stores, StoresRef, open_stores
from starwhale.storage.task_side import JobSide

DEADLINE_S = 60.0
"""How long a test waits for what must come."""
_ROWS = 400
MACHINE = Machine(
    cores=64, memory_bytes=64 * 2**30, accelerators=tuple(Accelerator(id=str(number)) for number in range(3))
)
"""What executors are told that there is; nothing of it has to be there."""
_MODULE = """
    import os
    import signal
    import threading
    from pathlib import Path
    from starwhale import Context, evaluation
    from starwhale.execution.machine.capacity import VISIBLE
    from starwhale.settings import declared_values

    def hold(seconds):
        # Claims the task's accelerators for a while, and notes those that another task has claimed meanwhile.
        own = Context.get_runtime_context().accelerators
        seen = declared_values([VISIBLE])[VISIBLE] or "all"
        Path("seen").mkdir(exist_ok=True)
        Path("seen", f"{{seen}} {{','.join(map(str, own))}}").touch()
        names = [seen if seen != "all" and len(own) == 1 else f"{{number}}" for number in own]
        for name in names:
            try:
                Path(f"held-{{name}}").mkdir()
            except FileExistsError:
                Path("clash").touch()
        threading.Event().wait(seconds)
        for name in names:
            Path(f"held-{{name}}").rmdir()

    @evaluation.predict(replicas={replicas}, resources={resources}, log_mode="plain")
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

    def seen(self) -> set[tuple[str, str]]:
        """Return what tasks that called `hold` saw: CUDA_VISIBLE_DEVICES (or `all`), and their own positions, joined by commas."""
        found = (each.name.partition(" ") for each in (self.folder / "seen").iterdir())
        return {(seen, own) for seen, _, own in found}

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


class ExecutorPlace:
    """What the suites below share: a way to make the executor that is tried, and a place to try it in."""

    machine: Machine = MACHINE
    """What the executor is told that there is."""

    def make_executor(self, options: ExecutorOptions) -> Executor:
        """Make the executor to try; subclasses do."""
        raise NotImplementedError

    def is_living(self, pid: int) -> bool:
        """Whether a process of user code lives; subclasses say so whose workers have process ids of their own."""
        return _is_living(pid)

    @contextmanager
    def server(self, stores: Stores) -> Generator[ServerPlace | None]:
        """Serve stores to workers elsewhere, for an executor that has some; for others nobody does."""
        del stores
        yield None

    @contextmanager
    def workplace(
        self,
        folder: Path,
        body: str = "pass",
        *,
        replicas: int = 3,
        max_workers: int = 32,
        resources: Mapping[str, object] | None = None,
    ) -> Generator[Workplace]:
        """Open an executor over a job whose predict does `body` with each row, on a machine with what `MACHINE` says."""
        user = folder / "user"
        user.mkdir()
        source = dedent(_MODULE).format(replicas=replicas, body=body, resources=dict(resources or {}))
        (user / "contract.py").write_text(source, encoding="utf-8")
        stores = open_stores(StoresRef(root=str(_make_root(folder))))
        attempts = AttemptStores()
        with closing(stores), self.server(stores) as server:
            options = ExecutorOptions(
                python=sys.executable,
                workdir=str(user),
                modules=("contract",),
                log_folder=folder / "logs",
                serve=lambda sock: PipeServer(sock, attempts.open),
                open_stores=attempts.open,
                max_workers=max_workers,
                find_machine=lambda: self.machine,
                remote=None if server is None else RemoteTasks(stores, attempts, ("contract",), server),
            )
            executor = self.make_executor(options)
            try:
                job = _make_job(stores, executor, user)
                attempts.side = JobSide(stores, job.steps, job.datasets)
                tasks = plan_tasks(job, job.steps[0])
                yield Workplace(executor=executor, stores=stores, job=job, tasks=tasks, folder=user)
            finally:
                executor.close(kill=True)


class ExecutorContract(ExecutorPlace):
    """What every executor must do: control and losses; one test per rule."""

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
            assert [pid for pid in place.pids() if self.is_living(pid)] == []

    def test_close_ends_user_code_that_never_ends(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "threading.Event().wait()") as place:
            place.executor.submit(place.tasks[0])
            wait_for(lambda: (place.folder / "pids").is_dir() and bool(place.pids()), "the user's code")
            place.executor.close(kill=True)
            assert [pid for pid in place.pids() if self.is_living(pid)] == []

    def test_a_module_that_does_not_import_is_the_users_error(self, tmp_path: Path) -> None:
        try:
            with self.workplace(tmp_path, "this is no Python"):
                pass
        except UserCodeError as error:
            assert "contract.py" in f"{error} {error.frame} {error.details}"
            return
        message = "discover said nothing of a module that does not import"
        raise AssertionError(message)


class ResourceContract(ExecutorPlace):
    """What every executor must do with what tasks ask for: accelerators, processors, memory; one test per rule."""

    def test_it_says_what_there_is(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path) as place:
            assert place.executor.machine == self.machine
            assert place.executor.worker_bytes >= 0

    def test_no_two_tasks_have_an_accelerator_at_the_same_time(self, tmp_path: Path) -> None:
        body = "data['number'] % 100 or hold(0.2)"
        with self.workplace(tmp_path, body, replicas=5, resources={ACCELERATOR: 1}) as place:
            for task in place.tasks:
                place.executor.submit(task)
            assert {each.status for each in place.collect(5)} == {Status.SUCCESS}
            assert place.rows_done() == _ROWS
            assert not (place.folder / "clash").exists()
            assert {_accelerator(*each) for each in place.seen()} <= {each.id for each in self.machine.accelerators}

    def test_a_task_that_asks_for_two_accelerators_has_two(self, tmp_path: Path) -> None:
        body = "data['number'] % 100 or hold(0)"
        with self.workplace(tmp_path, body, replicas=2, resources={ACCELERATOR: 2}) as place:
            for task in place.tasks:
                place.executor.submit(task)
            assert {each.status for each in place.collect(2)} == {Status.SUCCESS}
            assert place.rows_done() == _ROWS
            assert {len(own.split(",")) for _, own in place.seen()} == {2}
            assert not (place.folder / "clash").exists(), "three are enough for one of them at a time"

    def test_a_killed_task_gives_its_accelerators_back(self, tmp_path: Path) -> None:
        body = "os.path.exists('dead') or (Path('dead').touch(), os.kill(os.getpid(), signal.SIGKILL))"
        with self.workplace(tmp_path, body, replicas=1, resources={ACCELERATOR: 3}) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert update.worker_died
            place.stores.catalog.ledger.release_all(place.job.id)
            place.executor.submit(plan_tasks(place.job, place.job.steps[0], {0: 2})[0])
            (update,) = place.collect(1)
            assert update.status is Status.SUCCESS

    def test_tasks_wait_for_processors_that_others_hold(self, tmp_path: Path) -> None:
        body = "data['number'] % 100 or hold(0.2)"
        with self.workplace(
            tmp_path, body, replicas=3, resources={"cpu": self.machine.cores, "memory": "1Gi"}
        ) as place:
            for task in place.tasks:
                place.executor.submit(task)
            place.executor.cancel(place.tasks[2].id)  # it waits, so that this is its end
            updates = place.collect(3)
            assert {each.task_id: each.status for each in updates} == {
                place.tasks[0].id: Status.SUCCESS,
                place.tasks[1].id: Status.SUCCESS,
                place.tasks[2].id: Status.INTERRUPTED,
            }


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


def _accelerator(seen: str, own: str) -> str:
    """Name the one accelerator of a task, whether its process sees only that or all."""
    return own if seen == "all" else seen


def _is_living(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
