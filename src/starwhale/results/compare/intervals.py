"""How sure a figure is: standard errors and intervals of means and shares, also of rows that come in clusters.

Source: E. Miller, "Adding Error Bars to Evals", arXiv 2411.00640 (2024), where nothing else is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError
from starwhale.results.compare.distributions import beta_quantile, normal_quantile, student_quantile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

FEW = 30
"""With fewer rows of either kind the interval of a share is the exact one: Wilson's covers as little as 91 % there."""
FEW_TOUCHED = 10
"""With wrong (or right) rows in fewer clusters, each cluster counts as one example."""
FEW_CLUSTERS = 20
"""With fewer clusters no interval is given: its error could not be estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with what is known of its error."""

    value: float
    """The estimate."""
    standard_error: float
    """Its standard error; NaN where it cannot be estimated."""
    low: float
    """Lower end of the interval; NaN where none can be given."""
    high: float
    """Upper end of the interval; NaN where none can be given."""
    count: int
    """Examples."""
    method: str
    """How the interval was made, or why there is none."""
    clusters: int | None = None
    """Groups of examples that are alike, where some were named."""
    design_effect: float = 1.0
    """How many times the variance is that of independent examples."""

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


def standard_error(scores: Sequence[float]) -> float:
    """Compute √(Σ(sᵢ − s̄)² / (n(n − 1))); NaN for fewer than two scores.

    Example:
        >>> round(standard_error([1, 2, 3, 4]), 6)
        0.645497
    """
    n = len(scores)
    if n < 2:
        return math.nan
    mean = math.fsum(scores) / n
    return math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n * (n - 1)))


def proportion_error(successes: float, count: float) -> float:
    """Compute √(p(1 − p)/n), the standard error of a share; NaN without examples.

    Example:
        >>> proportion_error(50, 100)
        0.05
    """
    share = successes / count if count else math.nan
    return math.sqrt(share * (1 - share) / count) if count else math.nan


