"""The difference of two systems on the same rows: how large, how sure, by which test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.distributions import student_quantile, student_two_sided
from starwhale.results.compare.intervals import FEW_CLUSTERS, cluster_numbers, clustered_error
from starwhale.results.compare.paired_shares import PairedCounts, mcnemar, share_interval, share_method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]


_ROUNDINGS = 8
"""Units in the last place by which scores differ that were computed in another way."""
_SAME = ("every row has the same", "every row differs by the same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A candidate minus the baseline on the rows that both have; positive where the candidate has more."""

    delta: float
    """The difference."""
    standard_error: float
    """Its standard error; NaN where it cannot be estimated."""
    low: float
    """Lower end of the interval, which leaves 0 out exactly when p < 1 − confidence; NaN where none can be given."""
    high: float
    """Upper end of the interval."""
    p: float
    """Chance of a difference as large as this if there were none; NaN where there is no test."""
    test: str
    """Name of the test."""
    interval: str
    """How the interval was made, or why there is none."""
    n: int
    """Rows that both have."""
    wins: int
    """Rows on which the candidate has more."""
    losses: int
    """Rows on which the baseline has more."""
    correlation: float = math.nan
    """Correlation ρ of the two over rows: what pairing saves; NaN where one of them never changes."""
    clusters: int | None = None
    """Groups of rows that are alike, where some were named."""

    @property
    def ties(self) -> int:
        """Rows on which both have the same."""
        return self.n - self.wins - self.losses

    @property
    def effect(self) -> float:
        """Cohen's d of paired rows: the difference in standard deviations of a row's difference; NaN where these are unknown.

        Source: Cohen 1988, "Statistical power analysis for the behavioral sciences", d_z.
        """
        spread = self.standard_error * math.sqrt(self.n)
        return self.delta / spread if spread and math.isfinite(spread) else math.nan


def compare_scores(
    candidate: Any, baseline: Any, *, confidence: float = 0.95, clusters: Any = None
) -> Difference:  # Any: array-likes
    """Compare the mean scores of two systems on the same rows.

    Scores that are 0 and 1: McNemar's exact test. Other scores: the paired t test. With clusters: the paired t test over clusters, with
    C − 1 degrees of freedom.

    Args:
        candidate: Scores, shape (n,), without NaN.
        baseline: Scores of the same rows in the same order.
        confidence: Of the interval, in (0, 1).
        clusters: What each row belongs to, shape (n,), any values; None where rows are independent.

    Example:
        >>> found = compare_scores([1, 1, 0, 1], [0, 1, 0, 0])
        >>> found.delta, found.wins, found.losses, found.test, round(found.p, 6)
        (0.5, 2, 0, "McNemar's exact test", 0.5)
    """
    import numpy as np

    ours, theirs = np.asarray(candidate, np.float64), np.asarray(baseline, np.float64)
    if clusters is None and ours.size and _is_binary(ours) and _is_binary(theirs):
        return _shares(count_pairs(ours > 0, theirs > 0), confidence)
    return compare_means(ours, theirs, None if clusters is None else cluster_numbers(clusters), confidence)


def count_pairs(candidate: Any, baseline: Any) -> PairedCounts:  # Any: arrays of truth values
    """Count the rows that both, one or none have right."""
    both = int((candidate & baseline).sum())
    gained, lost = int((candidate & ~baseline).sum()), int((baseline & ~candidate).sum())
    return PairedCounts(both=both, gained=gained, lost=lost, neither=candidate.size - both - gained - lost)


