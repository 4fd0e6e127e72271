"""What is compared: the scores of one run, row by row, and how rows of several runs are brought together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.errors import NotFoundError, nearest
from starwhale.results.metrics.examples import Examples, settled
from starwhale.results.metrics.metric import Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Id = str | int
_SHARE = frozenset({0.0, 1.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMeasure:
    """A metric that is no mean of scores by row, with what it looks at."""

    metric: Metric
    """The metric."""
    examples: Examples
    """One per row of the run, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: a job, or a file of predictions."""

    id: str
    """What names it: the id of a job, the path of a file."""
    name: str
    """What it is called in sentences."""
    ids: Sequence[Id]
    """What each row is; equal ids are repeats of one row."""
    metrics: Mapping[str, Sequence[float]]
    """Per metric a score per row; NaN where a row has none."""
    measures: Mapping[str, RowMeasure] = field(default_factory=dict[str, RowMeasure])
    """Per metric that is no mean how it is computed; its scores in `metrics` say only on which rows a run has more."""
    directions: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """Whether more is better, of metrics that know it."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])  # Any: values of users
    """What rows are sliced and clustered by."""
    failed: int = 0
    """Rows that failed, and so have no score."""
    odd: Mapping[str, Sequence[Id]] = field(default_factory=dict[str, Sequence[Id]])
    """Per metric the rows whose score is NaN or infinite, and so counts as none."""
    content: Mapping[Id, bytes] = field(default_factory=dict[Id, bytes])
    """Digest of what a row holds, where two runs may have read different versions of it; empty where nobody need look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Several runs over the rows that all of them have."""

    ids: Sequence[Id]
    """The rows, in the order of the first run."""
    scores: Mapping[str, Floats]
    """Per metric the mean score of each run on each row, shape (runs, rows); NaN where a run gave none."""
    columns: Mapping[str, Sequence[Any]]  # Any: values of users
    """What they are sliced and clustered by, in the same order; of the first run that has it."""
    left_out: Mapping[str, int]
    """Per name of a run the rows that others lack."""
    changed: Sequence[Id]
    """Rows left out because runs read different content under one id."""
    shares: frozenset[str]
    """Metrics of which every score is 0 or 1."""
    repeats: int
    """Most scores of one row in one run, which were averaged."""
    unlike: Sequence[str] = ()
    """What is to be said of columns in which runs differ, so that slices are those of one of them."""
    examples: Mapping[str, Sequence[Examples]] = field(default_factory=dict[str, Sequence[Examples]])
    """Per metric that is no mean what it looks at, for each run, in the order of `ids`."""
    measured: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    """Those metrics."""
    remarks: tuple[str, ...] = ()
    """What a reader has to know of labels that one run alone gave."""


