"""What a threshold over scores does to rows that are true or not: counted once, so that any threshold of a grid costs nothing afterwards.

A row is called positive where its score is at or above the threshold. Counts are exact at every threshold of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

MOST_THRESHOLDS = 1000
"""Thresholds of a grid, about; of fewer different scores every one is a threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """Rows with a score and what is true of them."""

    scores: Floats
    """One per row; NaN where it has none."""
    positive: Mask
    """Whether the row is of the class that is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCounts:
    """Rows of one run by where their scores lie between the thresholds."""

    positive: list[int]
    """Positive rows per place: the first below the first threshold, then from each threshold on up to the next."""
    negative: list[int]
    """The others, in the same places."""
    missing: int
    """Rows left out, because they have no score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChanges:
    """Rows that one run calls right and another does not, per threshold."""

    gained: list[int]
    """Rows right with it and wrong with the baseline."""
    lost: list[int]
    """Rows wrong with it and right with the baseline."""


def make_thresholds(scores: Sequence[Floats], most: int = MOST_THRESHOLDS) -> Floats:
    """Return the thresholds of a grid for several runs, ascending: all different scores, or round numbers where there are too many.

    Args:
        scores: Of each run; NaN and infinite ones say nothing.
        most: Thresholds, about.

    Example:
        >>> import numpy as np
        >>> make_thresholds([np.array([0.25, 1.0]), np.array([0.25, 0.5])]).tolist()
        [0.25, 0.5, 1.0]
        >>> make_thresholds([np.linspace(0, 1, 5000)], most=5).tolist()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    import numpy as np

    whole = np.concatenate([each[np.isfinite(each)] for each in scores])
    if not len(whole):
        return np.empty(0, np.float64)
    distinct = np.unique(whole)
    if len(distinct) <= most:
        return distinct
    low, high = float(distinct[0]), float(distinct[-1])
    step, digits = _step(high - low, most)
    first = math.floor(low / step)
    count = math.ceil(high / step) - first + 1
    return np.unique(np.array([round((first + place) * step, digits) for place in range(count)]))


def _step(width: float, most: int) -> tuple[float, int]:
    """Return a round step that cuts a width into at most so many parts, and the digits after the point that it needs."""
    power = math.floor(math.log10(width / most))
    factor = next((each for each in (1, 2, 5) if each * 10.0**power * most >= width * (1 - 1e-9)), 10)
    return factor * 10.0**power, max(0, -power)


def count_scores(rows: ScoredRows, thresholds: Floats) -> ThresholdCounts:
    """Count rows between thresholds.

    Example:
        >>> import numpy as np
        >>> rows = ScoredRows(scores=np.array([0.1, 0.5, 0.9, np.nan]), positive=np.array([False, True, True, True]))
        >>> count_scores(rows, np.array([0.5, 0.8]))
        ThresholdCounts(positive=[0, 1, 1], negative=[1, 0, 0], missing=1)
    """
    import numpy as np

    known = ~np.isnan(rows.scores)
    places = np.searchsorted(thresholds, rows.scores[known], side="right")
    positive = rows.positive[known]
    size = len(thresholds) + 1
    return ThresholdCounts(
        positive=np.bincount(places[positive], minlength=size).tolist(),
        negative=np.bincount(places[~positive], minlength=size).tolist(),
        missing=int((~known).sum()),
    )


def count_changes(baseline: ScoredRows, other: ScoredRows, thresholds: Floats) -> ThresholdChanges:
    """Count, per threshold, rows on which two runs are not both right; the same rows in the same order, scored by both.

    A positive row changes between the two scores, a negative one too, the other way round: so each row adds to a stretch of thresholds.

    Example:
        >>> import numpy as np
        >>> truth = np.array([True, False])
        >>> base = ScoredRows(scores=np.array([0.4, 0.6]), positive=truth)
        >>> count_changes(base, ScoredRows(scores=np.array([0.7, 0.2]), positive=truth), np.array([0.3, 0.5, 0.65]))
        ThresholdChanges(gained=[1, 2, 1], lost=[0, 0, 0])
    """
    import numpy as np

    known = ~(np.isnan(baseline.scores) | np.isnan(other.scores))
    before = np.searchsorted(thresholds, baseline.scores[known], side="right")
    after = np.searchsorted(thresholds, other.scores[known], side="right")
    rises = after > before
    is_gain = rises == baseline.positive[known]
    low, high = np.minimum(before, after), np.maximum(before, after)
    size = len(thresholds) + 1

    def per_threshold(chosen: Mask) -> list[int]:
        steps = np.bincount(low[chosen], minlength=size) - np.bincount(high[chosen], minlength=size)
        return np.cumsum(steps)[:-1].tolist()

    moved = low != high
    return ThresholdChanges(gained=per_threshold(moved & is_gain), lost=per_threshold(moved & ~is_gain))
