"""The results of a job: how they are opened, and the names, rows and summary that they have."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.domain.job import DatasetInput
from starwhale.errors import LoginError, NotFoundError, ObjectStoreError, ServerError
from starwhale.storage.protocols import DatasetReader, TableQuery, Value, shown_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starwhale.storage.catalog.job_records import JobRecord, StepRecord
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores


StoresOf = Callable[["JobRecord"], "Stores"]
"""Says where a job lies: those that are looked at together may be of several instances."""


def job_scope(stores: Stores, job: JobRecord, steps: Sequence[StepRecord] | None = None) -> ResultScope:
    """Say how the results of a job are read, with its inputs where the datasets are still there.

    Args:
        stores: Where they lie.
        job: Whose they are.
        steps: Its steps, where somebody has read them already.

    Raises:
        NotFoundError: While an input is read: its dataset lies on an object store or a server that does not answer.
    """
    from starwhale.storage.result_parts.result_rows import ResultScope

    def open_dataset(dataset: DatasetInput) -> DatasetReader:
        dataset_id = dataset.dataset_id
        if not is_elsewhere(dataset_id) and not stores.datasets.has(dataset_id, dataset.manifest_digest):
            dataset_id = _find_here(stores, dataset)
        try:
            return stores.datasets.open_version(dataset_id, dataset.manifest_digest)
        except (ObjectStoreError, ServerError, LoginError) as error:
            raise NotFoundError(f"the data of {dataset.uri} cannot be read: {error.message}") from error

    steps = stores.catalog.jobs.steps(job.id) if steps is None else steps
    return ResultScope(
        owner=job.id, steps=tuple(each.step for each in steps), datasets=job.datasets, open_dataset=open_dataset
    )


def _find_here(stores: Stores, dataset: DatasetInput) -> str:
    """Return the key of a dataset of a job that was imported: the same version has another one here."""
    with contextlib.suppress(NotFoundError):
        found = stores.catalog.versions.get(dataset.version)
        if found.content_digest == dataset.manifest_digest:
            return found.bundle_id
    raise NotFoundError(f"the data of {dataset.uri} is gone")


class JobTables:
    """The tables of one job, opened once for several looks at them."""

    def __init__(self, stores: Stores, job: JobRecord, steps: Sequence[StepRecord] | None = None) -> None:
        """Open them.

        Args:
            stores: Where they lie.
            job: Whose they are.
            steps: Its steps, where somebody has read them already.
        """
        self.reader = stores.results.reader
        self.scope = job_scope(stores, job, steps)
        self._job = job

    @cached_property
    def names(self) -> Sequence[str]:
        """Their names, without the summary."""
        return self.reader.table_names(self.scope)

    def rows(self, query: TableQuery, *, keep_none: bool = False) -> Iterator[dict[str, Value]]:
        """Read a table row by row, without the system's own columns; an unknown table has none.

        Args:
            query: Which rows.
            keep_none: Whether every row has every column.
        """
        for row in self.reader.rows(self.scope, query):
            yield shown_cells(row, keep_none=keep_none)

    def summary(self) -> dict[str, Value]:
        """Return what the job logged as its summary, and its figures over all rows; `{}` when there is none."""
        from starwhale.results.figure import figure_values, figures_of

        return {**figure_values(figures_of(self._job.record)), **self.reader.summary(self.scope)}


def table_names(stores: Stores, job: JobRecord) -> Sequence[str]:
    """Return the names of a job's tables, without the summary."""
    return JobTables(stores, job).names


def summary(stores: Stores, job: JobRecord) -> dict[str, Value]:
    """Return the summary of a job: what it logged, and its figures over all rows; `{}` when there is none."""
    return JobTables(stores, job).summary()
