"""How often each 95 % interval covers, and how often a true null is rejected: exactly where all outcomes can be listed, else simulated.

Usage: python benchmarks/coverage.py [repetitions of the simulations, 1000]
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import stats

from starwhale.results.compare.intervals import mean_interval, share_interval, wilson
from starwhale.results.compare.paired_shares import PairedCounts, mcnemar
from starwhale.results.compare.paired_shares import share_interval as paired_interval

COUNTS = (20, 50, 100, 1_000)
SHARES = (0.5, 0.9, 0.99)
NEGLIGIBLE = 1e-7


def main() -> None:
    """Print one line per cell."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(f"{'one share':<44}{'ours':>8}{'Wilson':>8}")
    for count, share in itertools.product(COUNTS, SHARES):
        print(
            f"n {count:<6} p {share:<33}{one_share(count, share, share_interval):>8.4f}{one_share(count, share, wilson):>8.4f}"
        )
    print(f"\n{'two shares on the same rows':<44}{'covers':>8}{'p < .05':>8}")
    for count, (gained, lost) in itertools.product(
        COUNTS[:3], [(0.05, 0.05), (0.25, 0.25), (0.01, 0.01), (0.15, 0.05), (0.3, 0.1), (0.4, 0.05), (0.1, 0.001)]
    ):
        covers, rejects = two_shares(count, gained, lost)
        print(f"n {count:<6} only B right {gained:<7} only A right {lost:<9}{covers:>8.4f}{rejects:>8.4f}")
    print(f"\n{f'one share in clusters, {repetitions} repetitions':<44}{'covers':>8}")
    for count, share, size, alike in itertools.product(COUNTS[2:], SHARES, (2, 5), (0.1, 0.5, 1.0)):
        covers = in_clusters(count, share, size, alike, repetitions)
        print(f"n {count:<6} p {share:<6} clusters of {size}, correlation {alike:<5}{covers:>8.4f}")


def one_share(count: int, share: float, interval: object) -> float:
    """Return the exact coverage of an interval of one share."""
    covered = 0.0
    for successes in range(count + 1):
        chance = float(stats.binom.pmf(successes, count, share))
        if chance > NEGLIGIBLE:
            found = interval(successes, count)  # type: ignore[operator]
            covered += chance * (found.low <= share <= found.high)
    return covered


def two_shares(count: int, gained: float, lost: float) -> tuple[float, float]:
    """Return the exact coverage of the interval of a difference, and how often its p is below 0.05."""
    covers = rejects = total = 0.0
    for ours, theirs, chance in outcomes(count, gained, lost):
        low, high, p = judged(count, ours, theirs)
        assert (p < 0.05) == (low > 0 or high < 0)
        total += chance
        covers += chance * (low <= gained - lost <= high)
        rejects += chance * (p < 0.05)
    return covers / total, rejects / total


def outcomes(count: int, gained: float, lost: float) -> Iterator[tuple[int, int, float]]:
    """Yield the counts of discordant rows that may come, each with its chance."""
    for ours in range(count + 1):
        first = float(stats.binom.pmf(ours, count, gained))
        if first < NEGLIGIBLE:
            continue
        for theirs in range(count - ours + 1):
            chance = first * float(stats.binom.pmf(theirs, count - ours, lost / (1 - gained)))
            if chance > NEGLIGIBLE:
                yield ours, theirs, chance


@cache
def judged(count: int, ours: int, theirs: int) -> tuple[float, float, float]:
    """Return interval and p of two counts of discordant rows."""
    counts = PairedCounts(both=count - ours - theirs, gained=ours, lost=theirs, neither=0)
    return (*paired_interval(counts), mcnemar(counts))


def in_clusters(count: int, share: float, size: int, alike: float, repetitions: int) -> float:
    """Return the simulated coverage of the interval of a share of rows that come in clusters."""
    rng = np.random.default_rng(count * 100 + size)
    groups, covered = count // size, 0
    for _ in range(repetitions):
        if alike == 1:
            own = (rng.random(groups) < share).astype(float)
        else:
            spread = (1 - alike) / alike
            own = rng.beta(share * spread, (1 - share) * spread, groups)
        right = (rng.random((groups, size)) < own[:, None]).astype(float).ravel()
        found = mean_interval(right, clusters=np.repeat(np.arange(groups), size))
        covered += found.low <= share <= found.high
    return covered / repetitions


if __name__ == "__main__":
    main()
