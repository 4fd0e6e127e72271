"""Jobs as archives, as they are given to other instances and taken from them."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from starwhale.storage.blobs.content import digest_file
from starwhale.wire.stores import ExportedJob, ImportedJob

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.jobs.verbs import JobVerbs
    from starwhale.instances.uploads import Uploads
    from starwhale.storage.catalog.records import JobRecord
    from starwhale.transfer.job_archive import Imported


class ServedJobs:
    """The jobs of a root; safe to use from several threads."""

    def __init__(self, jobs: JobVerbs, uploads: Uploads, tmp: Path) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._tmp = tmp

    def export(self, job: str) -> ExportedJob:
        """Write a job as an archive, which lies among the uploads for a day; the same job has the same one.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It is running, or has not begun.
            CorruptedError: A file is damaged.
        """
        found = self._jobs.get(job)
        path = self._tmp / f"export-{found.id}.{os.getpid()}.{secrets.token_hex(4)}"
        size = self._jobs.export(found.id, path)
        with path.open("rb") as file:
            digest = digest_file(file)
        self._uploads.take_in(path, digest)
        return describe_export(found, digest, size)

    def take(self, digest: str, project: str) -> ImportedJob:
        """Bring a job in that was uploaded as an archive; one that is there already is left as it is.

        Raises:
            NotFoundError: Nothing was uploaded, or there is no such project.
            ContentError: It has another digest.
            CorruptedError: It is no archive.
            AlreadyExistsError: There is another job of that id, or it was removed.
        """
        with self._uploads.finished(digest) as path:
            made = self._jobs.import_archive(path, project=f"local/project/{project}")
        return describe_import(made)


def describe_import(made: Imported) -> ImportedJob:
    """Say what came of a job that was sent."""
    return ImportedJob(job=made.job.id, project=made.job.project, status=str(made.job.status), is_new=made.is_new)


def describe_export(job: JobRecord, digest: str, size: int) -> ExportedJob:
    """Say what an archive is of, and which versions the job ran on."""
    return ExportedJob(
        job=job.id,
        digest=digest,
        size=size,
        model=job.request.model_version,
        runtime=job.request.runtime_version,
        datasets=[each.version for each in job.datasets],
    )


__all__ = ["ServedJobs", "describe_export", "describe_import"]
