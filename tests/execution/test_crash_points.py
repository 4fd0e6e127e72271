"""The driver is killed at every step of a commit and of what follows it; whatever lay half-written, resuming completes the job."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.execution.ledger_job import DEADLY, LATE, ROWS, STEADY, LedgerJob, assert_each_row_once, make_job

from starwhale.domain.ledger import RangeState
from starwhale.domain.status import Status
from starwhale.execution.run import END_STEPS
from starwhale.execution.run_options import RunOptions
from starwhale.execution.suspects import DEATH_STEPS
from starwhale.storage.task_side import COMMIT_STEPS, SPLIT_STEPS

SCRIPT = Path(__file__).with_name("killed_driver.py")
EXECUTORS = ("thread", "process")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """One root for all: jobs do not know each other."""
    return make_job(tmp_path_factory.mktemp("crash_points"))


@pytest.fixture(scope="module")
def undisturbed(job: LedgerJob) -> Mapping[str, Rows]:
    """What the tables hold when nothing happens."""
    tables = job.tables(job.run())
    assert_each_row_once(tables)
    return tables


def crash(job: LedgerJob, point: str, arrival: int, executor: str, *, behind: str = "") -> str:
    """Run the job in a process that kills itself; returns the job's id."""
    with job.instance() as opened:
        job_id = opened.catalog.make_id()
    request = job.request(executor, job_id=job_id).to_json()
    spec = {"request": request, "env": dict(job.env), "point": point, "arrival": arrival, "behind": behind}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(spec)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached {arrival} times\n{done.stderr}"
    return job_id


def check(job: LedgerJob, job_id: str, executor: str, undisturbed: Mapping[str, Rows], rows: int = ROWS) -> None:
    """Resume with another executor and number of tasks, and compare to the last digit."""
    with job.instance() as opened:
        assert opened.jobs.get(job_id).status == "interrupted"
    seen_before = [row["id"] for row in job.tables(job_id)["results"]]
    done_before = job.done(job_id)
    assert len(set(seen_before)) == len(seen_before) == done_before, "readers see exactly what the ledger calls done"
    job.resume(job_id, EXECUTORS[executor == "thread"], replicas=3)
    tables = job.tables(job_id)
    assert_each_row_once(tables, rows)
    assert tables["summary"] == undisturbed["summary"]
    assert job.done(job_id) == rows


STEPS = (*COMMIT_STEPS, *END_STEPS)
ARRIVALS = (1, 2, 3)
REACHED = {"step_recorded": 2, "compacted": 2, "steps_settled": 1}
"""How often a job comes by; the others are reached more often."""


@pytest.mark.parametrize(
    ("point", "arrival", "executor"),
    [(point, 1 + n % 3 if point in COMMIT_STEPS else 1, EXECUTORS[n % 2]) for n, point in enumerate(STEPS)],
)
def test_a_driver_that_dies_at_any_step_loses_nothing(
    job: LedgerJob, undisturbed: Mapping[str, Rows], point: str, arrival: int, executor: str
) -> None:
    check(job, crash(job, point, arrival, executor), executor, undisturbed)


@pytest.mark.needs_kills
@pytest.mark.parametrize(
    ("point", "arrival", "executor"),
    [each for each in product(STEPS, ARRIVALS, EXECUTORS) if each[1] <= REACHED.get(each[0], 3)],
)
def test_a_driver_that_dies_at_any_arrival_at_any_step_loses_nothing(
    job: LedgerJob, undisturbed: Mapping[str, Rows], point: str, arrival: int, executor: str
) -> None:
    check(job, crash(job, point, arrival, executor), executor, undisturbed)


@pytest.mark.needs_kills
@pytest.mark.parametrize("point", ["step_recorded", "compacted"])
def test_a_driver_that_dies_before_it_tidies_up_is_made_up_for(job: LedgerJob, point: str) -> None:
    def files(job_id: str) -> list[str]:
        with job.instance() as opened:
            return sorted(each.suffix for each in opened.stores.layout.results(job_id).iterdir())

    job_id = crash(job, point, 1, "thread")
    job.resume(job_id)
    assert files(job_id) == files(job.run())


def segments(job: LedgerJob, job_id: str) -> list[Path]:
    with job.instance() as opened:
        return sorted(opened.stores.layout.results(job_id).glob("*.seg"))


def committed_bytes(job: LedgerJob, job_id: str, segment: Path) -> int:
    """Where the last part that the catalog names ends in a segment."""
    with job.instance() as opened:
        parts = opened.catalog.parts.visible(job_id)
    return max((t.offset + t.length for part in parts for t in part.tables if t.file == segment.name), default=0)


