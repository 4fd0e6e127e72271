"""Submit jobs: what `swcli model run --run-project` sends to a server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from starwhale.server.routes.jobs import find_job, show_row
from starwhale.server.state import Here
from starwhale.wire.jobs import JobRow, JobSubmission

router = APIRouter(prefix="/projects/{project}/jobs", tags=["jobs"])
ProjectName = Annotated[str, Path(description="Name of the project that keeps the job.", max_length=80)]


@router.post("", status_code=202)
def submit_job(here: Here, project: ProjectName, body: JobSubmission) -> JobRow:
    """Let a job wait for its turn; the same id and model again is the same job."""
    found = here.instance.jobs.submit(body.to_request(project, executor=here.instance.settings.queue.executor))
    return show_row(here.jobs.one(find_job(here, found.id)))