def wilson(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Compute the Wilson score interval of a share.

    Centre (p + z²/2n)/(1 + z²/n), half-width z·√(p(1−p)/n + z²/4n²)/(1 + z²/n).

    Raises:
        UsageError: The counts are impossible.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> found = wilson(95, 100)
        >>> round(found.low, 4), round(found.high, 4)
        (0.8882, 0.9785)
    """
    _check_counts(successes, count, confidence)
    low, high = _wilson_ends(successes / count, count, normal_quantile((1 + confidence) / 2))
    return Interval(
        value=successes / count,
        standard_error=proportion_error(successes, count),
        low=0.0 if successes == 0 else low,
        high=1.0 if successes == count else high,
        count=count,
        method=f"Wilson {confidence:.0%}",
    )


def exact_share(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Compute the exact interval of a share: the shares that neither one-sided binomial test rejects. It never covers too little.

    Raises:
        UsageError: The counts are impossible.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".

    Example:
        >>> found = exact_share(20, 20)
        >>> round(found.low, 4), found.high
        (0.8316, 1.0)
    """
    _check_counts(successes, count, confidence)
    low, high = _exact_ends(successes, count, confidence)
    return Interval(
        value=successes / count,
        standard_error=proportion_error(successes, count),
        low=low,
        high=high,
        count=count,
        method=f"exact (Clopper–Pearson) {confidence:.0%}",
    )


def share_interval(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Compute the interval of a share: Wilson's, and the exact one where fewer than `FEW` rows are right, or wrong.

    Example:
        >>> share_interval(900, 1000).method, share_interval(99, 100).method
        ('Wilson 95%', 'exact (Clopper–Pearson) 95%')
    """
    is_rare = min(successes, count - successes) < FEW
    return (exact_share if is_rare else wilson)(successes, count, confidence)


def mean_interval(
    scores: Any, confidence: float = 0.95, clusters: Any = None, *, may_be_share: bool = True
) -> Interval:  # Any: array-likes
    """Compute the mean of scores with s̄ ± t·SE, or of scores that are 0 and 1 with the interval of a share.

    With clusters, SE² = C/(C − 1)·(1/n²)·Σ_c(Σ_{i∈c}(sᵢ − s̄))² with C − 1 degrees of freedom; shares take the exact
    interval with n divided by the design effect (Korn & Graubard 1998).

    Args:
        scores: Shape (n,), without NaN.
        confidence: Of the interval, in (0, 1).
        clusters: What each score belongs to, shape (n,), any values; None where scores are independent.
        may_be_share: Whether scores that are all 0 and 1 are right and wrong; of errors that happen to be so they are not.

    Returns:
        The mean; without an interval where there are too few scores or clusters for one, and the method says so.

    Example:
        >>> found = mean_interval([1.0, 2.0, 3.0, 4.0])
        >>> found.value, round(found.low, 4), round(found.high, 4)
        (2.5, 0.4457, 4.5543)
    """
    import numpy as np

    values = np.asarray(scores, np.float64)
    is_share = may_be_share and bool(((values == 0) | (values == 1)).all()) and values.size > 0
    if clusters is not None:
        return _clustered(values, cluster_numbers(clusters), confidence, is_share=is_share)
    if is_share:
        return share_interval(int(values.sum()), values.size, confidence)
    if values.size < 2:
        return _unknown(values, "too few rows for an interval")
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    half = student_quantile((1 + confidence) / 2, values.size - 1) * error
    return _around(values, error, half, method=f"Student's t {confidence:.0%}")


def cluster_numbers(clusters: Any) -> Integers:  # Any: an array-like of any values
    """Number clusters from 0 in the order in which they first occur.

    Example:
        >>> cluster_numbers(["b", "a", "b"]).tolist()
        [0, 1, 0]
    """
    import numpy as np

    numbers: dict[Any, int] = {}
    listed = clusters.tolist() if hasattr(clusters, "tolist") else clusters
    return np.fromiter((numbers.setdefault(each, len(numbers)) for each in listed), np.int64)


def clustered_error(values: Floats, clusters: Integers) -> float:
    """Compute the standard error of a mean of clustered values: √(C/(C − 1)·Σ_c(Σ_{i∈c}(sᵢ − s̄))²) / n; NaN for one cluster."""
    import numpy as np

    sums = np.bincount(clusters, weights=values - values.mean())
    if sums.size < 2:
        return math.nan
    return math.sqrt(float((sums * sums).sum()) * sums.size / (sums.size - 1)) / values.size


def _clustered(values: Floats, clusters: Integers, confidence: float, *, is_share: bool) -> Interval:
    groups = int(clusters.max()) + 1 if clusters.size else 0
    if groups < FEW_CLUSTERS:
        return _unknown(values, f"too few clusters for an interval: {groups}", clusters=groups)
    error = clustered_error(values, clusters)
    naive = float(values.std(ddof=1)) / math.sqrt(values.size)
    effect = (error / naive) ** 2 if naive else values.size / groups
    if not is_share:
        half = student_quantile((1 + confidence) / 2, groups - 1) * error
        return _around(
            values, error, half, method=f"Student's t over clusters {confidence:.0%}", clusters=groups, effect=effect
        )
    share = float(values.mean())
    count = max(min(values.size / max(effect, 1.0), values.size), 1.0)
    if min(_touched(values, clusters), _touched(1 - values, clusters)) < FEW_TOUCHED:
        count = min(count, groups)  # too few to see how alike the rows of a cluster are: taken as quite alike
    t = student_quantile((1 + confidence) / 2, groups - 1)
    count *= (normal_quantile((1 + confidence) / 2) / t) ** 2
    low, high = _exact_ends(share * count, count, confidence)
    return Interval(
        value=share,
        standard_error=error,
        low=low,
        high=high,
        count=values.size,
        method=f"exact (Korn–Graubard) over clusters {confidence:.0%}",
        clusters=groups,
        design_effect=effect,
    )


def _touched(values: Floats, clusters: Integers) -> int:
    """Count the clusters in which something is not 0."""
    import numpy as np

    return int((np.bincount(clusters, weights=values) > 0).sum())


def _around(
    values: Floats, error: float, half: float, *, method: str, clusters: int | None = None, effect: float = 1.0
) -> Interval:
    mean = float(values.mean())
    return Interval(
        value=mean,
        standard_error=error,
        low=mean - half,
        high=mean + half,
        count=values.size,
        method=method,
        clusters=clusters,
        design_effect=effect,
    )


def _unknown(values: Floats, why: str, clusters: int | None = None) -> Interval:
    mean = float(values.mean()) if values.size else math.nan
    nan = math.nan
    return Interval(value=mean, standard_error=nan, low=nan, high=nan, count=values.size, method=why, clusters=clusters)


def _wilson_ends(share: float, count: float, z: float) -> tuple[float, float]:
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def _exact_ends(successes: float, count: float, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else beta_quantile(tail, successes, count - successes + 1)
    high = 1.0 if successes >= count else beta_quantile(1 - tail, successes + 1, count - successes)
    return low, high


def _check_counts(successes: int, count: int, confidence: float) -> None:
    if not 0 <= successes <= count or count < 1 or not 0 < confidence < 1:
        raise UsageError(
            f"{successes} of {count} at confidence {confidence} is no share",
            hint="give 0 ≤ successes ≤ count, count ≥ 1",
        )