@pytest.mark.needs_kills
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_torn_append_is_never_read(job: LedgerJob, undisturbed: Mapping[str, Rows], executor: str) -> None:
    job_id = crash(job, "before_append", 4, executor)
    found = segments(job, job_id)
    assert found
    for segment in found:
        with segment.open("ab") as file:
            file.write(b"\xff\xff\xff\xff torn in the middle of a part")
    check(job, job_id, executor, undisturbed)


@pytest.mark.needs_kills
@pytest.mark.parametrize(("point", "executor"), [("appended", "thread"), ("part_named", "process")])
def test_a_tail_that_did_not_reach_the_disk_is_not_missed(
    job: LedgerJob, undisturbed: Mapping[str, Rows], point: str, executor: str
) -> None:
    job_id = crash(job, point, 3, executor)
    cut = 0
    for segment in segments(job, job_id):
        end = committed_bytes(job, job_id, segment)
        size = segment.stat().st_size
        if size > end:
            cut += 1
            with segment.open("r+b") as file:
                file.truncate(end + (size - end) // 2)
    assert cut, "the killed driver had appended a part that nobody names"
    check(job, job_id, executor, undisturbed)


@pytest.mark.needs_time
def test_a_driver_that_dies_again_and_again_completes(job: LedgerJob, undisturbed: Mapping[str, Rows]) -> None:
    """Each resumed run is killed too, each at another step, until one is left alone."""
    job_id = crash(job, "appended", 2, "process")
    for point in ("in_transaction", "committed", "before_append"):
        spec = {"resume": job_id, "env": dict(job.env), "point": point, "arrival": 2}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), json.dumps(spec)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    check(job, job_id, "process", undisturbed)


# ------------------------------------------------------------------------------ what is committed beside predict, and what is cut

MANY = 340
BESIDE = 3
"""The commit of this number is the first that takes place while the next range is predicted: the ranges before are short, or grow."""
COME_BY = {"committed": BESIDE + 2}
"""How often it has come by a point by then; some are passed too where rows are asked for and none are committed."""


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """Ranges that are committed while the next one is predicted."""
    return make_job(tmp_path_factory.mktemp("steady"), rows=MANY, delay_s=0.01, handlers=STEADY)


@pytest.fixture(scope="module")
def steady_tables(steady: LedgerJob) -> Mapping[str, Rows]:
    """What its tables hold when nothing happens."""
    tables = steady.tables(steady.run())
    assert_each_row_once(tables, MANY)
    return tables


def mostly_dear(points: Sequence[str], cheap: str) -> list[Any]:  # Any: parameters as pytest makes them
    """Each point with each executor, all but one of them dear."""
    each = list(product(points, EXECUTORS))
    return [pytest.param(*one, marks=() if one == (cheap, "process") else pytest.mark.needs_kills) for one in each]


@pytest.mark.parametrize(("point", "executor"), mostly_dear(COMMIT_STEPS, "appended"))
def test_a_driver_that_dies_at_a_commit_beside_predict_loses_nothing(
    steady: LedgerJob, steady_tables: Mapping[str, Rows], point: str, executor: str
) -> None:
    job_id = crash(steady, point, COME_BY.get(point, BESIDE), executor)
    ranges = steady.ranges(job_id)
    leased = [each for each in ranges if each.state is RangeState.LEASED]
    is_done = point == "committed"
    assert len(ranges) - len(leased) == BESIDE - (not is_done)
    assert len(leased) >= 2 - is_done, "the next range was being predicted"
    check(steady, job_id, executor, steady_tables, MANY)


