"""Rows on which a worker has died: found by halving, tried alone, and in the end named or recorded as failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.job import Job, Task, TaskError
from starwhale.storage.protocols import PartDraft, RangeLease, TableDraft, Value
from starwhale.storage.task_side import JobSide, LocalTaskStores

if TYPE_CHECKING:
    from starwhale.storage.catalog.catalog import SqlCatalog

DEATHS_ALONE = 2
"""A row that was tried alone and killed its worker so many times is the culprit."""
_MOST_SUSPECTS = 100
"""More are not looked through: another task may have the row already."""


class Suspects:
    """The suspects of one job."""

    def __init__(self, job: Job, side: JobSide) -> None:
        self._job = job
        self._side = side
        self._catalog: SqlCatalog = side.stores.catalog
        self._deaths: Counter[tuple[str, int, int]] = Counter()

    def remain(self) -> bool:
        """Whether rows are still to be tried alone."""
        return any(
            self._catalog.ledger.suspects(self._job.id, step.name) for step in self._job.steps if step.consumes_rows
        )

    def died(self, task: Task, held: Sequence[RangeLease]) -> TaskError | None:
        """Take note of a death, after the ranges were given back.

        Args:
            task: The task whose worker died.
            held: The ranges that it held.

        Returns:
            Why the step has to fail: a row that kills its worker, in a step that does not put up with failed rows.
        """
        for lease in held:
            if lease.stop - lease.start > lease.batch:
                continue
            place = lease.step, lease.dataset_position, lease.start
            self._deaths[place] += 1
            if self._deaths[place] < DEATHS_ALONE:
                continue
            error = self._describe(task, lease)
            if task.step.record.fail_on_error or lease.queue:
                return error
            self._record(task, lease, error)
            del self._deaths[place]
        return None

    def _describe(self, task: Task, lease: RangeLease) -> TaskError:
        if lease.queue:  # rows that a step shares by itself; the job does not know their dataset
            what, key, place = f"row {lease.start} of the session {lease.queue.rpartition('@')[0]!r}", "", ""
        else:
            dataset = task.datasets[lease.dataset_position]
            row = self._side.open_dataset(dataset).read(lease.start, lease.start + 1).keys[0]
            what, key = f"row {row!r} of {dataset.name}", f"{dataset.name}: {row}"
            place = f"{dataset.name}{dataset.id_suffix}:{row}"
        return TaskError(
            message=f"{what} killed the worker process {DEATHS_ALONE} times",
            key=key,
            row=place,
            hint="native code may crash on it or its memory may not suffice; with fail_on_error=False the row is recorded as failed",
        )

    def _record(self, task: Task, lease: RangeLease, error: TaskError) -> None:
        """Commit the row as failed; the other rows of its batch are given back."""
        stores = LocalTaskStores(task, self._side, holder=f"{task.id}#driver")
        dataset = task.datasets[lease.dataset_position]
        key = self._side.open_dataset(dataset).read(lease.start, lease.start + 1).keys[0]
        for _ in range(_MOST_SUSPECTS):  # suspects come first
            granted = stores.next_range()
            if granted is None:
                break
            if (granted.dataset_position, granted.start) != (lease.dataset_position, lease.start):
                continue
            columns: dict[str, list[Value]] = {
                "_index": [key],
                "exception": ["WorkerDiedError"],
                "message": [error.message],
                "frame": [""],
                "traceback": [error.details],
            }
            table = TableDraft(name="errors", ids=[dataset.row_id(key, task.step.id_step)], columns=columns)
            stop = lease.start + 1
            draft = PartDraft(lease=granted, stop=stop, tables=[table], rows_done=1, rows_failed=1)
            stores.commit(draft)
            break
        self._catalog.ledger.release_holder(self._job.id, stores.holder)
