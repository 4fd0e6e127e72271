"""From examples to figures: what a metric measured, with its interval and with what did not count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.intervals import cluster_numbers
from starwhale.results.compare.measured import find_interval
from starwhale.results.figure import Figure
from starwhale.results.metrics.examples import Examples, known_rows
from starwhale.results.metrics.metric import Measured, Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What figures of some rows have in common."""

    clusters: Sequence[Any] = ()  # Any: values of users
    """What each example belongs to; empty where they are independent."""
    ids: Sequence[Any] = ()  # Any: ids of rows
    """Which row each example is of; equal ones are repeats of one row. Empty where each is a row of its own."""
    failed: int = 0
    """Rows whose error was recorded instead of a result."""
    slice: str = ""
    """The rows that the figures are about."""
    confidence: float = 0.95
    """Of intervals."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """What made the results."""


def make_figures(metric: Metric, examples: Examples, setting: Setting | None = None) -> list[Figure]:
    """Compute the figures of one metric: one, or one per label.

    Args:
        metric: Which.
        examples: Columns with all that it needs; examples without a value are counted, and do not count.
        setting: What else is known of the rows.

    Raises:
        UsageError: A column holds something that the metric cannot take.

    Example:
        >>> from starwhale.results.metrics.registry import find_metric
        >>> found = make_figures(
        ...     find_metric("accuracy"), Examples(labels=["a", "b", "b"], predictions=["a", "b", None])
        ... )[0]
        >>> found.value, found.n, found.missing, [round(each, 3) for each in found.bounds]
        (1.0, 2, 1, [0.667, 1.0])
    """
    setting = setting or Setting()
    known = known_rows(examples, metric.needs)
    counted = examples.take(known.rows)
    groups, repeats = _groups(setting, known.rows)
    left_out = known.missing + known.not_finite + setting.failed
    if not known.rows:
        measured = [Measured(value=math.nan, influence=_empty(), no_interval="no row has what it needs")]
    else:
        measured = list(metric.measure(counted))
    found: list[Figure] = []
    for each in measured:
        interval = find_interval(each, metric, len(counted), setting.confidence, groups)
        clusters = interval.clusters if setting.clusters else None
        found.append(
            Figure(
                metric=metric.name,
                label=each.label,
                slice=setting.slice,
                value=each.value,
                standard_error=interval.standard_error,
                low=interval.low,
                high=interval.high,
                confidence=setting.confidence,
                method=interval.method,
                n=len(counted),
                clusters=clusters,
                design_effect=interval.design_effect,
                repeats=repeats,
                missing=known.missing,
                not_finite=known.not_finite,
                failed=setting.failed,
                bounds=_bounds(metric, each, len(counted), left_out),
                direction=metric.direction.value,
                unit=metric.unit,
                meaning=metric.meaning,
                remarks=each.remarks,
                digests=dict(setting.digests),
            )
        )
    return found


def _groups(setting: Setting, rows: Sequence[int]) -> tuple[Integers | None, int]:
    """Return what rows are alike, as numbers, and how often one row comes at most; repeats of a row are alike."""
    chosen = setting.clusters or ()
    repeats = 1
    if setting.ids:
        counts: dict[Any, int] = {}
        for each in rows:
            counts[setting.ids[each]] = counts.get(setting.ids[each], 0) + 1
        repeats = max(counts.values(), default=1)
        if repeats > 1 and not chosen:
            chosen = setting.ids
    if not chosen or not rows:
        return None, repeats
    # a row without a value belongs to no cluster: it is one of its own
    return cluster_numbers(
        [("alone", each) if chosen[each] is None else ("in", chosen[each]) for each in rows]
    ), repeats


def _bounds(metric: Metric, measured: Measured, n: int, left_out: int) -> tuple[float, float] | None:
    if not left_out or metric.limits is None or measured.scores is None:
        return None
    low, high = metric.limits
    total, count = measured.value * n, n + left_out
    return (total + low * left_out) / count, (total + high * left_out) / count


def _empty() -> Floats:
    import numpy as np

    return np.zeros(0)
