"""An async predict: many calls in flight, committed in row order, each row once, whatever ends when."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from starwhale.domain.job import DatasetInput, Job, RunRequest, Step, Task, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import HandlerError, UsageError
from starwhale.execution.plan import plan_job, plan_tasks
from starwhale.execution.tasks import async_rows
from starwhale.execution.tasks.task_entry import run_task
from starwhale.handlers.decorators import predict
from starwhale.handlers.discover import discover
from starwhale.storage.part import RangeLease
from starwhale.storage.protocols import TableQuery
from starwhale.storage.stores import StoresRef, open_stores
from starwhale.storage.task_side import JobSide, LocalTaskStores

HEAD = """
    import asyncio, threading
    from starwhale import evaluation
    calls, state = [], {}
"""
"""What every module of these tests begins with."""


class Log:
    """The log of a task."""

    def __init__(self) -> None:
        self.text = ""
        self.sends_at_once = False

    def write(self, text: str) -> None:
        self.text += text

    def tail(self) -> str:
        return self.text.strip()


@dataclass
class Place:
    """A job of one step over rows whose number is their key."""

    side: JobSide
    job: Job
    module: Any  # Any: what the test wrote
    log: Log
    attempt: int = 0

    @property
    def step(self) -> Step:
        return self.job.steps[0]

    def run(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        make_stores: Callable[[Task, JobSide], LocalTaskStores] = LocalTaskStores,
    ) -> TaskUpdate:
        """Run one attempt of the task in this thread, and give back what it has not done."""
        self.attempt += 1
        task: Task = plan_tasks(self.job, self.step, {0: self.attempt})[0]
        stores = make_stores(task, self.side)
        update = run_task(task, stores, should_stop=should_stop, output=self.log)
        self.side.stores.catalog.ledger.release_holder(self.job.id, stores.holder)
        return update

    def rows(self, table: str = "results") -> list[dict[str, Any]]:
        page = LocalTaskStores(plan_tasks(self.job, self.step)[0], self.side).read_page(TableQuery(table=table))
        names = list(page.columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*page.columns.values(), strict=True)]

    def outputs(self) -> list[Any]:
        return [row["output"] for row in self.rows()]

    def done(self) -> int:
        return sum(each.done for each in self.side.stores.catalog.ledger.progress(self.job.id))


@contextmanager
def place(folder: Path, code: str, *, rows: int = 40, **request: Any) -> Generator[Place]:
    """Make the job of a module with one predict."""
    root = folder / "root"
    for name in ("datasets", "blobs", "tmp"):
        (root / name).mkdir(parents=True)
    name = f"async_module_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(dedent(HEAD) + dedent(code), encoding="utf-8")
    path = list(sys.path)
    records = discover(folder, [name])
    stores = open_stores(StoresRef(root=str(root)))
    try:
        writer = stores.datasets.begin("numbers", None)
        for k in range(rows):
            writer.put(k, {"number": k})
        dataset = DatasetInput(
            uri="local/project/self/dataset/numbers/version/" + "1" * 40, given="numbers", dataset_id="numbers",
            project="self", name="numbers", version="1" * 40, manifest_digest=writer.commit().manifest_digest,
            row_count=rows,
        )  # fmt: skip
        handler = next(each for each, record in records.items() if record.kind == "predict")
        wanted = RunRequest(workdir=str(folder), modules=(name,), **request)
        job = plan_job(wanted, records, handler, [dataset], job_id=stores.catalog.make_id())
        stores.catalog.jobs.create(job, {}, None)
        stores.catalog.ledger.create_queue(job.id, handler, "", 0, rows, job.steps[0].record.batch_size)
        yield Place(JobSide(stores, job.steps, job.datasets), job, importlib.import_module(name), Log())
    finally:
        stores.close()
        sys.path[:] = path


def test_calls_overlap_and_rows_and_their_logs_are_in_order_and_there_once(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=8, log_mode="plain")
    async def predict(data, external):
        number = data["number"]
        calls.append(number)
        state["now"] = state.get("now", 0) + 1
        state["most"] = max(state.get("most", 0), state["now"])
        await asyncio.sleep((7 - number % 8) * 0.002)
        evaluation.log("seen", number, {"double": 2 * number})
        await asyncio.gather(later(number), asyncio.to_thread(evaluation.log, "threads", number, {"seed": external["seed"]}))
        state["now"] -= 1
        return number, external["context"].seed(number) == external["seed"]

    async def later(number):
        await asyncio.sleep(0)
        evaluation.log("seen", number, {"triple": 3 * number})
    """
    with place(tmp_path, code, rows=60) as job:
        update = job.run()
        assert (update.status, update.error) == (Status.SUCCESS, None)
        assert job.outputs() == [(k, True) for k in range(60)]
        assert [(row["double"], row["triple"]) for row in job.rows("seen")] == [(2 * k, 3 * k) for k in range(60)]
        assert len(job.rows("threads")) == 60
        assert sorted(job.module.calls) == list(range(60))
        assert job.module.state["most"] == 8


