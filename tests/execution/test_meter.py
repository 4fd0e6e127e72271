"""What an attempt says of its time: it adds up, costs little, and outlives the process."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator

import pytest
from tests.execution.ledger_job import LedgerJob, make_job

from starwhale.domain.ledger import Pace
from starwhale.domain.usage import CPU, PEAK_BYTES, ROWS, WALL, Activity
from starwhale.execution.machine.accelerator_use import AcceleratorWatch, Sample, first_answer, merge
from starwhale.execution.tasks.meter import Meter, peak_bytes
from starwhale.results.reports.job_report import make_report
from starwhale.storage.part import CommitRequest


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    return make_job(tmp_path_factory.mktemp("meter"), delay_s=0.01)


def test_a_meter_counts_in_its_own_thread() -> None:
    ticks = itertools.count()
    meter = Meter(lambda: float(next(ticks)))
    with meter.measure(Activity.LOAD):
        pass
    other = threading.Thread(target=lambda: meter.add(Activity.WRITE, 5.0))
    other.start()
    other.join()
    found = meter.read()
    assert (found["load"], found[WALL], found.get("write")) == (1.0, 3.0, None)
    assert found[CPU] >= 0
    assert found[PEAK_BYTES] > 1 << 20


def test_memory_is_that_of_this_program() -> None:
    before = peak_bytes()
    kept = bytearray(64 << 20)
    kept[:: 1 << 12] = b"x" * (len(kept) >> 12)
    assert peak_bytes() >= max(before, 64 << 20)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_job_says_where_its_time_went(job: LedgerJob, executor: str) -> None:
    job_id = job.run(executor)
    with job.instance() as opened:
        report = make_report(opened.stores, opened.jobs.get(job_id))
        attempts = opened.catalog.jobs.attempts(job_id)
    predict, evaluate = (step.usage for step in report.steps)
    assert predict is not None
    assert evaluate is not None
    assert sum(predict.shares.values()) == pytest.approx(1.0)
    assert {"predict", "read", "decode", "write", "other", "start", "load"} <= set(predict.seconds)
    assert predict.seconds["predict"] >= 30 * 0.01, "thirty calls of ten milliseconds"
    assert sum(task.rows for task in predict.tasks) == 60
    assert {"run", "read", "write"} <= set(evaluate.seconds)
    assert predict.executor == executor
    assert predict.peak_bytes > 1 << 20
    for each in attempts:
        told = sum(each.timings.get(name, 0.0) for name in Activity if name != Activity.START)
        assert told <= each.timings[WALL] * 1.001, "activities follow each other"
    assert json.loads(json.dumps(report.to_json()["steps"]))[0]["usage"]["rows_per_second"] > 0


def test_what_a_killed_attempt_has_used_stands_at_its_last_commit(job: LedgerJob) -> None:
    """Each commit writes down what the attempt has used so far."""
    job_id = job.run()
    with job.instance() as opened:
        catalog = opened.catalog
        task = next(each for each in catalog.jobs.attempts(job_id) if each.step == "thirds:predict")
        before = dict(task.timings)
        catalog.ledger.create_queue(job_id, "thirds:predict", "more", 0, 4, 1)
        holder = f"{task.task_id}#{task.number}"
        lease = catalog.ledger.next_range(job_id, "thirds:predict", "more", holder, pace_of_one())
        assert lease is not None
        catalog.ledger.commit_range(CommitRequest(lease=lease, rows_done=1, timings={WALL: 5.0, ROWS: 7.0}), holder)
        after = next(each for each in catalog.jobs.attempts(job_id) if each.task_id == task.task_id).timings
    assert before != after == {WALL: 5.0, ROWS: 7.0}


def pace_of_one() -> Pace:

    return Pace()


def test_accelerators_are_looked_at_while_steps_run() -> None:
    looked = threading.Event()

    def look() -> list[Sample]:
        looked.set()
        return [Sample(position=1, name="L4", busy=0.5, used_bytes=7)]

    with AcceleratorWatch(lambda: ["model:predict"], look, first_s=0.0) as watch:
        assert looked.wait(10)
        while not watch.found:  # the answer is taken in right after it was given
            looked.wait(0.001)
    seen = watch.found["model:predict"]
    assert seen == {"1": {"name": "L4", "looks": 1, "busy": 0.5, "peak_bytes": 7}}
    later = {"1": {"name": "L4", "looks": 3, "busy": 0.1, "peak_bytes": 5}}
    assert merge(seen, later) == {"1": {"name": "L4", "looks": 4, "busy": 0.2, "peak_bytes": 7}}


def test_who_sees_nothing_leaves_the_answer_to_the_next() -> None:
    sample = Sample(position=0, name="L4", busy=0.5, used_bytes=7)
    assert first_answer([list, lambda: [sample]])() == [sample]
    assert first_answer([lambda: [sample], list])() == [sample]
    assert list(first_answer([list, list])()) == []


def test_a_look_that_fails_once_is_not_the_last() -> None:
    sample = Sample(position=0, name="L4", busy=0.5, used_bytes=7)
    answers: Iterator[list[Sample] | OSError] = iter([[sample], OSError("too slow"), [], [sample]])
    over = threading.Event()

    def look() -> list[Sample]:
        answer = next(answers, None)
        if answer is None:
            over.set()
            return []
        if isinstance(answer, OSError):
            raise answer
        return answer

    with AcceleratorWatch(lambda: ["model:predict"], look, first_s=0.0, every_s=0.001) as watch:
        assert over.wait(10)
    assert watch.found["model:predict"]["0"]["looks"] == 2


def test_where_nothing_can_be_asked_nothing_is_seen() -> None:
    with AcceleratorWatch(lambda: ["model:predict"], None) as watch:
        pass
    assert watch.found == {}
