"""How sure a figure is: standard errors and 95 % intervals, in plain Python.

Source: E. Miller, "Adding Error Bars to Evals", arXiv 2411.00640 (2024); Wilson 1927 for proportions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from starwhale.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with what is known of its error."""

    value: float
    """The estimate."""
    standard_error: float
    """Its standard error."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    count: int
    """Examples."""
    method: str
    """How the interval was made."""


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


def proportion_error(successes: int, count: int) -> float:
    """Compute √(p(1 − p)/n), the standard error of a share; NaN without examples.

    Example:
        >>> proportion_error(50, 100)
        0.05
    """
    share = successes / count if count else math.nan
    return math.sqrt(share * (1 - share) / count) if count else math.nan


def wilson(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Compute the Wilson score interval of a share, which holds near 0 and 1 and for few examples too.

    Centre (p + z²/2n)/(1 + z²/n), half-width z·√(p(1−p)/n + z²/4n²)/(1 + z²/n).

    Raises:
        UsageError: The counts are impossible.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Example:
        >>> found = wilson(95, 100)
        >>> round(found.low, 4), round(found.high, 4)
        (0.8882, 0.9785)
    """
    if not 0 <= successes <= count or count < 1 or not 0 < confidence < 1:
        raise UsageError(
            f"{successes} of {count} at confidence {confidence} is no share",
            hint="give 0 ≤ successes ≤ count, count ≥ 1",
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / count
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return Interval(
        value=share,
        standard_error=proportion_error(successes, count),
        low=low,
        high=high,
        count=count,
        method=f"Wilson {confidence:.0%}",
    )
