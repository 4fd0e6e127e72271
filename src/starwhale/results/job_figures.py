"""The figures of a job: computed once when it ends, from what it found, and kept in its record."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starwhale.domain.row_id import id_ends
from starwhale.domain.wanted_metrics import METRICS_STEP, WantedMetrics
from starwhale.results.classification_figures import classification_figures
from starwhale.results.compare.distributions import normal_quantile
from starwhale.results.confusion import MOST_LABELS, Confusion, confusion_of
from starwhale.results.curve import Curve
from starwhale.results.estimate import Setting, make_figures
from starwhale.results.figure import Figure, FiguresFound
from starwhale.results.measure_curves import measure_curves
from starwhale.results.metric_rows import MetricRows, read_metric_rows
from starwhale.results.metrics.examples import Examples, as_numbers, known_rows, settled
from starwhale.results.metrics.label_counts import count_labels, mean_of
from starwhale.results.metrics.metric import Direction, Field, Measured, Metric
from starwhale.results.metrics.registry import find_metric, is_of_labels
from starwhale.results.read import job_scope
from starwhale.storage.protocols import ERRORS, TableQuery

if TYPE_CHECKING:
    from starwhale.domain.job import Step
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

MOST_SLICES = 50
"""Values of one column that make slices: those with the most rows."""
MEAN_OF_DATASETS = "mean over datasets"
"""The slice of a figure that is the mean of those of each dataset."""


def wanted_of(step: Step) -> WantedMetrics | None:
    """Return which metrics a step wants of its results."""
    return WantedMetrics.from_json(step.record.metrics) if step.record.metrics else None


def compute_figures(stores: Stores, job: JobRecord) -> FiguresFound:
    """Compute the figures of a job from what it found, with the curves and the confusion matrix that belong to them.

    Rows come in row order whoever computed them, so that figures are equal to the last digit for any number of tasks and any executor.

    Raises:
        UsageError: A metric cannot be computed of these results; the message says what is missing.
    """
    steps = [each.step for each in stores.catalog.jobs.steps(job.id)]
    asking = [(step, wanted) for step in steps if (wanted := wanted_of(step)) is not None]
    found = _Collected()
    names = {step.name for step in steps}
    for step, wanted in asking:
        if f"{step.name}{METRICS_STEP}" not in names:  # a run of one step alone, which called none
            wanted = dataclasses.replace(wanted, functions=())
        tail = f"step={step.name.partition(':')[2]}" if len(asking) > 1 else ""
        _add_step(found, stores, job, (step, wanted, tail))
    figures = sorted(found.figures, key=lambda each: bool(each.slice))  # those over all rows first
    return FiguresFound(
        figures=tuple(figures or classification_figures(stores, job, digests_of(job))),
        curves=tuple(found.curves),
        confusions=tuple(found.confusions),
    )


@dataclass(slots=True)
class _Collected:
    figures: list[Figure] = field(default_factory=list[Figure])
    curves: list[Curve] = field(default_factory=list[Curve])
    confusions: list[Confusion] = field(default_factory=list[Confusion])


def digests_of(job: JobRecord) -> dict[str, str]:
    """Return what made the results of a job: the versions of its datasets, of its model, the digest of its code, its runtime."""
    found = {f"dataset {each.name}": each.version for each in job.datasets}
    if job.request.model_version:
        found["model"] = job.request.model_version
    for name in ("source_digest", "runtime_version"):
        if job.record.get(name):
            found[name.partition("_")[0]] = str(job.record[name])
    return found


def _add_step(found: _Collected, stores: Stores, job: JobRecord, asking: tuple[Step, WantedMetrics, str]) -> None:
    """Compute what one step wants; the last of `asking` is the slice that its figures are of, empty for a step alone."""
    step, wanted, tail = asking
    rows = read_metric_rows(stores, job, step, wanted)
    whole = settled(rows.examples)
    failed = _failed_rows(stores, job, step)
    datasets = list(dict.fromkeys(rows.datasets))
    metrics = [*map(find_metric, wanted.names), *(_own_metric(each, wanted) for each in wanted.functions)]

    def measure(metric: Metric, places: Sequence[int], slice: str, failed: int) -> list[Figure]:
        examples = whole
        if metric.name in rows.own:
            examples = Examples(predictions=rows.own[metric.name])
        setting = Setting(
            clusters=[rows.clusters[each] for each in places] if rows.clusters else (),
            failed=failed,
            slice=", ".join(filter(None, (tail, slice))),
            digests=digests_of(job),
        )
        return make_figures(metric, examples.take(places), setting)

    every = range(len(rows.ids))
    if any(map(is_of_labels, wanted.names)) and (matrix := _confusion(whole, tail)) is not None:
        found.confusions.append(matrix)
    for metric in metrics:
        found.figures += measure(metric, every, "", sum(failed.values()))
        found.curves += measure_curves(metric, whole, tail)
        of_each: list[list[Figure]] = []
        for dataset in datasets if len(datasets) > 1 else ():
            places = [place for place in every if rows.datasets[place] == dataset]
            of_each.append(measure(metric, places, f"dataset={_called(dataset, datasets)}", failed[dataset]))
            found.figures += of_each[-1]
        found.figures += mean_figures(of_each) if of_each else []
        for name, places in _slices(rows):
            found.figures += measure(metric, places, name, 0)


def _confusion(examples: Examples, tail: str) -> Confusion | None:
    """Count which labels were taken for which; None where rows have several labels, or there are too many for a matrix."""
    known = known_rows(examples, (Field.LABEL, Field.PREDICTION))
    if not known.rows:
        return None
    counts = count_labels(examples.take(known.rows))
    if counts.is_multi or len(counts.labels) > MOST_LABELS:
        return None
    return confusion_of(list(map(str, counts.labels)), counts.table().tolist(), tail)


def _own_metric(name: str, wanted: WantedMetrics) -> Metric:
    """Return the mean of what a function of the user said of each row as a metric."""

    def measure(examples: Examples) -> list[Measured]:
        return [mean_of(as_numbers(examples.predictions, "value"))]

    is_lower = name in wanted.lower_is_better
    return Metric(
        name=name,
        direction=Direction.LOWER if is_lower else Direction.HIGHER,
        needs=(Field.PREDICTION,),
        measure=measure,
        unit="",
        meaning="mean of what your function returned",
    )


def mean_figures(of_each: Sequence[Sequence[Figure]]) -> Iterator[Figure]:
    """Return the mean of the figures of several datasets, each dataset weighing the same, per metric and label.

    SE = √(Σ SE²)/k: rows of different datasets are independent.
    """
    by_name: dict[str, list[Figure]] = {}
    for figures in of_each:
        for figure in figures:
            by_name.setdefault(figure.name, []).append(figure)
    for found in by_name.values():
        k, first = len(found), found[0]
        if k != len(of_each):  # a label that does not occur everywhere
            continue
        value = math.fsum(each.value for each in found) / k
        error = math.sqrt(math.fsum(each.standard_error**2 for each in found)) / k
        half = (
            normal_quantile((1 + first.confidence) / 2) * error
            if all(each.has_interval for each in found)
            else math.nan
        )
        yield dataclasses.replace(
            first,
            value=value,
            standard_error=error,
            low=max(value - half, 0.0) if first.is_share else value - half,
            high=min(value + half, 1.0) if first.is_share else value + half,
            method=f"normal, {k} independent means {first.confidence:.0%}"
            if not math.isnan(half)
            else f"{next(each.slice for each in found if not each.has_interval)} has no interval",
            n=sum(each.n for each in found),
            slice=", ".join([*first.slice.split(", ")[:-1], MEAN_OF_DATASETS]),
            clusters=None if first.clusters is None else sum(each.clusters or 0 for each in found),
            design_effect=1.0,
            missing=sum(each.missing for each in found),
            not_finite=sum(each.not_finite for each in found),
            failed=sum(each.failed for each in found),
            bounds=None,
        )


def _slices(rows: MetricRows) -> Iterator[tuple[str, list[int]]]:
    """Return the rows of each value of each column, the most frequent first, at most `MOST_SLICES` per column."""
    for column, values in rows.by.items():
        places: dict[str, list[int]] = {}
        for place, value in enumerate(values):
            places.setdefault(str(value), []).append(place)
        ordered = sorted(places.items(), key=lambda each: (-len(each[1]), each[0]))
        yield from ((f"{column}={value}", found) for value, found in ordered[:MOST_SLICES])


def _called(dataset: tuple[str, str], datasets: Sequence[tuple[str, str]]) -> str:
    """Name a dataset; with its version, or its project, where two have one name."""
    name, version = dataset
    if sum(each[0] == name for each in datasets) > 1:
        return f"{name}@{version[:12]}"
    short = name.partition("/")[2]
    return name if sum(each[0].endswith(f"/{short}") for each in datasets) > 1 else short


def _failed_rows(stores: Stores, job: JobRecord, step: Step) -> Counter[tuple[str, str]]:
    """Count the rows of a step that failed, by dataset and version."""
    heads = {id_ends(each)[0]: (each.name, each.version) for each in job.datasets}
    found: Counter[tuple[str, str]] = Counter()
    if not any(each.failed for each in stores.catalog.ledger.progress(job.id) if each.step == step.name):
        return found
    for row in stores.results.reader.rows(job_scope(stores, job), TableQuery(table=ERRORS)):
        if row["step"] == step.name:
            row_id = str(row["id"])
            found[next((each for head, each in heads.items() if row_id.startswith(head)), ("", ""))] += 1
    return found
