"""Rows on which a worker has died: tried alone, found by halving, and in the end named or recorded as failed.

How many workers died on which rows stands in the ledger, so that a resumed job does not begin to count anew.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from starwhale.domain.job import Job, Task, TaskError, TaskUpdate
from starwhale.domain.row_id import make_row_id, row_address, row_label
from starwhale.execution.tasks.task_output import TAIL_BYTES, read_tail
from starwhale.handlers.failures import crash_frame
from starwhale.storage.part import PartDraft, RangeLease, TableDraft
from starwhale.storage.task_side import JobSide, LocalTaskStores, log_path

if TYPE_CHECKING:
    from starwhale.storage.catalog.catalog import SqlCatalog

DEATHS_ALONE = 2
"""A row that was tried alone and killed its worker so many times is the culprit."""
DEATH_STEPS = ("culprit_found", "culprit_recorded", "suspects_released")
"""The crash points of taking note of a death, in order; those of a commit lie between the first two."""


class Suspects:
    """The suspects of one job."""

    def __init__(self, job: Job, side: JobSide) -> None:
        self._job = job
        self._side = side
        self._catalog: SqlCatalog = side.stores.catalog

    def remain(self) -> bool:
        """Whether rows are still to be tried alone."""
        return any(
            self._catalog.ledger.suspects(self._job.id, step.name) for step in self._job.steps if step.consumes_rows
        )

    def died(self, task: Task, stores: LocalTaskStores, update: TaskUpdate, *, is_alone: bool) -> TaskError | None:
        """Take note of a death, and give the ranges of the attempt back.

        A culprit is recorded as failed in the name of the attempt that died, while its lease still holds; so nobody tries it again.

        Args:
            task: The task whose worker died.
            stores: What answered for the attempt.
            update: How it ended.
            is_alone: Whether the worker was at one range only.

        Returns:
            Why the step has to fail: a row that kills its worker, in a step that does not put up with failed rows.
        """
        culprit: TaskError | None = None
        crash_point = self._side.crash_point
        suspects = stores.worked_on
        for lease in suspects:
            if not is_alone or lease.pieces or lease.row_count > lease.batch:
                continue
            deaths = self._catalog.ledger.deaths(lease) + 1
            if deaths < DEATHS_ALONE:
                continue
            error = self._describe(task, lease, update, deaths)
            crash_point("culprit_found")
            if (task.step.record.fail_on_error and not task.request.max_errors) or lease.queue:
                culprit = error
            else:
                self._record(task, stores, lease, error)
                crash_point("culprit_recorded")
        self._catalog.ledger.release_holder(task.job_id, stores.holder, suspects=suspects, is_alone=is_alone)
        crash_point("suspects_released")
        return culprit

    def _describe(self, task: Task, lease: RangeLease, update: TaskUpdate, deaths: int) -> TaskError:
        if lease.queue:  # rows that a step shares by itself; the job does not know their dataset
            what, key, place = f"row {lease.start} of the session {lease.queue.rpartition('@')[0]!r}", "", ""
        else:
            dataset = task.datasets[lease.dataset_position]
            row = self._side.open_dataset(dataset).read(lease.start, lease.start + 1).keys[0]
            what, key = f"row {row!r} of {dataset.name}", row_label(dataset, [row])
            place = row_address(dataset, row)
        death = update.error or TaskError(message="")
        how = f"the last one was killed by {death.signal}" if death.signal else ""
        how = f"the last one ended with exit code {death.exit_code}" if death.exit_code is not None else how
        printed = read_tail(log_path(self._side.stores.layout, task))
        message = f"{what} killed the worker process {deaths} times" + (f"; {how}" if how else "")
        return dataclasses.replace(
            death,
            message=message,
            exception=f"WorkerDiedError: {message}",
            frame=crash_frame(death.output),
            details="",
            key=key,
            row=place,
            tries=deaths,
            output="\n".join(filter(None, (printed, death.output)))[-TAIL_BYTES:],
            hint="native code may crash on it or its memory may not suffice; with --max-errors 1 or fail_on_error=False the row is recorded as failed",
            is_user_error=False,
        )

    def _record(self, task: Task, stores: LocalTaskStores, lease: RangeLease, error: TaskError) -> None:
        """Commit the row as failed; the other rows of its batch are given back."""
        dataset = task.datasets[lease.dataset_position]
        key = self._side.open_dataset(dataset).read(lease.start, lease.start + 1).keys[0]
        columns = {name: [value] for name, value in {"_index": key, **error.columns()}.items()}
        table = TableDraft(name="errors", ids=[make_row_id(dataset, key, task.step.id_step)], columns=columns)
        stores.commit(PartDraft(lease=lease, stop=lease.start + 1, tables=[table], rows_done=1, rows_failed=1))
