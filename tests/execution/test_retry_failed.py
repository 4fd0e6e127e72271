"""`job resume --failed`: the rows that failed are tried again, no others; nothing is lost or counted twice, whatever happens meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.execution.ledger_job import FLAKY, ROWS, LedgerJob, assert_each_row_once, make_job, undisturbed

from starwhale.domain.job import ResumeChanges
from starwhale.domain.status import Status
from starwhale.errors import ExecutionError, NotFoundError, UsageError
from starwhale.execution.retry import RETRY_STEPS
from starwhale.execution.run import END_STEPS
from starwhale.results.read import JobTables
from starwhale.results.reports.job_report import make_report
from starwhale.storage.catalog.driver import this_driver
from starwhale.storage.protocols import TableQuery
from starwhale.storage.task_side import COMMIT_STEPS

SCRIPT = Path(__file__).with_name("killed_driver.py")
Tables = Mapping[str, list[dict[str, Any]]]
BROKEN, ODD = (5, 22, 23, 59), (11, 40)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A job whose handlers fail when they are told to, and what it gives when they are not."""

    job: LedgerJob
    batch: int
    whole: Tables

    def failing(self) -> set[int]:
        """The rows that fail: broken ones with their batch, odd ones alone."""
        broken = {each // self.batch for each in BROKEN}
        return {k for k in range(ROWS) if k // self.batch in broken} | set(ODD)

    def run(self, executor: str = "thread") -> str:
        """Run with rows that fail, then let them succeed; returns the job's id."""
        self.job.break_rows(BROKEN, ODD)
        job_id = self.job.run(executor)
        self.job.break_rows()
        return job_id


def make_kind(folder: Path, batch: int) -> Kind:
    job = make_job(folder, handlers=FLAKY, batch=batch)
    job.break_rows()
    whole = job.tables(job.run())
    assert_each_row_once(whole)
    return Kind(job=job, batch=batch, whole=whole)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """Rows one by one; one root for all: jobs do not know each other."""
    return make_kind(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="module")
def batched(tmp_path_factory: pytest.TempPathFactory) -> Kind:
    """Batches of four."""
    return make_kind(tmp_path_factory.mktemp("batched"), 4)


def assert_whole(kind: Kind, job_id: str, retried: set[int]) -> None:
    """Everything is as if nothing had failed, but for the marks of what was tried again."""
    tables = kind.job.tables(job_id, "errors", "retried_errors")
    assert_each_row_once(dict(tables))
    assert tables["summary"] == kind.whole["summary"], "the same to the last digit"
    assert [k for k, row in enumerate(tables["results"]) if row.get("_retried")] == sorted(retried)
    assert tables["errors"] == []
    assert {row["_index"] for row in tables["retried_errors"]} == retried
    progress = kind.job.progress(job_id)
    assert (progress.done, progress.failed, progress.total) == (ROWS, 0, ROWS)
    assert (progress.retried, progress.recovered) == (len(retried), len(retried))


@pytest.mark.parametrize(
    ("batch", "before", "after", "replicas"),
    [
        (1, "thread", "process", 3),
        (4, "process", "thread", 1),
        pytest.param(4, "thread", "thread", None, marks=pytest.mark.needs_time),
        pytest.param(1, "process", "process", 5, marks=pytest.mark.needs_time),
    ],
)
def test_failed_rows_alone_are_tried_again(
    single: Kind, batched: Kind, batch: int, before: str, after: str, replicas: int | None
) -> None:
    kind = single if batch == 1 else batched
    job_id = kind.run(before)
    failing = kind.failing()
    tables = kind.job.tables(job_id, "errors")
    assert {row["_index"] for row in tables["errors"]} == failing
    assert tables["summary"] != kind.whole["summary"]
    kind.job.resume(job_id, after, replicas=replicas, failed=True)
    assert kind.job.tried() == Counter(failing)
    assert_whole(kind, job_id, failing)
    with kind.job.instance() as opened:
        record = opened.jobs.get(job_id)
        told = record.record["resumes"][0]
        assert make_report(opened.stores, record).steps[0].tasks == (replicas or 2), "not what was planned at first"
    assert (told["executor"], told.get("replicas")) == (after, replicas)


def test_again_and_again_until_none_fails(batched: Kind) -> None:
    """Each time fewer rows fail; what failed last is what is told of a row, and a row that succeeded is left alone."""
    job, failing = batched.job, batched.failing()
    job_id = batched.run()
    job.break_rows([22], [40])
    job.resume(job_id, failed=True)
    assert job.tried() == Counter(failing)
    tables = job.tables(job_id, "errors", "retried_errors")
    assert {row["_index"] for row in tables["errors"]} == {20, 21, 22, 23, 40}
    assert {row["_index"] for row in tables["retried_errors"]} == failing
    progress = job.progress(job_id)
    assert (progress.failed, progress.retried, progress.recovered) == (5, len(failing), len(failing) - 5)
    job.break_rows()
    job.resume(job_id, failed=True)
    assert job.tried() == Counter([20, 21, 22, 23, 40])
    assert_whole(batched, job_id, failing)
    with job.instance() as opened:
        manifest = opened.jobs.get(job_id).record
    assert [each["retried_rows"] for each in manifest["resumes"]] == [len(failing), 5]


def test_where_nothing_has_failed_nothing_happens(single: Kind) -> None:
    job = single.job
    job.break_rows()
    job_id = job.run()
    job.break_rows()
    said: list[str] = []
    with job.instance() as opened:
        attempts = opened.catalog.jobs.attempts(job_id)
        options = replace(undisturbed(), on_warning=said.append)
        outcome = opened.jobs.resume(job_id, ResumeChanges(failed=True), options=options)
        assert outcome.status is Status.SUCCESS
        assert opened.catalog.jobs.attempts(job_id) == attempts
        with pytest.raises(UsageError, match="no executor 'nope'"):
            opened.jobs.resume(job_id, ResumeChanges(executor="nope"), options=options)
    assert not job.tried()
    assert "none of its rows has failed" in said[0]


def test_a_driver_that_gives_up_leaves_a_job_alone_that_another_has_taken(single: Kind) -> None:
    """It ends later than it lets the job go, and another may have taken it in between."""
    job_id = single.run()
    other = replace(this_driver(), pid=1)
    with single.job.instance() as opened:
        jobs = opened.catalog.jobs

        def pass_on(point: str) -> None:
            if point == "retry_begun":
                jobs.release_driver(job_id)
                jobs.claim_driver(job_id, other)
                raise ExecutionError("this driver gives up")

        options = replace(undisturbed(), crash_point=pass_on)
        with pytest.raises(ExecutionError, match="gives up"):
            opened.jobs.resume(job_id, ResumeChanges(failed=True), options=options)
        assert jobs.get(job_id).driver == other


@pytest.mark.needs_time
def test_without_the_wish_failed_rows_stay_as_they_are(single: Kind) -> None:
    job_id = single.run()
    before = single.job.tables(job_id, "errors")
    single.job.resume(job_id)
    assert not single.job.tried()
    assert single.job.tables(job_id, "errors") == before


@pytest.mark.needs_time
def test_pages_and_bounds_go_through_what_was_tried_again(batched: Kind) -> None:
    """Readers find rows from any point on, before and after the parts are joined."""
    job_id = batched.run()
    batched.job.resume(job_id, failed=True)
    whole = [row["id"] for row in batched.whole["results"]]
    with batched.job.instance() as opened:
        record = opened.jobs.get(job_id)
        for first in range(0, ROWS, 5):
            for last in (first, first + 1, first + 13, ROWS - 1):
                stop = min(last, ROWS - 1)
                query = TableQuery(table="results", start=whole[first], end=whole[stop], end_inclusive=True)
                found = [row["id"] for row in JobTables(opened.stores, record).rows(query)]
                assert found == whole[first : stop + 1]


@pytest.mark.needs_time
def test_an_archive_of_the_job_keeps_what_was_tried_again(single: Kind, tmp_path: Path) -> None:
    job_id = single.run()
    single.job.resume(job_id, failed=True)
    with single.job.instance() as opened:
        opened.jobs.export(job_id, tmp_path / "job.swjob", with_datasets=True)
    there = replace(single.job, env={**single.job.env, "SW_LOCAL_STORAGE": str(tmp_path / "there")})
    with there.instance() as opened:
        opened.jobs.import_archive(tmp_path / "job.swjob")
    names = ("errors", "retried_errors")
    assert there.tables(job_id, *names) == single.job.tables(job_id, *names)
    assert there.progress(job_id) == single.job.progress(job_id)


@pytest.mark.parametrize("batch", [1, pytest.param(4, marks=pytest.mark.needs_time)])
def test_scattered_rows_are_committed_together(tmp_path: Path, batch: int) -> None:
    """Rows that lie apart share their commits; which of them failed again is told of each."""
    rows, broken = 240, set(range(1, 240, 4))
    job = make_job(tmp_path / "job", rows=rows, handlers=FLAKY, batch=batch)
    job.break_rows([], broken)  # alone, whatever the batch
    job_id = job.run()
    again = set(range(1, 240, 40))
    job.break_rows(again if batch == 1 else [], again)
    commits: list[str] = []
    with job.instance() as opened:
        options = replace(undisturbed(), crash_point=commits.append)
        outcome = opened.jobs.resume(job_id, ResumeChanges(failed=True), options=options)
    assert outcome.status is Status.SUCCESS, outcome.error
    assert job.tried() == Counter(broken)
    assert commits.count("appended") < len(broken) // 2, "not one for each row"
    assert {row["_index"] for row in job.tables(job_id, "errors")["errors"]} == again
    assert [row["output"] for row in job.tables(job_id)["results"]] == [k / 7 for k in range(rows) if k not in again]
    job.break_rows()
    job.resume(job_id, failed=True)
    assert job.tried() == Counter(again)
    assert_each_row_once(dict(job.tables(job_id)), rows)


@pytest.mark.needs_time
def test_an_async_predict_is_tried_again_too(tmp_path: Path) -> None:
    """Its ranges are cut while many calls are in flight; failed rows of a batch of which others succeeded are called alone."""
    source = FLAKY.replace("def predict(data)", "async def predict(data)").replace("replicas=2, ", "concurrency=8, ")
    job = make_job(tmp_path / "job", handlers=source, batch=2)
    job.break_rows()
    whole = job.tables(job.run())
    kind = Kind(job=job, batch=2, whole=whole)
    job_id = kind.run()
    assert {row["_index"] for row in job.tables(job_id, "errors")["errors"]} == kind.failing()
    job.resume(job_id, failed=True)
    assert job.tried() == Counter(kind.failing())
    assert_whole(kind, job_id, kind.failing())


# ---------------------------------------------------------------------------------------------------- crashes


def crash(kind: Kind, job_id: str, point: str, arrival: int, executor: str, *, behind: str = "") -> None:
    """Try the failed rows again in a process that kills itself."""
    spec = {"resume": job_id, "failed": True, "env": dict(kind.job.env), "point": point, "arrival": arrival}
    spec |= {"executor": executor, "behind": behind}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(spec)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached {arrival} times\n{done.stderr}"


def check_crash(kind: Kind, point: str, arrival: int, executor: str) -> None:
    job_id = kind.run()
    before = kind.job.tables(job_id, "errors")
    crash(kind, job_id, point, arrival, executor)
    has_begun = point not in RETRY_STEPS[:2]
    with kind.job.instance() as opened:
        assert opened.jobs.get(job_id).status == ("interrupted" if has_begun else "success")
    seen = kind.job.tables(job_id, "errors", "retried_errors")
    if has_begun:
        ids = [row["id"] for row in seen["results"]]
        assert len(set(ids)) == len(ids) == kind.job.done(job_id), "readers see exactly what the ledger calls done"
        assert {row["_index"] for row in seen["retried_errors"]} == kind.failing(), "no error is lost"
    else:
        assert {name: rows for name, rows in seen.items() if name != "retried_errors"} == before
    kind.job.resume(job_id, "process" if executor == "thread" else "thread", replicas=3, failed=not has_begun)
    assert_whole(kind, job_id, kind.failing())
    assert max(kind.job.tried().values()) <= 2, "at most the range that was not committed is tried once more"


STEPS = (*RETRY_STEPS, *COMMIT_STEPS, *END_STEPS)
QUICK = {"retry_in_transaction": 1, "part_named": 2}


@pytest.mark.needs_kills
@pytest.mark.parametrize(("point", "arrival"), QUICK.items())
def test_a_driver_that_dies_while_rows_are_tried_again_loses_nothing(batched: Kind, point: str, arrival: int) -> None:
    check_crash(batched, point, arrival, "thread")


@pytest.mark.needs_kills
@pytest.mark.parametrize(
    ("batch", "executor"),
    [
        (1, "process"),
        (4, "thread"),
        pytest.param(1, "thread", marks=pytest.mark.soak),
        pytest.param(4, "process", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("point", STEPS)
def test_a_driver_that_dies_at_any_step_of_that_loses_nothing(
    single: Kind, batched: Kind, point: str, batch: int, executor: str
) -> None:
    for arrival in (1,) if point not in COMMIT_STEPS else (1, 2, 4):
        check_crash(single if batch == 1 else batched, point, arrival, executor)


@pytest.mark.needs_time
def test_an_interrupted_job_does_the_rest_and_what_failed(single: Kind) -> None:
    """Rows that were never tried and rows that failed are done in one go."""
    job = single.job
    job.break_rows((0, 1, *BROKEN), ODD)
    with job.instance() as opened:
        job_id = opened.catalog.make_id()
    spec = {"request": job.request("thread", job_id=job_id).to_json(), "env": dict(job.env)}
    spec |= {"point": "committed", "arrival": 8}
    subprocess.run([sys.executable, str(SCRIPT), json.dumps(spec)], capture_output=True, timeout=120, check=False)
    done, failed = job.done(job_id), {row["_index"] for row in job.tables(job_id, "errors")["errors"]}
    assert failed
    assert done < ROWS
    job.break_rows()
    job.resume(job_id, failed=True)
    assert sum(job.tried().values()) == ROWS - done + len(failed)
    assert_whole(single, job_id, failed)


# ------------------------------------------------------------------------------------------------- other graphs

CHAIN = """
    from pathlib import Path
    from starwhale import Context, dataset, evaluation, handler

    HERE = Path(__file__).parent

    def note(line):
        with (HERE / "order").open("a") as file:
            file.write(line + "\\n")

    @evaluation.predict(fail_on_error=False, log_mode="plain")
    def first(row):
        note(f"first {row['number']}")
        if str(row["number"]) in (HERE / "broken").read_text().split():
            raise ValueError("broken")
        return row["number"]

    @evaluation.predict(fail_on_error=False, log_mode="plain", needs=[first])
    def second(row):
        note(f"second {row['number']}")
        return row["number"]

    @handler(needs=[second], replicas=2)
    def share():
        note("share")
        ds = dataset("numbers", readonly=True)
        ds.make_distributed_consumption("again", batch_size=5)
        for row in ds:
            evaluation.log("seen", row.index, {"third": row.features.number / 3})

    @evaluation.evaluate(needs=[share])
    def evaluate(results):
        note("evaluate")
        rows = list(results)
        evaluation.log("again", len(rows), {"output": len(rows)})
        evaluation.log_summary({"count": len(rows), f"n{len(rows)}": 1})
"""


def test_steps_behind_run_anew_and_wait_for_what_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A predict step between them has nothing to do; the rows that a handler shares are shared anew."""
    job = make_job(tmp_path / "job", rows=12, handlers=dedent(CHAIN))
    for name, value in job.env.items():
        monkeypatch.setenv(name, value)
    job.break_rows([3, 4])
    job_id = job.run()
    order = job.folder / "order"
    order.write_text("")
    job.break_rows()
    job.resume(job_id, failed=True)
    assert order.read_text().split("\n")[:-1] == ["first 3", "first 4", "share", "share", "evaluate"]
    tables = job.tables(job_id)
    assert len(tables["results"]) == 24
    assert [row["id"] for row in tables["seen"]] == list(range(12))
    assert [row["id"] for row in tables["again"]] == [24], "what evaluate said before is gone"
    assert set(tables["summary"][0]) == {"id", "count", "n24"}


def test_a_dataset_that_is_gone_is_named(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job", rows=6, handlers=FLAKY)
    job.break_rows([3])
    job_id = job.run()
    shutil.rmtree(Path(job.env["SW_LOCAL_STORAGE"]) / "datasets")
    with job.instance() as opened:
        with pytest.raises(NotFoundError, match=r"numbers.*gone"):
            opened.jobs.resume(job_id, ResumeChanges(failed=True), options=undisturbed())
        assert opened.jobs.get(job_id).status == "success", "it stays as it was"
