"""Trying failed rows of a job again: which they are, which steps have to end anew because of them, and the step from one to the other.

What failed is told by the errors that are kept with the parts; the ledger only counts. Both are compared before anything changes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from starwhale.domain.graph import StepGraph
from starwhale.domain.job import Job, Step
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.retry import FailedRows, Retry, free_failed_rows
from starwhale.storage.stores import Stores
from starwhale.storage.task_side import CrashPoint, JobSide, no_crash

if TYPE_CHECKING:
    from starwhale.storage.part import PartRecord

RETRY_STEPS = ("retry_read", "retry_in_transaction", "retry_begun")
"""The crash points of giving failed rows back, in order."""


def count_failed(stores: Stores, job_id: str) -> int:
    """Return how many rows of a job have failed, and are recorded as failed."""
    return sum(each.failed for each in stores.catalog.ledger.progress(job_id))


def retry_failed(job: Job, stores: Stores, crash_point: CrashPoint = no_crash) -> int:
    """Give the failed rows of a job back to its ledger, and return how many there were; for its driver, before anything of it runs.

    Raises:
        CorruptedError: Errors that are kept cannot be read, or are not those that the ledger counts; nothing is changed.
    """
    if not count_failed(stores, job.id):
        return 0
    failed = _find_failed(job, stores)
    crash_point("retry_read")
    with stores.catalog.write() as connection:
        count = free_failed_rows(connection, job.id, _plan(job, failed))
        crash_point("retry_in_transaction")
    crash_point("retry_begun")
    return count


def _plan(job: Job, failed: FailedRows) -> Retry:
    """Say which steps end anew: those with rows to try, and all behind them; one that consumes no rows runs again as a whole."""
    inside = {step.name for step in job.steps}
    graph = StepGraph({step.name: tuple(need for need in step.needs if need in inside) for step in job.steps})
    first = {step for step, _ in failed}
    behind = {each for step in first for each in graph.downstream(step)}
    again = [step.name for step in job.steps if step.name in behind and not step.consumes_rows]
    return Retry(failed=failed, reset=sorted(first | set(again)), again=again)


def _find_failed(job: Job, stores: Stores) -> FailedRows:
    found: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    side = JobSide(stores, job.steps, job.datasets)
    steps = {step.name: step for step in job.steps}
    for part in stores.catalog.parts.visible(job.id):
        if part.dataset_position is not None and part.step in steps:
            found[part.step, part.dataset_position].update(_ranks(part, steps[part.step], job, side))
    return {place: sorted(ranks) for place, ranks in found.items() if ranks}


def _ranks(part: PartRecord, step: Step, job: Job, side: JobSide) -> set[int]:
    """Return the ranks of the rows that failed in a part."""
    assert part.dataset_position is not None  # noqa: S101 - the caller has looked
    dataset = job.datasets[part.dataset_position]
    ranks: set[int] = set()
    for key in side.stores.results.failed_keys(job.id, part):
        if (rank := side.open_dataset(dataset).rank(key)) is None:
            message = f"row {key!r} of step {step.name!r} failed, and dataset {dataset.uri} has no such row"
            raise CorruptedError(message, hint=f"look for damage with: swcli dataset verify {dataset.uri}")
        ranks.add(rank)
    return ranks
