"""Stopping jobs that nobody runs, and what a driver makes of wishes; real drivers are in tests/end_to_end/test_control.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from starwhale.domain.job import Job, RunRequest
from starwhale.domain.status import Status
from starwhale.domain.wish import STOPS, Stop, Wish
from starwhale.errors import ConflictError, JobTimeoutError, NotFoundError, StatusError
from starwhale.execution.stops import LOOK_S, Stops
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.job_control import WaitLimits, stop_job
from starwhale.settings import read_settings
from starwhale.storage.catalog.driver import end_driver, this_driver

ID = "abcd" + "2" * 36
JOB = Job(id=ID, request=RunRequest(workdir="/w", modules=("m",)), handler="m:f", steps=(), datasets=())


@pytest.fixture
def instance(instance_root: dict[str, str]) -> Iterator[Instance]:
    with open_instance(read_settings(instance_root)) as opened:
        yield opened


def _dead() -> dict[str, str]:
    return {"boot_id": "of another start of the machine"}


@pytest.mark.parametrize("status", [Status.CREATED, Status.RUNNING, Status.CANCELLING, Status.PAUSED])
def test_a_job_that_nobody_runs_is_canceled_at_once(instance: Instance, status: Status) -> None:
    jobs = instance.catalog.jobs
    jobs.create(JOB, {}, this_driver())
    for each in [Status.RUNNING, status] if status is not Status.CREATED else []:
        jobs.set_status(ID, each)
    if status is not Status.PAUSED:  # its process died
        jobs.release_driver(ID)
        jobs.claim_driver(ID, dataclasses.replace(this_driver(), **_dead()))
    assert instance.jobs.cancel("latest").status is Status.CANCELED
    assert instance.jobs.cancel("latest", force=True).status is Status.CANCELED
    assert jobs.get(ID).driver is None
    assert instance.catalog.wishes.after(ID, 0) == [], "there is nobody to tell"


def test_pausing_a_job_whose_process_died_leaves_it_interrupted(instance: Instance) -> None:
    instance.catalog.jobs.create(JOB, {}, dataclasses.replace(this_driver(), **_dead()))
    assert instance.jobs.pause(ID).status is Status.INTERRUPTED


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILED])
def test_a_job_that_has_ended_says_as_what(instance: Instance, status: Status) -> None:
    instance.catalog.jobs.create(JOB, {}, this_driver())
    for each in (Status.RUNNING, status):
        instance.catalog.jobs.set_status(ID, each)
    for stop in (instance.jobs.pause, instance.jobs.cancel):
        with pytest.raises(StatusError, match=f"it has ended, as {status}"):
            stop(ID)


def test_a_wish_stands_when_nobody_waits_for_it(instance: Instance) -> None:
    instance.catalog.jobs.create(JOB, {}, this_driver())
    with pytest.raises(JobTimeoutError, match="still created after 0 s"):
        instance.jobs.pause(ID, timeout_s=0)
    assert instance.catalog.wishes.after(ID, 0) == [Wish.PAUSE]
    assert instance.catalog.wishes.after(ID, instance.catalog.wishes.last(ID)) == []
    with pytest.raises(NotFoundError):
        instance.jobs.pause("nobody")


def test_a_notebook_that_does_not_answer_is_not_killed(instance: Instance) -> None:
    request = dataclasses.replace(JOB.request, executor="caller")
    found = instance.catalog.jobs.create(dataclasses.replace(JOB, request=request), {}, this_driver())
    with pytest.raises(ConflictError, match="notebook or script"):
        stop_job(instance.stores, found, Wish.FORCE, WaitLimits(force_after_s=0))


def test_only_the_very_process_is_killed() -> None:
    end_driver(dataclasses.replace(this_driver(), start_time="1"))  # another one has this process's number
    with pytest.raises(ConflictError, match="on elsewhere"):
        end_driver(dataclasses.replace(this_driver(), host="elsewhere"))


class _Box:
    """Wishes in memory, which counts how often it is looked into."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.looks = 0

    def after(self, job_id: str, last: int) -> list[Wish]:
        assert (job_id, last) == (ID, 7)
        self.looks += 1
        return self.wishes


def test_a_driver_looks_for_wishes_now_and_then_and_takes_the_strongest() -> None:
    box, now, asked = _Box(), [0.0], [False]
    stops = Stops(JOB, lambda: asked[0], box, last=7, clock=lambda: now[0])
    box.wishes = [Wish.FORCE, Wish.PAUSE]
    assert stops.find() == STOPS[Wish.FORCE]
    box.wishes = []
    assert stops.find() == STOPS[Wish.FORCE], "it did not look again"
    assert box.looks == 1
    now[0] += LOOK_S
    assert stops.find() is None
    asked[0] = True
    assert stops.find() == Stop()


def test_a_time_limit_is_a_reason_to_stop() -> None:
    now = [5.0]
    job = dataclasses.replace(JOB, request=dataclasses.replace(JOB.request, time_limit_s=90))
    stops = Stops(job, lambda: False, _Box(), last=7, clock=lambda: now[0])
    now[0] = 94.9
    assert stops.find() is None
    now[0] = 95.0
    found = stops.find()
    assert found is not None
    assert found.error is not None
    assert (found.status, "time limit of 90 s" in found.error.message) == (Status.INTERRUPTED, True)