def test_batches_of_an_async_predict_are_fixed(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=3, batch_size=4, log_mode="plain")
    async def predict(rows):
        calls.append([row["number"] for row in rows])
        await asyncio.sleep(0.001 * (rows[0]["number"] % 5))
        return [10 * row["number"] for row in rows]
    """
    with place(tmp_path, code, rows=18) as job:
        assert job.run().status is Status.SUCCESS
        assert job.outputs() == [10 * k for k in range(18)]
        assert sorted(job.module.calls) == [list(range(k, min(k + 4, 18))) for k in range(0, 18, 4)]


@pytest.mark.parametrize("limit", ["LATE_S", "PART_BYTES"])
def test_a_late_row_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(async_rows, "LATE_S", 1000.0)
    monkeypatch.setattr(async_rows, limit, 0.0 if limit == "LATE_S" else 1)
    code = """
    @evaluation.predict(concurrency=16, log_mode="plain")
    async def predict(data):
        if data["number"] == 5:
            while not state.get("go"):
                await asyncio.sleep(0.01)
        return str(data["number"])
    """
    with place(tmp_path, code, rows=100) as job:
        enough = threading.Event()
        worker = threading.Thread(target=lambda: (job.run(), enough.set()))
        worker.start()
        for _ in range(1500):
            if job.done() == 99 or enough.wait(0.02):
                break
        assert job.done() == 99, "all but the late one are committed"
        job.module.state["go"] = True
        worker.join(30)
        assert job.outputs() == [str(k) for k in range(100)]


def test_no_more_rows_are_leased_than_memory_is_meant_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_rows, "LATE_S", 1000.0)
    monkeypatch.setattr(async_rows, "TARGET_S", 0.0)
    code = """
    @evaluation.predict(concurrency=8, log_mode="plain")
    async def predict(data):
        if data["number"] == 0:
            while not state.get("go"):
                await asyncio.sleep(0.01)
        calls.append(data["number"])
        return data["number"]
    """
    with place(tmp_path, code, rows=500) as job:
        seen: list[int] = []

        class Counting(LocalTaskStores):
            def next_range(self, *args: Any, **kwargs: Any) -> RangeLease | None:
                lease = super().next_range(*args, **kwargs)
                seen.append(sum(each.stop - each.start for each in self.held[""]))
                if lease is not None and lease.start > 300:
                    job.module.state["go"] = True
                return lease

        assert job.run(make_stores=Counting).status is Status.SUCCESS
        assert job.outputs() == list(range(500))
        assert max(seen) <= async_rows.MOST_OPEN * 8


def test_a_stop_keeps_what_is_in_flight_and_no_row_is_called_twice(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=6, log_mode="plain")
    async def predict(data):
        number = data["number"]
        calls.append(number)
        evaluation.log("seen", number, {"x": number})
        await asyncio.sleep(0.002 * (number % 3))
        return number
    """
    with place(tmp_path, code, rows=50) as job:
        update = job.run(should_stop=lambda: len(job.module.calls) >= 10)
        assert update.status is Status.INTERRUPTED
        began = list(job.module.calls)
        assert 10 <= len(began) < 50
        assert job.done() == len(began), "every call that was begun is kept"
        assert job.run().status is Status.SUCCESS
        assert job.outputs() == list(range(50))
        assert sorted(job.module.calls) == list(range(50))
        assert [row["x"] for row in job.rows("seen")] == list(range(50))


def test_a_stop_does_not_wait_for_a_row_that_was_put_off(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=4, log_mode="plain")
    async def predict(data):
        number = data["number"]
        calls.append(number)
        if number == 2 and not state.get("resumed"):
            raise evaluation.RetryLaterError(after_s=300)
        await asyncio.sleep(0)
        return number
    """
    with place(tmp_path, code, rows=12) as job:
        assert job.run(should_stop=lambda: len(job.module.calls) >= 3).status is Status.INTERRUPTED
        assert 2 not in job.outputs()
        assert job.done() == len(job.module.calls) - 1, "rows on both sides of the one that waits are kept"
        job.module.state["resumed"] = True
        assert job.run().status is Status.SUCCESS
        assert job.outputs() == list(range(12))
        assert sorted(job.module.calls) == sorted([*range(12), 2])


def test_a_failing_row_ends_the_task_and_what_was_done_is_kept(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=4, log_mode="plain")
    async def predict(data):
        calls.append(data["number"])
        await asyncio.sleep(0)
        if data["number"] == 9:
            raise ValueError("nine")
        evaluation.log("seen", data["number"], {"x": 1})
        return data["nunber"] if data["number"] == 99 else data["number"]
    """
    with place(tmp_path, code) as job:
        update = job.run()
        assert update.status is Status.FAILED
        assert update.error is not None
        assert "nine" in update.error.message
        assert update.error.row == "numbers:9"
        assert "in predict" in update.error.frame
        outputs = job.outputs()
        assert outputs == sorted(set(job.module.calls) - {9})
        assert len(job.rows("seen")) == len(outputs)
        assert job.rows("errors") == []