@pytest.mark.needs_kills
@pytest.mark.parametrize(("point", "executor"), mostly_dear(COMMIT_STEPS, "before_append"))
def test_a_worker_that_dies_while_its_range_before_is_committed_did_not_die_of_that(
    steady: LedgerJob, steady_tables: Mapping[str, Rows], point: str, executor: str
) -> None:
    """The commit was sent before: it takes place once, and only what came after it is tried again."""
    arrivals = itertools.count(1)

    def crash_point(name: str) -> None:
        if name == point and next(arrivals) == COME_BY.get(point, BESIDE):
            found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
            for worker in map(int, found.stdout.split()):
                command = Path(f"/proc/{worker}/cmdline").read_bytes() if Path(f"/proc/{worker}").exists() else b""
                if b"starwhale.execution.worker" in command:
                    os.kill(worker, signal.SIGKILL)

    (steady.folder / "tries").write_text("", encoding="utf-8")
    with steady.instance() as opened:
        options = RunOptions(should_stop=lambda: False, crash_point=crash_point)
        outcome = opened.jobs.run(steady.request(executor), options)
    assert outcome.status is Status.SUCCESS, outcome.error
    tables = steady.tables(outcome.job_id)
    assert_each_row_once(tables, MANY)
    assert tables["summary"] == steady_tables["summary"]
    ranges, tried = steady.ranges(outcome.job_id), steady.tried()
    handed_in = ranges[BESIDE - 1]
    assert all(tried[row] == 1 for row in range(handed_in.stop)), "what was sent is not done again"
    assert [each.crashes for each in ranges[:BESIDE]] == [0] * BESIDE
    assert ranges[BESIDE].crashes == 1, "the next one is the suspect"


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """Ranges that are cut, because a few of their calls are late."""
    return make_job(tmp_path_factory.mktemp("cut"), delay_s=2.5, handlers=LATE)


@pytest.fixture(scope="module")
def cut_tables(cut: LedgerJob) -> Mapping[str, Rows]:
    """What its tables hold when nothing happens."""
    tables = cut.tables(cut.run())
    assert_each_row_once(tables)
    return tables


@pytest.mark.needs_kills
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("point", "arrival", "behind"),
    [*((point, n, "") for n in (1, 2) for point in SPLIT_STEPS), *((point, 1, "split") for point in COMMIT_STEPS)],
)
def test_a_driver_that_dies_when_a_range_is_cut_loses_nothing(
    cut: LedgerJob, cut_tables: Mapping[str, Rows], executor: str, point: str, arrival: int, behind: str
) -> None:
    check(cut, crash(cut, point, arrival, executor, behind=behind), executor, cut_tables)


# ------------------------------------------------------------------------------ rows that kill, rows that take too long

FEW = 14


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """Row 5 ends its process; none takes too long."""
    return make_job(tmp_path_factory.mktemp("deadly"), rows=FEW, handlers=DEADLY, batch=2)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """Row 5 ends its process, and row 9 takes too long."""
    return make_job(tmp_path_factory.mktemp("late"), rows=FEW, delay_s=30.0, handlers=DEADLY)


def check_failures(job: LedgerJob, job_id: str, failing: set[int]) -> None:
    """Resume: every row is done once, those that fail are recorded once, and nothing is told of both."""
    with job.instance() as opened:
        assert opened.jobs.get(job_id).status == "interrupted"
    before = job.tables(job_id, "errors")
    assert len(before["results"]) + len(before["errors"]) == job.done(job_id)
    job.resume(job_id, "process", replicas=3)
    tables = job.tables(job_id, "errors")
    good = [k for k in range(FEW) if k not in failing]
    assert [row["id"] for row in tables["results"]] == [f"self/numbers_#@#_{k}" for k in good]
    assert sorted(row["_index"] for row in tables["errors"]) == sorted(failing)
    assert [row["output"] for row in tables["again"]] == [k / 7 for k in good]
    progress = job.progress(job_id)
    assert (progress.done, progress.failed) == (FEW, len(failing))


CULPRIT = [
    ("culprit_found", ""),
    *((point, "culprit_found") for point in COMMIT_STEPS),
    *((p, "") for p in DEATH_STEPS[1:]),
]


@pytest.mark.parametrize(
    ("executor", "point", "behind"),
    [
        pytest.param(
            executor,
            point,
            behind,
            marks=() if (executor, point) == ("thread", "part_named") else pytest.mark.needs_kills,
        )
        for executor in EXECUTORS
        for point, behind in CULPRIT
    ],
)
def test_a_driver_that_dies_while_it_records_a_row_that_kills_loses_nothing(
    deadly: LedgerJob, executor: str, point: str, behind: str
) -> None:
    job_id = crash(deadly, point, 1, executor, behind=behind)
    check_failures(deadly, job_id, {5})


@pytest.mark.needs_kills
@pytest.mark.parametrize(
    ("point", "arrival"), [*product(COMMIT_STEPS, range(1, 9)), *product(END_STEPS[:2], (1, 2, 3))]
)
def test_a_driver_that_dies_while_a_row_that_takes_too_long_is_recorded_loses_nothing(
    late: LedgerJob, point: str, arrival: int
) -> None:
    """Every commit of the job is come by, that of the row among them, and every end of a worker."""
    job_id = crash(late, point, arrival, "process")
    check_failures(late, job_id, {5, 9})
