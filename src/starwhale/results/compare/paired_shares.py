"""Two systems that are right or wrong on the same rows: McNemar's test, and an interval that agrees with it.

The declared procedure: the p is that of McNemar's exact test. The interval holds every difference that a score test does not reject
(Tango 1998: below 50 discordant rows, or where all but fewer than 50 rows are discordant the same way) or that lies within z standard
errors (else); with it those of the exact interval of one kind of discordant rows where the other kind hardly occurs; and 0 exactly when the exact test does not reject
it. So the interval has 0 outside if and only if p < 1 − confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from starwhale.results.compare.distributions import binomial_two_sided, normal_quantile
from starwhale.results.compare.intervals import exact_share

_SMALLEST = math.ulp(0.0)
FEW_DISCORDANT = 50
"""Below so many discordant rows, or rows that are not discordant in the more frequent way, the interval is Tango's: the normal one covers
as little as 63 % where one system is nearly always right alone."""
FEW_OTHERS = 5
"""Below so many discordant rows of the rarer kind Tango's interval is joined with the exact one of the other kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """How two systems did on the same rows."""

    both: int
    """Rows that both have right."""
    gained: int
    """Rows that only the candidate has right."""
    lost: int
    """Rows that only the baseline has right."""
    neither: int
    """Rows that both have wrong."""

    @property
    def n(self) -> int:
        """Rows in all."""
        return self.both + self.gained + self.lost + self.neither

    @property
    def discordant(self) -> int:
        """Rows on which the two differ: the only ones that say anything about which is better."""
        return self.gained + self.lost

    @property
    def delta(self) -> float:
        """Share of right rows of the candidate, minus that of the baseline; NaN without rows."""
        return (self.gained - self.lost) / self.n if self.n else math.nan

    @property
    def correlation(self) -> float:
        """Correlation ρ of the two, over rows; NaN where one of them is always right or always wrong."""
        ours, theirs = self.both + self.gained, self.both + self.lost
        spread = ours * (self.n - ours) * theirs * (self.n - theirs)
        return (self.both * self.n - ours * theirs) / math.sqrt(spread) if spread else math.nan

    @property
    def standard_error(self) -> float:
        """√(b + c − (b − c)²/n) / n, the standard error of the difference; NaN without rows."""
        changed = self.gained - self.lost
        return math.sqrt(self.discordant - changed * changed / self.n) / self.n if self.n else math.nan


def mcnemar(counts: PairedCounts) -> float:
    """Return the p of McNemar's exact test, two-sided: the smaller count of discordant rows against a fair coin, doubled, at most 1.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages".

    Example:
        >>> round(mcnemar(PairedCounts(both=306, gained=209, lost=152, neither=652)), 5)
        0.00315
    """
    return binomial_two_sided(counts.lost, counts.discordant)


def share_interval(counts: PairedCounts, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the difference of two paired shares, which agrees with `mcnemar`.

    Example:
        >>> low, high = share_interval(PairedCounts(both=306, gained=209, lost=152, neither=652))
        >>> round(low, 6), round(high, 6)
        (0.015078, 0.071351)
    """
    if not counts.n:
        return math.nan, math.nan
    z = normal_quantile((1 + confidence) / 2)
    if _is_few(counts):
        low, high = tango(counts, z)
        if min(counts.gained, counts.lost) < FEW_OTHERS:
            first, last = _exact_of_the_larger(counts, confidence)
            low, high = min(low, first), max(high, last)
    else:
        low, high = (counts.delta - z * counts.standard_error, counts.delta + z * counts.standard_error)
    if mcnemar(counts) >= 1 - confidence:
        return min(low, 0.0), max(high, 0.0)
    # Far out in the tails, beyond 99.9 %, the exact test may reject what the score test does not: 0 alone is then left out.
    if counts.delta > 0:
        return max(low, _SMALLEST), high
    return low, min(high, -_SMALLEST)


def share_method(counts: PairedCounts) -> str:
    """Name how `share_interval` makes the interval."""
    if not _is_few(counts):
        return "paired normal interval"
    is_joined = min(counts.gained, counts.lost) < FEW_OTHERS
    return "Tango's score interval joined with the exact one" if is_joined else "Tango's score interval"


def _exact_of_the_larger(counts: PairedCounts, confidence: float) -> tuple[float, float]:
    """Return the exact interval of the more frequent kind of discordant rows, less the share of the other kind.

    Where that other kind hardly occurs, the difference is one share, of which a score interval covers as little as 91 %.
    """
    larger, other = max(counts.gained, counts.lost), min(counts.gained, counts.lost)
    found = exact_share(larger, counts.n, confidence)
    low, high = found.low - other / counts.n, found.high - other / counts.n
    return (low, high) if counts.gained >= counts.lost else (-high, -low)


def _is_few(counts: PairedCounts) -> bool:
    """Whether too few rows differ, or too many the same way, for the normal approximation."""
    return min(counts.discordant, counts.n - max(counts.gained, counts.lost)) < FEW_DISCORDANT


def tango(counts: PairedCounts, z: float) -> tuple[float, float]:
    """Return Tango's score interval: the differences δ with |b − c − nδ| ≤ z·√(n(2q + δ(1 − δ))), q being the share of lost rows most likely under δ.

    It holds for few discordant rows, where the usual interval is too short or has no width at all.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design".

    Example:
        >>> low, high = tango(PairedCounts(both=43, gained=0, lost=1, neither=0), 1.959963984540054)
        >>> round(low, 4), round(high, 4)
        (-0.1181, 0.0594)
    """

    def score(delta: float) -> float:
        return _score(counts, delta)

    centre = counts.delta
    low = -1.0 if score(-1.0) <= z else _crossing(score, z, -1.0, centre)
    high = 1.0 if score(1.0) >= -z else _crossing(score, -z, centre, 1.0)
    return low, high


def _score(counts: PairedCounts, delta: float) -> float:
    """Return the score statistic of the difference δ: falling in δ, 0 at the observed one."""
    n, gained, lost = counts.n, counts.gained, counts.lost
    half = 2 * n - gained + lost
    b = -gained - lost + half * delta
    c = -lost * delta * (1 - delta)
    q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + delta * (1 - delta))
    distance = gained - lost - n * delta
    if variance <= 1e-12 * n:
        return 0.0 if abs(distance) < 1e-9 * n else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _crossing(score: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Return where a falling function takes a level, by halving."""
    for _ in range(80):
        middle = (low + high) / 2
        if score(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2
