"""Jobs for other instances: their logs, and they themselves as archives, which lie among the uploads while they are fetched or sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from starwhale.errors import NotFoundError
from starwhale.server.routes.store_blobs import BYTES_TYPE, GIVEN, ContentResponse, Digest
from starwhale.server.state import Here
from starwhale.wire.stores import ExportedJob, ImportedJob, JobSent, JobWanted, LogFilesView, Size

router = APIRouter(prefix="/stores", tags=["stores"])
JobId = Annotated[str, Path(max_length=80, description="Whole id of the job.")]
"""Parameter of a route: which job."""


@router.post("/jobs/export")
def export_job(here: Here, body: JobWanted) -> ExportedJob:
    """Write a job that has ended as an archive, to be fetched from the uploads within a day."""
    return here.stores.jobs.export(body.job)


@router.post("/jobs/import")
def import_job(here: Here, body: JobSent) -> ImportedJob:
    """Bring a job in that was uploaded as an archive; one that is here already is left as it is."""
    return here.stores.jobs.take(body.digest, body.project)


@router.get("/jobs/{job_id}/logs")
def list_log_files(here: Here, job_id: JobId) -> LogFilesView:
    """List the logs that a job has, with their bytes; they grow while it runs."""
    return here.stores.jobs.logs(job_id)


@router.get("/jobs/{job_id}/logs/{name}", response_class=ContentResponse, responses=GIVEN)
def read_log_file(here: Here, job_id: JobId, name: Annotated[str, Path(max_length=120)]) -> ContentResponse:
    """Read a log, whole or by range."""
    return ContentResponse(here.stores.jobs.log_path(job_id, name), media_type=BYTES_TYPE)


@router.get("/uploads/{digest}/content", response_class=ContentResponse, responses=GIVEN)
def read_upload(here: Here, digest: Digest) -> ContentResponse:
    """Read an upload, whole or by range, such as an archive that was asked for.

    Raises:
        NotFoundError: There is none.
    """
    path = here.stores.uploads.path(digest)
    if not path.is_file():
        raise NotFoundError(f"there is no upload {digest[:12]}…", hint="ask for the archive again")
    return ContentResponse(path, media_type=BYTES_TYPE)


@router.delete("/uploads/{digest}")
def drop_upload(here: Here, digest: Digest) -> Size:
    """Forget an upload; one that is not here is no mistake."""
    here.stores.uploads.drop(digest)
    return Size(size=0)
