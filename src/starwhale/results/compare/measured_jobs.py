"""Metrics of jobs that are computed of labels, predictions and scores: which a name means, and what rows give it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.wanted_metrics import WantedMetrics
from starwhale.errors import NotFoundError, UsageError
from starwhale.results.compare.runs import RowMeasure
from starwhale.results.metric_rows import read_metric_rows
from starwhale.results.metrics.examples import Examples, known_rows, settled
from starwhale.results.metrics.label_counts import right_rows
from starwhale.results.metrics.metric import Direction, Field, Metric
from starwhale.results.metrics.registry import find_metric

if TYPE_CHECKING:
    from starwhale.domain.job import Step
    from starwhale.results.read import StoresOf
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

_PER_CLASS = "_per_class"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRows:
    """What a job gives for metrics, row by row."""

    ids: list[Any]  # Any: ids of rows
    """What each row is."""
    scores: dict[str, list[float]]
    """Per metric the score of each row whose mean it is; or, of other metrics, on which rows a run has more; NaN where a row does not count."""
    measures: dict[str, RowMeasure]
    """Metrics that are no mean of scores."""
    directions: dict[str, bool]
    """Whether more is better."""
    examples: Examples
    """What the metrics look at."""


def is_measured(stores: Stores, job: JobRecord, name: str) -> bool:
    """Whether a name is a metric of ours that this job may give: one that it asks for, or any where a predict ran."""
    try:
        find_metric(name)
    except NotFoundError:
        return False
    return _step(stores, job) is not None


def wanted_names(stores: Stores, job: JobRecord) -> tuple[str, ...]:
    """Return the metrics that a job asks for and that have one value, in its order."""
    found = _step(stores, job)
    return () if found is None else tuple(each for each in found[1].names if not each.endswith(_PER_CLASS))


def measured_step_note(stores: Stores, job: JobRecord, name: str) -> str:
    """Say which step's figure a name stands for, where several steps of a job name metrics; empty where there is one."""
    asking = [each.step for each in stores.catalog.jobs.steps(job.id) if each.step.record.metrics]
    if len(asking) < 2:
        return ""
    return f"{name} is that of step {asking[0].name}, the first of {len(asking)} that name metrics"


def wanted_cluster(stores_of: StoresOf, jobs: Sequence[JobRecord]) -> str:
    """Return the column that says which rows are alike, as the jobs' `@evaluation.metrics` have it; empty where none does.

    Raises:
        UsageError: They name different ones.
    """
    said = {
        job.name or job.id[:12]: found[1].cluster
        for job in jobs
        if (found := _step(stores_of(job), job)) is not None and found[1].cluster
    }
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{column!r} in {name}" for name, column in said.items())
        raise UsageError(f"the jobs do not agree on which rows are alike: {listed}", hint="say it: --cluster COLUMN")
    return next(iter(said.values()), "")


def read_measured(stores: Stores, job: JobRecord, names: Sequence[str]) -> MeasuredRows:
    """Read what a job gives for metrics.

    Raises:
        UsageError: It cannot give one of them; the message says what is missing, and which it gives.
        NotFoundError: There is no predict whose rows could be measured.
    """
    found = _step(stores, job)
    if found is None:
        raise NotFoundError(f"job {job.name or job.id[:12]} has no rows that could be measured")
    step, wanted = found
    several = next((each for each in names if each.endswith(_PER_CLASS)), None)
    if several is not None:
        macro = several.removesuffix(_PER_CLASS) + "_macro"
        raise UsageError(f"{several} is one value per label", hint=f"compare one value: {macro}")
    asked = dataclasses.replace(wanted, names=tuple(names), functions=(), by=(), cluster="")
    try:
        rows = read_metric_rows(stores, job, step, asked)
        read = {name: row_scores(find_metric(name), settled(rows.examples)) for name in names}
    except UsageError as error:
        gives = ", ".join(wanted.names) or "none that it names"
        raise UsageError(
            f"job {job.name or job.id[:12]} cannot give {' and '.join(names)}: {error.message}",
            hint=f"it gives {gives}; {error.hint}",
        ) from error
    return MeasuredRows(
        ids=rows.ids,
        examples=rows.examples,
        scores={name: scores for name, (scores, _) in read.items()},
        measures={
            name: RowMeasure(metric=find_metric(name), examples=rows.examples)
            for name, (_, is_mean) in read.items()
            if not is_mean
        },
        directions={name: find_metric(name).direction is Direction.HIGHER for name in names},
    )


def _step(stores: Stores, job: JobRecord) -> tuple[Step, WantedMetrics] | None:
    """Return the predict that is measured: the first that asks for metrics, else the only one there is."""
    steps = [each.step for each in stores.catalog.jobs.steps(job.id) if each.step.consumes_rows]
    asking = next((each for each in steps if each.record.metrics), None)
    if asking is not None and asking.record.metrics:
        return asking, WantedMetrics.from_json(asking.record.metrics)
    return (steps[0], WantedMetrics(names=())) if len(steps) == 1 else None


def row_scores(metric: Metric, examples: Examples) -> tuple[list[float], bool]:
    """Return a score per row, NaN where it does not count, and whether the metric is the mean of these."""
    known = known_rows(examples, metric.needs)
    found = [math.nan] * len(examples)
    if not known.rows:
        return found, True
    chosen = examples.take(known.rows)
    measured = metric.measure(chosen)[0]
    is_mean = measured.scores is not None
    if measured.scores is not None:
        scores = measured.scores.tolist()
    elif measured.counted is not None:
        scores = right_rows(measured.counted.counts).tolist()
    elif Field.PREDICTION in metric.needs:
        sign = 1 if metric.direction is Direction.LOWER else -1
        pairs = zip(chosen.predictions, chosen.labels, strict=True)
        scores = [sign * abs(float(said) - float(true)) for said, true in pairs]
    else:  # an order of rows: no row alone is better or worse
        scores = [0.0] * len(known.rows)
    for place, score in zip(known.rows, scores, strict=True):
        found[place] = score
    return found, is_mean
