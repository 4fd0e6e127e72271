"""From examples to figures: what a metric measured, with its interval and with what did not count."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.distributions import student_quantile
from starwhale.results.compare.intervals import (
    FEW_CLUSTERS,
    Interval,
    cluster_numbers,
    clustered_error,
    mean_interval,
    share_interval,
)
from starwhale.results.figure import Figure
from starwhale.results.metrics.examples import Examples, known_rows
from starwhale.results.metrics.metric import Measured, Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

FEW_ROWS = 50
"""With fewer rows no interval is given by the delta method: it covers less than it says."""
FEW_WRONG = 5
"""With fewer rows wrong (or right) the same holds of functions of counts."""
FEW_KIND = 30
"""With fewer positive (or negative) rows the same holds of areas under curves."""


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


def find_interval(measured: Measured, metric: Metric, n: int, confidence: float, groups: Integers | None) -> Interval:
    """Say how sure a value is.

    The mean of scores: Wilson's or the exact interval where they are 0 and 1, else Student's t. A share among some rows: the same of these rows. F1
    of one label: the interval of the share that it is a function of. Everything else: the error that follows from what every row adds, on the
    logarithm of the odds where the value has two ends. Clusters: errors over clusters.
    """
    if measured.no_interval:
        return _without(measured, n, measured.no_interval)
    if measured.scores is not None:
        return mean_interval(measured.scores, confidence, groups)
    if measured.share is not None and groups is None:
        found = share_interval(*measured.share, confidence)
        is_f1 = measured.method == "F1 of a share"
        bend: Callable[[float], float] = (lambda x: 2 * x / (1 + x)) if is_f1 else float
        return _interval(
            measured, n, _error(measured.influence, None), (bend(found.low), bend(found.high)),
            method=found.method + (" of the share x of which it is 2x/(1 + x)" if is_f1 else f" of {measured.share[1]:,} rows"),
        )  # fmt: skip
    if why := _too_few(measured, n, groups):
        return _without(measured, n, why, groups)
    error = _error(measured.influence, groups)
    df = n - 1 if groups is None else int(groups.max())
    quantile = student_quantile((1 + confidence) / 2, df)
    ends, scale = _ends(measured.value, error * quantile, _limits(metric))
    over = "" if groups is None else " over clusters"
    return _interval(measured, n, error, ends, method=f"{measured.method}{scale}{over} {confidence:.0%}", groups=groups)


def _ends(value: float, half: float, limits: tuple[float, float] | None) -> tuple[tuple[float, float], str]:
    """Return the ends of an interval: around the value, or around the logarithm of its odds between two limits."""
    if limits is None or not limits[0] < value < limits[1]:
        return (value - half, value + half), ""
    low, width = limits[0], limits[1] - limits[0]
    share = (value - low) / width
    step = half / width / (share * (1 - share))
    odds = math.log(share / (1 - share))

    def back(x: float) -> float:
        return low + width / (1 + math.exp(-x)) if x > -700 else low

    return (back(odds - step), back(odds + step)), " on log odds"


def _limits(metric: Metric) -> tuple[float, float] | None:
    """Return the least and most that a function of counts, or an area, can be."""
    if metric.unit == "share":
        return 0.0, 1.0
    return (-1.0, 1.0) if metric.name in {"kappa", "mcc"} else None


def _too_few(measured: Measured, n: int, groups: Integers | None) -> str:
    """Say why there are too few rows for an interval, or nothing; see record 0041 for how these were found."""
    import numpy as np

    if n < FEW_ROWS:
        return f"too few rows for an interval: {n} of at least {FEW_ROWS}"
    if groups is not None and int(groups.max()) + 1 < FEW_CLUSTERS:
        return f"too few clusters for an interval: {int(groups.max()) + 1}"
    if measured.counted is not None:
        counts = measured.counted.counts
        right = int(counts.margins().both.sum() * n + 0.5)
        wrong = int((np.bincount(counts.both.rows, minlength=n) < np.maximum(
            np.bincount(counts.true.rows, minlength=n), np.bincount(counts.predicted.rows, minlength=n))).sum())  # fmt: skip
        if min(right, wrong) < FEW_WRONG:
            return f"too few rows are {'wrong' if wrong < right else 'right'} for an interval: {min(right, wrong)}"
    if measured.fewest is not None and measured.fewest < FEW_KIND:
        return f"too few rows of one kind for an interval: {measured.fewest} of at least {FEW_KIND}"
    return ""


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


def _error(influence: Floats, groups: Integers | None) -> float:
    n = influence.size
    if n < 2:
        return math.nan
    if groups is not None:
        return clustered_error(influence, groups)
    return math.sqrt(float((influence * influence).sum()) / (n * (n - 1)))


def _interval(
    measured: Measured, n: int, error: float, ends: tuple[float, float], *, method: str, groups: Integers | None = None
) -> Interval:
    naive = _error(measured.influence, None)
    return Interval(
        value=measured.value,
        standard_error=error,
        low=ends[0],
        high=ends[1],
        count=n,
        method=method,
        clusters=None if groups is None else int(groups.max()) + 1,
        design_effect=(error / naive) ** 2 if groups is not None and naive else 1.0,
    )


def _without(measured: Measured, n: int, why: str, groups: Integers | None = None) -> Interval:
    error = math.nan if measured.no_interval else _error(measured.influence, groups)
    return _interval(measured, n, error, (math.nan, math.nan), method=why)


def _empty() -> Floats:
    import numpy as np

    return np.zeros(0)
