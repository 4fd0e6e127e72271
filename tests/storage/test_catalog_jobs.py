from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest, Step, Task, TaskError, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidNameError,
    LeaseLostError,
    NotFoundError,
    StatusError,
)
from starwhale.storage.catalog.catalog import SqlCatalog, open_catalog
from starwhale.storage.catalog.driver import is_alive, this_driver
from starwhale.storage.catalog.job_records import Driver, StepRecord
from starwhale.storage.part import PartRecord

FIRST, SECOND = "abcd" + "2" * 36, "abce" + "2" * 36
PREDICT = Step(
    name="m:predict",
    record=HandlerRecord(name="m:predict", kind="predict", needs=("a",), log_features=("x",), extra_kwargs={"k": 1}),
    needs=("m:prepare",),
    consumes_rows=True,
)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    time = iter(range(1000, 1_000_000))
    opened = open_catalog(tmp_path / "catalog.db", tmp_path / ".lock", clock=lambda: float(next(time)))
    yield opened
    opened.close()


@pytest.fixture
def gone() -> Driver:
    """The identity of a process that has ended."""
    code = "from starwhale.storage.catalog.driver import this_driver as t; d = t(); print(d.pid, d.start_time)"
    pid, started = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return dataclasses.replace(this_driver(), pid=int(pid), start_time=started)


def _job(job_id: str = FIRST, name: str = "", project: str = "self") -> Job:
    dataset = DatasetInput(
        uri="local/project/self/dataset/d/version/v", given="d", dataset_id="x", project="self", name="d", version="v",
        manifest_digest="m", row_count=3,
    )  # fmt: skip
    request = RunRequest(workdir="/w", modules=("m",), name=name, project=project, arguments=("--x", "1"))
    return Job(id=job_id, request=request, handler="m:predict", steps=(PREDICT,), datasets=(dataset,))


def test_a_job_is_read_back_as_it_was_given(catalog: SqlCatalog) -> None:
    job, driver = _job(name="mine"), this_driver()
    made = catalog.jobs.create(job, {"seed": 1}, driver)
    assert catalog.jobs.get(FIRST) == made
    assert (made.request, made.datasets, made.record, made.driver) == (job.request, job.datasets, {"seed": 1}, driver)
    assert (made.status, made.name, made.project, made.error) == (Status.CREATED, "mine", "self", None)
    assert catalog.jobs.steps(FIRST) == [
        StepRecord(position=0, step=PREDICT, status=Status.CREATED, started_at=None, finished_at=None)
    ]
    with pytest.raises(AlreadyExistsError):
        catalog.jobs.create(job, {}, None)


def test_jobs_are_addressed_in_every_documented_way(catalog: SqlCatalog) -> None:
    catalog.jobs.create(_job(FIRST, "mine"), {}, None)
    catalog.jobs.create(_job(SECOND), {}, None)
    for word, expected in {
        FIRST: FIRST, "abcd": FIRST, "ABCD2": FIRST, "mine": FIRST, "latest": SECOND, "latest~1": FIRST, "latest~0": SECOND,
        f"local/project/self/job/{FIRST}": FIRST, "job/abce": SECOND,
    }.items():  # fmt: skip
        assert catalog.jobs.get(word).id == expected, word
    assert [each.id for each in catalog.jobs.list("self")] == [SECOND, FIRST]
    assert [each.id for each in catalog.jobs.list(limit=1, offset=1)] == [FIRST]


def test_what_means_no_job_or_several_is_said(catalog: SqlCatalog) -> None:
    with pytest.raises(NotFoundError, match="has no jobs"):
        catalog.jobs.get("latest")
    catalog.jobs.create(_job("abcd3" + "2" * 35, "mine"), {}, None)
    catalog.jobs.create(_job("abcd4" + "2" * 35), {}, None)
    with pytest.raises(ConflictError, match=r"begins several job ids: abcd\d"):
        catalog.jobs.get("abcd")
    with pytest.raises(NotFoundError, match="at least 4 characters"):
        catalog.jobs.get("abc")
    with pytest.raises(NotFoundError, match="did you mean 'mine'"):
        catalog.jobs.get("mien")
    with pytest.raises(NotFoundError):
        catalog.jobs.get("latest~2")


