"""How sure a metric is that is no plain mean, and how sure its difference between two runs on the same rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.differences import Difference, compare_means
from starwhale.results.compare.distributions import student_quantile
from starwhale.results.compare.intervals import FEW_CLUSTERS, Interval, clustered_error, mean_interval, share_interval
from starwhale.results.metrics.metric import Measured, Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

FEW_ROWS = 50
"""With fewer rows no interval is given by the delta method or the bootstrap: it covers less than it says."""
FEW_PAIRED = 100
"""With fewer rows no difference is tested: at 50 rows 8 % of true nulls are rejected, at 100 and 200 5 to 6 %."""
FEW_WRONG = 5
"""With fewer rows wrong (or right) the same holds of functions of counts."""
FEW_KIND = 30
"""With fewer positive (or negative) rows the same holds of areas under curves."""
FEW_CHANGED = 10
"""With fewer rows on which two runs say different things, resamples call chance a difference: 4 gained and none lost has p = .04 there, and .125 exactly."""
OPEN_UNITS = frozenset({"label", "label²", "of the label", "nats"})
"""Units without an upper end: scores that are all 0 and 1 are no shares there."""
RESAMPLES = 10_000
"""Bootstrap resamples."""
MOST_CELLS = 512
"""Up to so many different rows are resampled by drawing how often each comes; beyond, the delta method is as good and much cheaper."""


def find_interval(measured: Measured, metric: Metric, n: int, confidence: float, groups: Integers | None) -> Interval:
    """Say how sure a value is.

    The mean of scores: Wilson's or the exact interval where they are 0 and 1, else Student's t. A share among some rows: the same of these rows. F1
    of one label: the interval of the share that it is a function of. Everything else: the error that follows from what every row adds, on the
    logarithm of the odds where the value has two ends. Clusters: errors over clusters.

    Args:
        measured: The value, with what every row adds to it.
        metric: What was measured: says between which ends values lie.
        n: Rows.
        confidence: Of the interval, in (0, 1).
        groups: Numbers of what is alike, one per row, from 0 without gaps; None where rows are independent.
    """
    if measured.no_interval:
        return _without(measured, n, measured.no_interval)
    if measured.scores is not None:
        return mean_interval(measured.scores, confidence, groups, may_be_share=metric.unit not in OPEN_UNITS)
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


class MeasuredPair:
    """One metric of two runs on the same rows; what is drawn is drawn once, whatever confidence is asked for.

    Functions of counts: the paired bootstrap, one multinomial draw over the different rows (what is true, what each run said) per resample, the
    same for both runs. Areas: DeLong's test. All others, and rows in clusters: the delta method, the t test over what each row adds to one value
    less what it adds to the other.

    Args:
        ours: Of the candidate.
        theirs: Of the baseline, on the same rows in the same order.
        groups: What rows are alike, as numbers; None where they are independent.
        changes: Per row above 0 where the candidate has more, below 0 where it has less; 0 where nobody can say.
    """

    def __init__(self, ours: Measured, theirs: Measured, groups: Integers | None, changes: Floats) -> None:
        self._ours, self._theirs, self._groups, self._changes = ours, theirs, groups, changes
        self._changed_rows = sum(a != b for a, b in zip(_said(ours), _said(theirs), strict=True))
        self._drawn = self._draw()

    def difference(self, confidence: float) -> Difference:
        """Return the difference with the interval of a confidence, which leaves 0 out exactly when p is below 1 − confidence."""
        import numpy as np

        ours, theirs = self._ours, self._theirs
        mine, other = ours.value + ours.influence, theirs.value + theirs.influence
        found = dataclasses.replace(
            compare_means(mine, other, self._groups, confidence),
            delta=ours.value - theirs.value,
            wins=int(np.count_nonzero(self._changes > 0)),
            losses=int(np.count_nonzero(self._changes < 0)),
        )
        if why := self._too_few(found.n):
            return dataclasses.replace(found, low=math.nan, high=math.nan, p=math.nan, test="no test", interval=why)
        if ours.counted is not None and not self._changed_rows:
            return dataclasses.replace(
                found, low=0.0, high=0.0, p=1.0, test="paired bootstrap", interval="every row is the same"
            )
        if self._drawn is not None:
            p, low, high = bootstrap_ends(self._drawn, confidence)
            return dataclasses.replace(
                found,
                p=p,
                low=low,
                high=high,
                test="paired bootstrap",
                interval=f"percentiles of {RESAMPLES:,} paired resamples",
            )
        name = "DeLong's paired test" if ours.method == "DeLong" and self._groups is None else "paired delta method"
        over = " over clusters" if self._groups is not None else ""
        half = found.high - found.low
        shift = found.delta - (found.low + found.high) / 2 if not math.isnan(half) else 0.0
        return dataclasses.replace(
            found,
            test=f"{name}{over}",
            interval=f"{name}{over}, t" if not math.isnan(half) else found.interval,
            low=found.low + shift,
            high=found.high + shift,
        )

    def _too_few(self, n: int) -> str:
        if math.isnan(self._ours.value) or math.isnan(self._theirs.value):
            return self._ours.no_interval or self._theirs.no_interval or "the metric has no meaning for these rows"
        if self._ours.no_interval and self._theirs.no_interval:
            return self._ours.no_interval
        if n < FEW_PAIRED:
            return f"too few rows for a test: {n} of at least {FEW_PAIRED}"
        if self._ours.counted is not None and 0 < self._changed_rows < FEW_CHANGED:
            return f"too few rows changed for a test: {self._changed_rows} of at least {FEW_CHANGED}"
        fewest = min((each.fewest for each in (self._ours, self._theirs) if each.fewest is not None), default=FEW_KIND)
        return f"too few rows of one kind for a test: {fewest} of at least {FEW_KIND}" if fewest < FEW_KIND else ""

    def _draw(self) -> Floats | None:
        """Draw differences anew, sorted; None where they are not drawn."""
        import numpy as np

        ours, theirs = self._ours.counted, self._theirs.counted
        if ours is None or theirs is None or self._groups is not None or ours.counts.n < FEW_PAIRED:
            return None
        _, mine = np.unique(ours.counts.cells, return_inverse=True)
        kinds, other = np.unique(theirs.counts.cells, return_inverse=True)
        joint = mine.astype(np.int64) * kinds.size + other
        _, rows, counts = np.unique(joint, return_index=True, return_counts=True)
        if rows.size > MOST_CELLS:
            return None
        n = ours.counts.n
        weights = np.random.default_rng(0).multinomial(n, counts / n, size=RESAMPLES) / n
        drawn = [each.value(each.counts.resampled(rows, weights)) for each in (ours, theirs)]
        return np.sort(np.nan_to_num(drawn[0] - drawn[1]))


def _said(measured: Measured) -> list[Any]:  # Any: labels of users
    """Return what was predicted of each row, as labels; nothing where no labels were."""
    if measured.counted is None:
        return []
    counts = measured.counted.counts
    if not counts.is_multi:
        return [counts.labels[each] for each in counts.predicted.classes.tolist()]
    said: list[list[Any]] = [[] for _ in range(counts.n)]
    for row, label in zip(counts.predicted.rows.tolist(), counts.predicted.classes.tolist(), strict=True):
        said[row].append(counts.labels[label])
    return said


def bootstrap_ends(drawn: Floats, confidence: float) -> tuple[float, float, float]:
    """Return p and the ends of the interval, which leaves 0 out exactly when p < 1 − confidence.

    p = 2·(1 + the smaller number of resamples at or beyond 0)/(R + 1), at most 1; the ends are the order statistics at which p crosses 1 − confidence.

    Args:
        drawn: Differences, sorted, shape (R,).
        confidence: In (0, 1).

    Source: Davison & Hinkley 1997, "Bootstrap methods and their application", 4.2.

    Example:
        >>> import numpy as np
        >>> p, low, high = bootstrap_ends(np.arange(1.0, 10_000.0), 0.95)
        >>> p, low, high
        (0.0002, 250.0, 9750.0)
    """
    import numpy as np

    r = drawn.size
    beyond = min(int(np.searchsorted(drawn, 0, "right")), r - int(np.searchsorted(drawn, 0, "left")))
    p = min(1.0, 2 * (1 + beyond) / (r + 1))
    rank = math.ceil(
        (1 - confidence) * (r + 1) / 2 - 1 - 1e-9
    )  # p < 1 − confidence exactly when fewer than this are beyond 0
    if rank < 1:
        return p, min(float(drawn[0]), 0.0), max(float(drawn[-1]), 0.0)
    return p, float(drawn[rank - 1]), float(drawn[r - rank])
