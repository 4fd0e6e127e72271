"""What jobs have said of the rows of a dataset: which jobs tried a version, and what one of them kept of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.row_id import make_row_id
from starwhale.instances.jobs.labelled_rows import value_below
from starwhale.results.read import job_scope
from starwhale.results.scan import whole_row

if TYPE_CHECKING:
    from starwhale.domain.job import DatasetInput
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.protocols import Key
    from starwhale.storage.stores import Stores

NEWEST = 500
"""Jobs that are looked through, the newest of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a job kept of one row."""

    key: Key
    """The row's."""
    output: Any = None  # Any: what users return
    """What the model said; None where it failed."""
    error: str = ""
    """Why it failed."""


def jobs_on(stores: Stores, version: VersionRecord) -> Sequence[JobRecord]:
    """Return the jobs that tried rows of a version of a dataset, the newest first."""
    listed = stores.catalog.jobs.list(version.project, limit=NEWEST)
    return [each for each in listed if _input(each, version) is not None]


def predictions(stores: Stores, job: JobRecord, version: VersionRecord, keys: Sequence[Key]) -> list[Prediction]:
    """Return what a job kept of rows of a dataset, for those of the rows that it has tried."""
    dataset = _input(job, version)
    if dataset is None:
        return []
    scope, found = job_scope(stores, job), list[Prediction]()
    for key in keys:
        row = whole_row(stores, scope, "results", make_row_id(dataset, key))
        if row is not None:
            found.append(Prediction(key=key, output=value_below(row, "output"), error=str(row.get("error") or "")))
    return found


def _input(job: JobRecord, version: VersionRecord) -> DatasetInput | None:
    return next((each for each in job.datasets if each.version == version.version), None)
