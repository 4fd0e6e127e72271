"""What a user means by the name of a metric: a column that was logged, or a figure of the summary that is the mean of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.compare.job_runs import RESULTS, numeric_columns, read_job_run
from starwhale.results.compare.measured_jobs import is_measured, measured_step_note, wanted_names
from starwhale.results.read import StoresOf, summary

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

HOW_TO_SCORE = (
    'put @evaluation.metrics("accuracy", label="label") above predict, or log one in the handler: '
    'evaluation.log("graded", id=row["id"], metrics={"correct": …})'
)
"""What to do where a job gives nothing by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMetric:
    """A metric that jobs give by row."""

    name: str
    """`TABLE.COLUMN`."""
    note: str = ""
    """What a reader has to know of it; empty where the user named it so."""


def find_metric(stores_of: StoresOf, jobs: Sequence[JobRecord], given: str) -> FoundMetric:
    """Find the column that a user means: `TABLE.COLUMN`, a column that only one table has, or a figure of the summary.

    A figure of the summary, such as `accuracy`, stands for the one logged column whose mean it is, in every job.

    Raises:
        NotFoundError: A job has no such metric; the message names those that it has.
        UsageError: Several columns fit.
    """
    if all(given in wanted_names(stores_of(each), each) for each in jobs):  # what the jobs themselves call so
        return FoundMetric(name=given, note=measured_step_note(stores_of(jobs[0]), jobs[0], given))
    shared = shared_columns(stores_of, jobs)
    if given in shared:
        return FoundMetric(name=given)
    fitting = [each for each in shared if each.endswith((f".{given}", f".output/{given}"))]
    if len(fitting) == 1:
        return FoundMetric(name=fitting[0])
    if fitting:
        raise UsageError(f"{given!r} may be {' or '.join(fitting)}", hint="write one of them")
    if all(is_measured(stores_of(each), each, given) and given not in summary(stores_of(each), each) for each in jobs):
        return FoundMetric(name=given)
    called = " and ".join(each.name or each.id[:12] for each in jobs)
    is_in_summary = all(given in summary(stores_of(each), each) for each in jobs)
    if is_in_summary:
        means = [each for each in shared if all(_is_mean(stores_of(job), job, given, each) for job in jobs)]
        means = [each for each in means if not each.startswith(f"{RESULTS}.")] or means  # what was logged goes first
        if len(means) == 1:
            return FoundMetric(name=means[0], note=f"{given} is the mean of {means[0]}")
        why = f"fits {', '.join(means)}" if means else "is the mean of no column by row"
        raise NotFoundError(
            f"{given!r} of the summary of {called} {why}",
            hint=f"name a score by row: {', '.join(shared[:8])}" if shared else HOW_TO_SCORE,
        )
    named = [
        each
        for each in wanted_names(stores_of(jobs[0]), jobs[0])
        if all(each in wanted_names(stores_of(job), job) for job in jobs[1:])
    ]
    names = [*named, *shared]
    they, gives = ("it has", "gives") if len(jobs) == 1 else ("they have", "give")
    there = f"{they} {', '.join(names[:8])}" if names else HOW_TO_SCORE
    raise NotFoundError(f"{called} {gives} no metric {given!r}", hint=_close(given, names) or there)


def _close(given: str, columns: Sequence[str]) -> str:
    close = nearest(given, [*columns, *(each.rpartition(".")[2] for each in columns)])
    return close if close.startswith("did you mean") else ""


def shared_columns(stores_of: StoresOf, jobs: Sequence[JobRecord]) -> list[str]:
    """Return the scores by row that all of some jobs have, as `TABLE.COLUMN`: what users logged before what predict gave."""
    first, *rest = (numeric_columns(stores_of(each), each) for each in jobs)
    others = [set(each) for each in rest]
    return [each for each in first if all(each in names for names in others)]


def _is_mean(stores: Stores, job: JobRecord, name: str, column: str) -> bool:
    value = summary(stores, job)[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    scores = [each for each in read_job_run(stores, job, (column,)).run.metrics[column] if each == each]  # noqa: PLR0124 - NaN
    return bool(scores) and math.isclose(math.fsum(scores) / len(scores), value, rel_tol=1e-9, abs_tol=1e-12)