def test_a_name_wins_over_the_beginning_of_an_id_and_the_newest_of_a_name_is_meant(catalog: SqlCatalog) -> None:
    catalog.jobs.create(_job(FIRST), {}, None)
    catalog.jobs.create(_job(SECOND, "abcd"), {}, None)
    assert catalog.jobs.get("abcd").id == SECOND
    catalog.jobs.create(_job("z" * 40, "abcd"), {}, None)
    assert catalog.jobs.get("abcd").id == "z" * 40


@pytest.mark.parametrize("name", ["latest", "a b", "1"])
def test_a_job_name_keeps_the_rule(catalog: SqlCatalog, name: str) -> None:
    with pytest.raises(InvalidNameError):
        catalog.jobs.create(_job(name=name), {}, None)
    assert catalog.jobs.list() == []


def test_status_changes_follow_the_rules_and_an_end_lets_the_driver_go(catalog: SqlCatalog) -> None:
    catalog.jobs.create(_job(), {}, this_driver())
    assert catalog.jobs.set_status(FIRST, Status.RUNNING).driver == this_driver()
    error = TaskError(message="broken", details="trace")
    ended = catalog.jobs.set_status(FIRST, Status.FAILED, error=error)
    assert (ended.status, ended.error, ended.driver) == (Status.FAILED, error, None)
    assert ended.finished_at is not None
    with pytest.raises(StatusError, match="failed and cannot become success"):
        catalog.jobs.set_status(FIRST, Status.SUCCESS)
    assert catalog.jobs.get(FIRST) == ended


def test_a_job_whose_driver_is_gone_is_interrupted_and_may_be_claimed(catalog: SqlCatalog, gone: Driver) -> None:
    catalog.jobs.create(_job(), {}, this_driver())
    catalog.jobs.set_status(FIRST, Status.RUNNING)
    with pytest.raises(ConflictError, match="is being run by process"):
        catalog.jobs.claim_driver(FIRST, gone)
    catalog.jobs.create(_job(SECOND), {}, gone)
    assert [each.status for each in catalog.jobs.list()] == [Status.INTERRUPTED, Status.RUNNING]
    claimed = catalog.jobs.claim_driver(SECOND, this_driver())
    assert (claimed.status, claimed.driver) == (Status.INTERRUPTED, this_driver())
    assert catalog.jobs.set_status(SECOND, Status.RUNNING).status is Status.RUNNING
    with pytest.raises(ConflictError, match="is being run by process"):
        catalog.jobs.claim_driver(SECOND, this_driver())  # two resumes of one process would end each other's leases


def test_a_driver_is_told_from_a_later_process_with_its_number(gone: Driver) -> None:
    mine = this_driver()
    assert is_alive(mine)
    assert not is_alive(gone)
    assert not is_alive(dataclasses.replace(mine, start_time="1"))
    assert not is_alive(dataclasses.replace(mine, boot_id="another start"))
    assert is_alive(dataclasses.replace(mine, host="elsewhere", pid=1 << 22))


def test_one_of_several_claimers_gets_a_job(tmp_path: Path, catalog: SqlCatalog, gone: Driver) -> None:
    catalog.jobs.create(_job(), {}, gone)
    claimers = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [
        claimer.stdout.readline().strip() for claimer in claimers if claimer.stdout
    ]  # all of them live until all have tried
    for claimer in claimers:
        claimer.communicate("", timeout=60)
    assert sorted(answers) == ["claimed", "refused", "refused", "refused"]


