"""Jobs as archives, as they are given to other instances and taken from them, and their logs."""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

from starwhale.errors import NotFoundError
from starwhale.storage.blobs.content import digest_file
from starwhale.storage.log_files import LocalLogFiles
from starwhale.wire.stores import ExportedJob, ImportedJob, LogFile, LogFilesView

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.jobs.verbs import JobVerbs
    from starwhale.instances.uploads import Uploads
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.layout import Layout
    from starwhale.transfer.job_archive import Imported

_LOG = re.compile(r"[A-Za-z0-9_-]{1,100}\.txt")


class ServedJobs:
    """The jobs of a root; safe to use from several threads."""

    def __init__(self, jobs: JobVerbs, uploads: Uploads, layout: Layout) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._tmp = layout.tmp
        self._layout = layout

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

    def logs(self, job_id: str) -> LogFilesView:
        """Return the logs that a job has.

        Raises:
            NotFoundError: There is no job of that id.
        """
        sizes = LocalLogFiles(self._layout).sizes(self._jobs.find(job_id).id)
        return LogFilesView(items=[LogFile(name=name, size=size) for name, size in sizes.items()])

    def log_path(self, job_id: str, name: str) -> Path:
        """Return the file of a log; nothing leads out of the folder of the job's logs.

        Raises:
            NotFoundError: There is none.
        """
        path = self._layout.logs(self._jobs.find(job_id).id) / name
        if not _LOG.fullmatch(name) or not path.is_file():
            raise NotFoundError(f"job {job_id[:12]} has no log {name[:80]!r}")
        return path

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