def pair(runs: Sequence[Run], metrics: Sequence[str], columns: Sequence[str] = ()) -> Paired:
    """Bring together the rows that all runs have.

    Args:
        runs: Two or more.
        metrics: Names of metrics that all of them give.
        columns: Names of what rows are sliced and clustered by.

    Raises:
        NotFoundError: They share no row, or no run has such a column.
    """
    shared = set(runs[0].ids).intersection(*(run.ids for run in runs[1:]))
    changed = [each for each in dict.fromkeys(runs[0].ids) if each in shared and _differs(runs, each)]
    shared.difference_update(changed)
    ids = [each for each in dict.fromkeys(runs[0].ids) if each in shared]
    if not ids:
        raise _nothing_shared(runs, changed)
    place = {each: position for position, each in enumerate(ids)}
    measured = [name for name in metrics if all(name in run.measures for run in runs)]
    examples = {name: _examples(runs, name, place) for name in measured}
    return Paired(
        ids=ids,
        scores={name: _stack(runs, name, place) for name in metrics},
        columns={name: _column(runs, name, place) for name in columns},
        left_out={run.name: len(set(run.ids)) - len(ids) - len(changed) for run in runs},
        changed=changed,
        shares=frozenset(name for name in metrics if _is_share(runs, name)),
        examples=examples,
        measured={name: runs[0].measures[name].metric for name in measured},
        remarks=tuple(dict.fromkeys(each for found in examples.values() for each in label_remarks(runs, found))),
        repeats=max(len(run.ids) // max(len(set(run.ids)), 1) for run in runs),
        unlike=[said for name in columns if (said := _unlike(runs, name, place))],
    )


def _examples(runs: Sequence[Run], name: str, place: Mapping[Id, int]) -> list[Examples]:
    """Return what a metric looks at, row by row in one order; which label is the positive one is found once, for all runs together."""
    found: list[Examples] = []
    for run in runs:
        rows = [0] * len(place)
        for position, each in enumerate(run.ids):
            if each in place:
                rows[place[each]] = position
        found.append(run.measures[name].examples.take(rows))
    together = settled(replace(found[0], predictions=[each for examples in found for each in examples.predictions]))
    return [replace(each, positive=together.positive, is_two_class=together.is_two_class) for each in found]


def label_remarks(runs: Sequence[Run], found: Sequence[Examples]) -> list[str]:
    """Name labels that one run alone predicted and no row has: they count in averages over labels of that run, and of no other."""
    said: list[set[str]] = []
    for examples in found:
        if any(isinstance(each, list | dict | set | float) for each in examples.predictions):
            return []
        said.append({str(each) for each in examples.predictions if each is not None})
    true = {str(each) for each in found[0].labels}
    remarks: list[str] = []
    for position, (run, own) in enumerate(zip(runs, said, strict=True)):
        others = set[str]().union(*(each for place, each in enumerate(said) if place != position))
        if alone := sorted(own - others - true):
            more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
            remarks.append(
                f"{run.name} alone says {', '.join(map(repr, alone[:5]))}{more}, which is the label of no row"
            )
    return remarks


def _differs(runs: Sequence[Run], id: Id) -> bool:
    return len({run.content[id] for run in runs if id in run.content}) > 1


def _is_share(runs: Sequence[Run], name: str) -> bool:
    """Whether every score is 0 or 1, where there is one."""
    return all(score in _SHARE or score != score for run in runs for score in run.metrics[name])  # noqa: PLR0124 - NaN


def _stack(runs: Sequence[Run], name: str, place: Mapping[Id, int]) -> Floats:
    import numpy as np

    return np.stack([_means(run, name, place) for run in runs])


def _means(run: Run, name: str, place: Mapping[Id, int]) -> Floats:
    """Return the mean score of each row over its repeats, NaN where one of them has none."""
    import numpy as np

    rows = np.fromiter((place.get(each, -1) for each in run.ids), np.int64, len(run.ids))
    scores = np.asarray(run.metrics[name], np.float64)
    known = rows >= 0
    counts = np.bincount(rows[known], minlength=len(place))
    return np.bincount(rows[known], weights=scores[known], minlength=len(place)) / counts


def _column(runs: Sequence[Run], name: str, place: Mapping[Id, int]) -> list[Any]:  # Any: values of users
    for run in runs:
        if name in run.columns:
            found: list[Any] = [None] * len(place)
            for row, value in zip(run.ids, run.columns[name], strict=True):
                if row in place:
                    found[place[row]] = value
            return found
    listed = [each for run in runs for each in run.columns]
    raise NotFoundError(f"no run has a column {name!r}", hint=nearest(name, listed))


def _unlike(runs: Sequence[Run], name: str, place: Mapping[Id, int]) -> str:
    """Say that runs differ in a column that rows are sliced by, such as a predicted class; empty where they do not."""
    having = [run for run in runs if name in run.columns]
    first, *others = (
        {row: value for row, value in zip(run.ids, run.columns[name], strict=True) if row in place} for run in having
    )
    count = sum(any(each.get(row) != value for each in others) for row, value in first.items())
    if not count:
        return ""
    seen = [{str(value) for value in each.values()} for each in (first, *others)]
    alone = [
        f"{', '.join(sorted(only)[:5])} in {run.name} alone"
        for at, run in enumerate(having)
        if (only := seen[at].difference(*(each for other, each in enumerate(seen) if other != at)))
    ]
    there = f"; {'; '.join(alone)}" if alone else ""
    return f"{name} is not the same in all runs on {counted(count, 'row')}: slices are those of {having[0].name}{there}"


def _nothing_shared(runs: Sequence[Run], changed: Sequence[Id]) -> NotFoundError:
    if changed:
        return NotFoundError(
            f"{counted(len(changed), 'row')} with the same id in all runs, and different content in each",
            hint="run both on one version of the dataset",
        )
    examples = "; ".join(f"{run.name} has {next(iter(run.ids), 'none')!r}" for run in runs[:2])
    return NotFoundError(
        f"the runs share no row: {examples}", hint="compare runs over the same dataset, by the same ids"
    )


def is_number(value: object) -> bool:
    """Whether a value can be a score: a number or a truth value."""
    return isinstance(value, bool | int | float)


def as_scores(values: Sequence[object]) -> list[float] | None:
    """Return values as scores, NaN for those that are none or infinite; None where one is no number, or there are none.

    Example:
        >>> as_scores([True, 0.5, None])
        [1.0, 0.5, nan]
    """
    if not any(each is not None for each in values) or not all(each is None or is_number(each) for each in values):
        return None
    numbers = [math.nan if each is None else float(each) for each in values]  # type: ignore[arg-type] - checked above
    return [each if math.isfinite(each) else math.nan for each in numbers]


def odd_rows(values: Sequence[object], ids: Sequence[Id]) -> list[Id]:
    """Return the rows whose value is NaN or infinite.

    Example:
        >>> odd_rows([0.5, math.nan, None, math.inf], ["a", "b", "c", "d"])
        ['b', 'd']
    """
    pairs = zip(values, ids, strict=True)
    return [row for value, row in pairs if isinstance(value, float) and not math.isfinite(value)]


def say_odd(runs: Sequence[Run], metric: str) -> list[str]:
    """Say of each run which scores are NaN or infinite; nothing where none is."""
    said: list[str] = []
    for run in runs:
        if rows := run.odd.get(metric):
            more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
            scores = counted(len(rows), "score")
            is_are = "is" if len(rows) == 1 else "are"
            said.append(
                f"{scores} of {metric} in {run.name} {is_are} NaN or infinite: {', '.join(map(str, rows[:3]))}{more}"
            )
    return said
