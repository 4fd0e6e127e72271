"""The results of a job: how they are opened, and the names, rows and summary that they have."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starwhale.domain.job import DatasetInput
from starwhale.domain.object_uri import is_object_uri
from starwhale.errors import NotFoundError, ObjectStoreError
from starwhale.storage.protocols import DatasetReader, TableQuery, Value, shown_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starwhale.storage.catalog.records import JobRecord
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores


def job_scope(stores: Stores, job: JobRecord) -> ResultScope:
    """Say how the results of a job are read, with its inputs where the datasets are still there.

    Raises:
        NotFoundError: While an input is read: its dataset lies on an object store that does not answer.
    """
    from starwhale.storage.result_parts.result_rows import ResultScope

    def open_dataset(dataset: DatasetInput) -> DatasetReader:
        dataset_id = dataset.dataset_id
        if not is_object_uri(dataset_id) and not (stores.layout.datasets / dataset_id).exists():
            dataset_id = _find_here(stores, dataset)
        try:
            return stores.datasets.open_version(dataset_id, dataset.manifest_digest)
        except ObjectStoreError as error:
            raise NotFoundError(f"the data of {dataset.uri} cannot be read: {error.message}") from error

    steps = tuple(each.step for each in stores.catalog.jobs.steps(job.id))
    return ResultScope(owner=job.id, steps=steps, datasets=job.datasets, open_dataset=open_dataset)


def _find_here(stores: Stores, dataset: DatasetInput) -> str:
    """Return the key of a dataset of a job that was imported: the same version has another one here."""
    with contextlib.suppress(NotFoundError):
        found = stores.catalog.versions.get(dataset.version)
        if found.content_digest == dataset.manifest_digest:
            return found.bundle_id
    raise NotFoundError(f"the data of {dataset.uri} is gone")


def read_rows(
    stores: Stores, job: JobRecord, query: TableQuery, *, keep_none: bool = False
) -> Iterator[dict[str, Value]]:
    """Read a table of a job row by row, without the system's own columns.

    Args:
        stores: Where it lies.
        job: Whose it is.
        query: Which rows.
        keep_none: Whether every row has every column.
    """
    for row in stores.results.reader.rows(job_scope(stores, job), query):
        yield shown_cells(row, keep_none=keep_none)


def table_names(stores: Stores, job: JobRecord) -> list[str]:
    """Return the names of a job's tables, without the summary."""
    return stores.results.reader.table_names(job_scope(stores, job))


def summary(stores: Stores, job: JobRecord) -> dict[str, Value]:
    """Return the summary of a job: what it logged, and its figures over all rows; `{}` when there is none."""
    from starwhale.results.figure import figure_values, figures_of

    return {**figure_values(figures_of(job.record)), **stores.results.reader.summary(job_scope(stores, job))}