def test_rows_that_fail_are_recorded_with_their_place(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(concurrency=5, log_mode="plain", fail_on_error=False, timeout_s=1)
    async def predict(data):
        number = data["number"]
        await asyncio.sleep(0)
        if number == 1:
            raise SystemExit(3)
        if number == 4:
            await asyncio.sleep(60)
        if number == 6:
            raise TimeoutError("of my own")
        if number == 7:
            raise asyncio.CancelledError
        if number == 8:
            return {b"x": 1}
        return number
    """
    with place(tmp_path, code, rows=12) as job:
        update = job.run()
        assert update.status is Status.SUCCESS, str(update.error)
        assert job.outputs() == [0, 2, 3, 5, 9, 10, 11]
        errors = {row["_index"]: row for row in job.rows("errors")}
        assert {key: row["exception"].partition(":")[0] for key, row in errors.items()} == {
            1: "SystemExit", 4: "RowTimeoutError", 6: "TimeoutError", 7: "CancelledError", 8: "FieldNameError"
        }  # fmt: skip
        assert errors[4]["message"] == "predict took longer than timeout_s=1"
        assert errors[4]["frame"].endswith("in predict")
        assert job.done() == 12


def test_a_busy_service_is_waited_out_by_all(tmp_path: Path) -> None:
    notes: list[str] = []

    class Noting(LocalTaskStores):
        def note(self, text: str) -> None:
            notes.append(text)

    code = """
    import time

    @evaluation.predict(concurrency=4, log_mode="plain", retries=1, retry_on=ConnectionError, backoff_s=0.01)
    async def predict(data):
        number, now = data["number"], time.monotonic()
        calls.append((number, now))
        await asyncio.sleep(0.005)
        if number == 8 and [each for each, _ in calls].count(8) < 6:
            state.setdefault("until", []).append((time.monotonic(), time.monotonic() + 0.15))
            raise evaluation.RetryLaterError("quota", after_s=0.15)
        return number
    """
    with place(tmp_path, code, rows=60) as job:
        assert job.run(make_stores=Noting).status is Status.SUCCESS
        assert job.outputs() == list(range(60))
        tries = [row.get("tries") for row in job.rows()]
        assert tries == [None] * 8 + [6] + [None] * 51, "waits for a busy service do not count as retries"
        for began, until in job.module.state["until"]:
            assert [call for call in job.module.calls if began + 0.01 < call[1] < until] == []
        assert "at most 2 calls at a time: RetryLaterError: quota" in job.log.text
        assert notes[0] == "service busy"
        assert any(note.endswith(" of 4 calls at a time") for note in notes)


def test_an_async_context_manager_is_entered_in_the_loop_that_it_is_used_in(tmp_path: Path) -> None:
    code = """
    class Model:
        async def __aenter__(self):
            self.loop = asyncio.get_running_loop()
            calls.append("in")

        async def __aexit__(self, *exc):
            assert self.loop is asyncio.get_running_loop()
            calls.append("out")

        @evaluation.predict(log_mode="plain")
        async def predict(self, data):
            await asyncio.sleep(0)
            return self.loop is asyncio.get_running_loop()
    """
    with place(tmp_path, code, rows=5) as job:
        assert job.step.concurrency == 32
        assert job.run().status is Status.SUCCESS
        assert job.outputs() == [True] * 5
        assert job.module.calls == ["in", "out"]


def test_attempts_share_a_loop_so_that_clients_of_a_module_live_on(tmp_path: Path) -> None:
    code = """
    @evaluation.predict(log_mode="plain")
    async def predict(data):
        calls.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return 1
    """
    with place(tmp_path, code, rows=100) as job:
        assert job.run(should_stop=lambda: len(job.module.calls) > 3).status is Status.INTERRUPTED
        assert job.run().status is Status.SUCCESS
        assert len(set(job.module.calls)) == 1
        assert not job.module.calls[0].is_closed()


@pytest.mark.parametrize(("request_", "calls"), [({}, 7), ({"concurrency": 3}, 3), ({"is_debug": True}, 1)])
def test_the_user_has_the_last_word(tmp_path: Path, request_: dict[str, Any], calls: int) -> None:
    code = """
    @evaluation.predict(concurrency=7)
    async def predict(data):
        return 1
    """
    with place(tmp_path, code, rows=2, **request_) as job:
        assert job.step.concurrency == calls


def test_a_concurrency_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--concurrency 5 is for an async def predict"):  # noqa: SIM117 - one line each
        with place(
            tmp_path, "@evaluation.predict\ndef predict(data):\n    return 1\n".replace("\n", "\n"), concurrency=5
        ):
            pass


def test_functions_that_cannot_be_in_flight_are_refused() -> None:
    with pytest.raises(UsageError, match="no async function"):

        @predict(concurrency=2)
        def plain(data: Any) -> None: ...

    with pytest.raises(UsageError, match="concurrency is 0"):
        predict(concurrency=0)
    with pytest.raises(UsageError, match="seeds the global random generators"):

        @predict(seed_globals=True)
        async def seeded(data: Any) -> None: ...

    with pytest.raises(HandlerError, match="async generator"):

        @predict(log_mode="plain")
        async def yielding(data: Any) -> Any:
            yield data
