"""Where the time of a step went, out of what its attempts have kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from starwhale.domain.status import Status
from starwhale.results.reports.job_report import StepReport
from starwhale.results.reports.usage import StepUsage, step_usage
from starwhale.results.reports.usage_words import shares_line, usage_lines
from starwhale.storage.catalog.job_records import AttemptRecord


def attempt(
    index: int,
    timings: Mapping[str, float],
    *,
    executor: str = "thread",
    start: float = 100.0,
    end: float = 110.5,
    number: int = 1,
) -> AttemptRecord:
    return AttemptRecord(
        task_id=f"job/0/{index}",
        step="model:predict",
        task_index=index,
        number=number,
        executor=executor,
        status=Status.SUCCESS,
        started_at=start,
        finished_at=end,
        error=None,
        timings=timings,
    )


def busy(cpu_s: float, queued_s: float = 0.1, predict_s: float = 9.0) -> dict[str, float]:
    """An attempt of ten seconds, in a process that used so much processor time."""
    used = {"wall": 10.0, "rows": 500, "predict": predict_s, "read": 0.5, "write": 0.25, "peak_bytes": 1 << 30}
    return {**used, "cpu": cpu_s / 2, "process_cpu": cpu_s, "queued": queued_s, "start": 0.5}


def of(*attempts: AttemptRecord, has_rows: bool = True, cores: int = 4) -> StepUsage:
    found = step_usage(attempts, has_rows=has_rows, cores=cores)
    assert found is not None
    return found


def test_shares_are_of_the_whole_time_from_placing_to_end() -> None:
    usage = of(attempt(0, busy(2.0)), attempt(1, {**busy(2.0), "start": 1.0}, end=111.0))
    assert usage.seconds == {"predict": 18.0, "start": 1.5, "read": 1.0, "write": 0.5, "other": 0.5}
    assert list(usage.seconds)[:3] == ["predict", "start", "read"]
    assert sum(usage.shares.values()) == pytest.approx(1.0)
    assert usage.shares["predict"] == pytest.approx(18 / 21.5)
    assert usage.elapsed_s == 11.0
    assert usage.rows_per_second == pytest.approx(1000 / 11)
    assert usage.peak_bytes == 1 << 30
    assert [(task.index, task.rows, task.cpu_s) for task in usage.tasks] == [(0, 500, 1.0), (1, 500, 1.0)]


def test_processes_add_up_and_threads_share_one() -> None:
    assert of(attempt(0, busy(8.0)), attempt(1, busy(8.0))).cores == pytest.approx(8 / 10.5)
    own = of(attempt(0, busy(8.0), executor="process"), attempt(1, busy(8.0), executor="process"))
    assert own.cores == pytest.approx(16 / 10.5)
    assert [task.cpu_s for task in own.tasks] == [8.0, 8.0]


def test_the_time_between_a_run_and_its_resumption_is_nobodys() -> None:
    later = attempt(0, busy(2.0), start=1000.0, end=1010.5, number=2)
    usage = of(attempt(0, busy(2.0)), later)
    assert usage.elapsed_s == 21.0
    assert usage.tasks[0].attempts == 2
    assert usage.tasks[0].rows == 1000


def test_of_a_killed_attempt_counts_what_its_last_commit_has_told() -> None:
    told = {name: value for name, value in busy(2.0).items() if name != "start"}
    usage = of(attempt(0, busy(2.0)), attempt(1, {}), attempt(2, told, end=9000.0))
    assert [task.index for task in usage.tasks] == [0, 2]
    assert usage.elapsed_s == 10.5, "when somebody noticed says nothing"
    assert step_usage([attempt(0, {})], has_rows=True) is None


def test_threads_that_kept_one_core_busy_are_told_of_processes() -> None:
    usage = of(attempt(0, busy(9.8)), attempt(1, busy(9.8)))
    assert "2 threads kept 1.0 of 4 cores busy together" in usage.note
    assert "--executor process" in usage.note


@pytest.mark.parametrize(
    ("attempts", "cores"),
    [
        pytest.param([attempt(0, busy(9.8))], 4, id="one thread"),
        pytest.param([attempt(k, busy(9.8)) for k in (0, 1)], 1, id="one core"),
        pytest.param([attempt(k, busy(1.0)) for k in (0, 1)], 4, id="they wait for something else"),
        pytest.param([attempt(k, busy(17.0)) for k in (0, 1)], 4, id="native code runs side by side"),
        pytest.param([attempt(k, busy(9.8, queued_s=5.0)) for k in (0, 1)], 4, id="other programs had the processors"),
        pytest.param([attempt(k, busy(9.8, predict_s=1.0)) for k in (0, 1)], 4, id="the time is not the user's"),
        pytest.param([attempt(k, busy(9.8), executor="process") for k in (0, 1)], 4, id="processes"),
        pytest.param(
            [attempt(0, busy(9.8)), attempt(0, busy(9.8), start=200.0, end=210.5, number=2)], 4, id="one after another"
        ),
    ],
)
def test_nothing_is_said_of_threads_where_nobody_can_tell(attempts: list[AttemptRecord], cores: int) -> None:
    assert of(*attempts, cores=cores).note == ""


def test_lines_for_people() -> None:
    assert shares_line({}) == ""
    assert shares_line({"run": 0.9, "read": 0.1}, "evaluate") == "90 % of the time was evaluate; 10 % reading"
    seen = {"0": {"name": "NVIDIA L4", "looks": 3, "busy": 0.45, "peak_bytes": 3 << 30}}
    usage = step_usage([attempt(0, busy(2.0))], has_rows=True, seen=seen)
    step = StepReport(
        name="model:Digits.predict",
        needs=(),
        tasks=1,
        status="success",
        done=500,
        failed=0,
        total=500,
        retried=0,
        recovered=0,
        started_at=None,
        finished_at=None,
        usage=usage,
    )
    (line,) = usage_lines([step])
    lines = [
        "86 % of the time was predict; 5 % starting, 5 % reading, 2 % writing, 2 % other",
        "1 task, 48 rows/s, 0.2 cores busy, 1.0 GiB of memory",
        "GPU 0 (NVIDIA L4): 45 % busy, 3.0 GiB taken",
    ]
    assert line == ("Digits.predict", "\n".join(lines))
    assert step.to_json()["usage"]["tasks"][0]["rows"] == 500
