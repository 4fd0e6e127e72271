"""Jobs for other instances: as archives, which lie among the uploads while they are fetched or sent."""

from __future__ import annotations

from fastapi import APIRouter

from starwhale.errors import NotFoundError
from starwhale.server.routes.store_blobs import BYTES_TYPE, GIVEN, ContentResponse, Digest
from starwhale.server.state import Here
from starwhale.wire.stores import ExportedJob, ImportedJob, JobSent, JobWanted, Size

router = APIRouter(prefix="/stores", tags=["stores"])


@router.post("/jobs/export")
def export_job(here: Here, body: JobWanted) -> ExportedJob:
    """Write a job that has ended as an archive, to be fetched from the uploads within a day."""
    return here.stores.jobs.export(body.job)


@router.post("/jobs/import")
def import_job(here: Here, body: JobSent) -> ImportedJob:
    """Bring a job in that was uploaded as an archive; one that is here already is left as it is."""
    return here.stores.jobs.take(body.digest, body.project)


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