def test_steps_and_attempts_are_recorded(catalog: SqlCatalog) -> None:
    job = _job()
    catalog.jobs.create(job, {}, None)
    catalog.jobs.record_step(FIRST, "m:predict", Status.RUNNING)
    task = Task(id=f"{FIRST}/0/0", job_id=FIRST, step=PREDICT, index=0, total=1, attempt=1, request=job.request)
    error = TaskError(message="died", is_user_error=False)
    catalog.jobs.record_attempt_start(task, "thread")
    catalog.jobs.record_attempt_end(
        TaskUpdate(task_id=task.id, attempt=1, status=Status.FAILED, error=error, timings={"read": 0.5})
    )
    catalog.jobs.record_attempt_start(dataclasses.replace(task, attempt=2), "thread")
    catalog.jobs.record_attempt_end(TaskUpdate(task_id=task.id, attempt=2, status=Status.SUCCESS))
    catalog.jobs.record_step(FIRST, "m:predict", Status.SUCCESS)
    step = catalog.jobs.steps(FIRST)[0]
    assert step.status is Status.SUCCESS
    assert step.started_at is not None
    assert step.finished_at is not None
    assert step.started_at < step.finished_at
    found = catalog.jobs.attempts(FIRST)
    assert [(each.number, each.status, each.error, each.timings) for each in found] == [
        (1, Status.FAILED, error, {"read": 0.5, "start": 1.0}),
        (2, Status.SUCCESS, None, {}),
    ]
    with pytest.raises(StatusError):
        catalog.jobs.record_step(FIRST, "m:predict", Status.RUNNING)
    with pytest.raises(NotFoundError):
        catalog.jobs.record_step(FIRST, "other", Status.RUNNING)


def test_removed_jobs_are_hidden_until_recovered_and_running_ones_stay(catalog: SqlCatalog) -> None:
    catalog.jobs.create(_job(), {}, this_driver())
    catalog.jobs.create(_job(SECOND), {}, None)
    catalog.jobs.set_status(FIRST, Status.RUNNING)
    with pytest.raises(ConflictError, match="is running"):
        catalog.jobs.remove(FIRST)
    catalog.jobs.remove(SECOND)
    assert [each.id for each in catalog.jobs.list()] == [FIRST]
    assert catalog.jobs.get("latest").id == FIRST
    assert catalog.jobs.get("abce", removed=True).id == SECOND
    catalog.jobs.recover(SECOND)
    assert catalog.jobs.get("abce").id == SECOND


def test_events_come_in_order(catalog: SqlCatalog) -> None:
    for number in range(3):
        catalog.events.add("retry", {"n": number}, job_id=FIRST if number else None)
    assert [each.detail["n"] for each in catalog.events.list()] == [0, 1, 2]
    assert [each.detail["n"] for each in catalog.events.list(FIRST, after=2)] == [2]


def _claim(root: str) -> None:
    catalog = open_catalog(Path(root) / "catalog.db", Path(root) / ".lock")
    try:
        catalog.jobs.claim_driver(FIRST, this_driver())
        print("claimed", flush=True)  # noqa: T201 - the answer of this process
    except ConflictError:
        print("refused", flush=True)  # noqa: T201 - the same
    sys.stdin.read()
    catalog.close()


if __name__ == "__main__":
    _claim(sys.argv[1])


def test_a_new_attempt_hides_what_a_dead_one_left_and_a_late_row_is_refused(catalog: SqlCatalog) -> None:
    job = _job()
    catalog.jobs.create(job, {}, this_driver())
    first = Task(id="t", job_id=FIRST, step=job.steps[0], index=0, total=1, attempt=1, request=job.request)
    catalog.jobs.record_attempt_start(first, "thread")
    catalog.parts.commit(PartRecord(owner=FIRST, task_id="t", attempt=1, provisional=True))
    catalog.jobs.record_attempt_start(dataclasses.replace(first, attempt=2), "thread")
    assert catalog.parts.visible(FIRST) == []
    assert [each.status for each in catalog.jobs.attempts(FIRST)] == [Status.INTERRUPTED, Status.RUNNING]
    with catalog.write() as connection, pytest.raises(LeaseLostError, match="attempt 1"):
        catalog.parts.check_attempt(connection, "t", 1)
    with catalog.write() as connection:
        catalog.parts.check_attempt(connection, "t", 2)
