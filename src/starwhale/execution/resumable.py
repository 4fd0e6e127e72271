"""Whether a job can be gone on with, and what should be known before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.status import Status, is_resumable
from starwhale.errors import CorruptedError, NotFoundError, StatusError
from starwhale.execution.provenance import source_digest
from starwhale.execution.retry import count_failed

if TYPE_CHECKING:
    from starwhale.domain.job import ResumeChanges
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores


def has_work(found: JobRecord, stores: Stores, changes: ResumeChanges) -> bool:
    """Whether going on with a job would do anything; one that has succeeded may have rows that failed."""
    return found.status is not Status.SUCCESS or (changes.failed and count_failed(stores, found.id) > 0)


def check_resumable(found: JobRecord, stores: Stores, changes: ResumeChanges) -> None:
    """Refuse to go on with a job that has ended, or whose rows are gone; before any worker starts.

    Raises:
        StatusError: There is nothing to go on with.
        NotFoundError: A dataset cannot be read; names it.
    """
    if found.record.get("online"):
        message = f"job {found.id[:12]} is what people tried online: there is nothing to go on with"
        raise StatusError(message, hint="serve the model again with --record, for a new one")
    has_ended = found.status is Status.SUCCESS and not has_work(found, stores, changes)
    is_open = found.status in {Status.SUCCESS, Status.QUEUED} or is_resumable(found.status)
    if has_ended or not is_open:
        message = f"job {found.id[:12]} is {found.status}"
        raise StatusError(message, hint="only a job that was interrupted, canceled or has failed can be resumed")
    for dataset in found.datasets:
        try:
            stores.datasets.open_version(dataset.dataset_id, dataset.manifest_digest)
        except CorruptedError as error:
            message = f"the rows of dataset {dataset.uri}, which job {found.id[:12]} runs on, are gone: {error.message}"
            raise NotFoundError(message, hint="bring the files back, or start a new job on another version") from error


def changed_source(found: JobRecord) -> str:
    """Return a warning where the source of a job has changed since it began; empty where it has not."""
    before = found.record.get("source_digest")
    now = source_digest(Path(found.request.workdir), found.request.modules)
    if not before or before == now:
        return ""
    return (
        f"the source of {', '.join(found.request.modules)} has changed since job {found.id[:12]} began: "
        "its results will come from both versions"
    )
