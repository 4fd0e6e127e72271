"""Stop jobs, go on with them, hide them, and write on them; what is so already is left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from starwhale.errors import JobTimeoutError
from starwhale.server.routes.jobs import JobAddress, find_job, show_row
from starwhale.server.state import Here
from starwhale.wire.jobs import JobRow, Note, ResumeWish, StopWish
from starwhale.wire.versions import TagChanges

if TYPE_CHECKING:
    from starwhale.domain.job import ResumeChanges
    from starwhale.storage.catalog.job_records import JobRecord

router = APIRouter(prefix="/jobs/{job}", tags=["jobs"])
LONGEST_WAIT_S = 30.0
"""A request waits no longer for a job to stop."""


@router.post("/pause", responses={202: {"model": JobRow, "description": "It will stop at its next batch."}})
def pause_job(here: Here, job: JobAddress, body: StopWish, response: Response) -> JobRow:
    """Stop a job for now; 202 where it has not stopped yet, 409 where it has ended."""
    found = find_job(here, job)
    try:
        found = here.instance.jobs.pause(found.id, timeout_s=_patience(body))
    except JobTimeoutError:
        response.status_code = 202
    return show_row(here.jobs.one(find_job(here, found.id)))


@router.post("/cancel", responses={202: {"model": JobRow, "description": "It will stop at its next batch."}})
def cancel_job(here: Here, job: JobAddress, body: StopWish, response: Response) -> JobRow:
    """Stop a job for good; 202 where it has not stopped yet, 409 where it has ended otherwise."""
    found = find_job(here, job)
    try:
        found = here.instance.jobs.cancel(found.id, force=body.force, timeout_s=_patience(body))
    except JobTimeoutError:
        response.status_code = 202
    return show_row(here.jobs.one(find_job(here, found.id)))


@router.post("/resume", status_code=202)
def resume_job(here: Here, job: JobAddress, body: ResumeWish) -> JobRow:
    """Go on with a job in a process of its own; one that runs already is left as it is."""
    from starwhale.server.driver import start_driver

    found = find_job(here, job)
    if not here.instance.catalog.jobs.is_driven(found):
        start_driver(here.instance, found.id, _changes(body))
    return show_row(here.jobs.one(find_job(here, found.id)))


@router.post("/run-again", status_code=202)
def run_job_again(here: Here, job: JobAddress) -> JobRow:
    """Ask for the same again as a new job, in a process of its own; gives the new job."""
    from starwhale.server.driver import start_run

    request = here.instance.jobs.again(find_job(here, job).id)
    start_run(here.instance, request)
    return show_row(here.jobs.one(find_job(here, request.job_id)))


@router.post("/remove")
def remove_job(here: Here, job: JobAddress) -> JobRow:
    """Hide a job until it is recovered; 409 while it runs."""
    found = find_job(here, job)
    if not found.is_removed:
        here.instance.jobs.remove(found.id)
    return _again(here, found)


@router.post("/recover")
def recover_job(here: Here, job: JobAddress) -> JobRow:
    """Bring a removed job back; name it by its whole id."""
    found = find_job(here, job)
    if found.is_removed:
        here.instance.jobs.recover(found.id)
    return _again(here, found)


@router.post("/tags")
def tag_job(here: Here, job: JobAddress, body: TagChanges) -> JobRow:
    """Add tags and take tags away."""
    found = find_job(here, job)
    here.instance.jobs.tag(found.id, add=body.add, remove=body.remove)
    return _again(here, found)


@router.post("/note")
def note_job(here: Here, job: JobAddress, body: Note) -> JobRow:
    """Write a note on a job in place of the one that is there."""
    found = find_job(here, job)
    here.instance.jobs.note(found.id, body.text)
    return _again(here, found)


def _again(here: Here, found: JobRecord) -> JobRow:
    return show_row(here.jobs.one(find_job(here, found.id)))


def _patience(body: StopWish) -> float:
    return min(max(body.wait_s, 0.0), LONGEST_WAIT_S) if body.wait_s == body.wait_s else 0.0


def _changes(body: ResumeWish) -> ResumeChanges:
    from starwhale.domain.job import ResumeChanges

    return ResumeChanges(failed=body.failed, replicas=body.replicas, max_errors=body.max_errors)