def _is_binary(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _shares(counts: PairedCounts, confidence: float) -> Difference:
    low, high = share_interval(counts, confidence)
    return Difference(
        delta=counts.delta,
        standard_error=counts.standard_error,
        low=low,
        high=high,
        p=mcnemar(counts),
        test="McNemar's exact test",
        interval=share_method(counts),
        n=counts.n,
        wins=counts.gained,
        losses=counts.lost,
        correlation=counts.correlation,
    )


def compare_means(ours: Floats, theirs: Floats, clusters: Integers | None, confidence: float) -> Difference:
    """Compare the means of two columns over the same rows with the paired t test.

    Args:
        ours: Scores of the candidate, shape (n,).
        theirs: Scores of the baseline, shape (n,), same rows in the same order.
        clusters: Numbers of what is alike, shape (n,), from 0 without gaps; None where rows are independent. Errors are over clusters then.
        confidence: Of the interval, in (0, 1).

    Returns:
        `ours` minus `theirs`, with its interval and p; NaN where there are too few rows to say.
    """
    import numpy as np

    differences, rounding = _subtracted(ours, theirs)
    n = differences.size
    groups = n if clusters is None else int(clusters.max()) + 1 if n else 0
    kind = "paired t test" if clusters is None else "paired t test over clusters"
    delta = float(differences.mean()) if n else math.nan
    error = math.nan
    if n > 1:
        error = (
            float(differences.std(ddof=1)) / math.sqrt(n)
            if clusters is None
            else clustered_error(differences, clusters)
        )
        error = error if float(np.ptp(differences)) > rounding else 0.0
    why, half, p = _t_interval(delta, error, groups, confidence, is_clustered=clusters is not None)
    if delta and error == 0 and not math.isnan(p):  # the t test has no error to divide by
        kind = "exact sign test" if clusters is None else "exact sign test over clusters"
    spread = float(ours.std()) * float(theirs.std()) if n else 0.0
    together = float(((ours - ours.mean()) * (theirs - theirs.mean())).mean()) if n else math.nan
    return Difference(
        delta=delta,
        standard_error=error,
        low=delta - half,
        high=delta + half,
        p=p,
        test=kind,
        interval=why or (_SAME[bool(delta)] if error == 0 else f"{kind.replace(' test', '')} interval"),
        n=n,
        wins=int(np.count_nonzero(differences > 0)),
        losses=int(np.count_nonzero(differences < 0)),
        correlation=together / spread if spread else math.nan,
        clusters=None if clusters is None else groups,
    )


def _subtracted(ours: Floats, theirs: Floats) -> tuple[Floats, float]:
    """Return the difference of each row, 0 where it is a rounding of the two scores, and how far apart two that are equal may be."""
    import numpy as np

    differences = ours - theirs
    rounding = _ROUNDINGS * np.finfo(np.float64).eps * np.maximum(abs(ours), abs(theirs))
    return np.where(abs(differences) <= rounding, 0.0, differences), float(rounding.max()) if ours.size else 0.0


def _t_interval(
    delta: float, error: float, groups: int, confidence: float, *, is_clustered: bool
) -> tuple[str, float, float]:
    """Return why there is no interval (or nothing), the interval's half width, and p."""
    if is_clustered and groups < FEW_CLUSTERS:
        return f"too few clusters for an interval: {groups}", math.nan, math.nan
    if groups < 2:
        return "too few rows for an interval", math.nan, math.nan
    if not error:
        return _constant(delta, groups, confidence)
    half = student_quantile((1 + confidence) / 2, groups - 1) * error
    return "", half, student_two_sided(delta / error, groups - 1)


def _constant(delta: float, groups: int, confidence: float) -> tuple[str, float, float]:
    """Return the same for rows that all differ by the same: the exact sign test.

    If neither were better, each row (or cluster) would favour one or the other with equal chance, and all of them one with 2·2⁻ⁿ: six rows tell. The
    interval is then that difference alone, and there is none where the test does not say.

    Source: Dixon & Mood 1946, "The statistical sign test".
    """
    if not delta:
        return "", 0.0, 1.0
    p = 2.0 ** (1 - groups)
    return ("", 0.0, p) if p < 1 - confidence else ("every row differs by the same, and they are too few", math.nan, p)
