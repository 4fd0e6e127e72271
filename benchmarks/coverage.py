"""How often each 95 % interval covers, and how often a true null is rejected: exactly where all outcomes can be listed, else simulated.

Every cell is judged by itself: an interval has to cover at least 94 %, or to be withheld with the reason; a test may reject a true null at
most 5.5 % of the time; interval and p never contradict each other. Exit 1 where a cell does not hold.

Usage: python benchmarks/coverage.py [repetitions of a simulated cell, 4000]
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import stats

from starwhale.results.compare.differences import compare_scores
from starwhale.results.compare.intervals import mean_interval, share_interval, wilson
from starwhale.results.compare.paired_shares import PairedCounts, mcnemar
from starwhale.results.compare.paired_shares import share_interval as paired_interval

COUNTS = (20, 50, 100, 1_000)
SHARES = (0.5, 0.9, 0.99)
NEGLIGIBLE = 1e-7
WANTED, MOST = 0.94, 0.055
GRADED = 10
"""Times the repetitions for graded scores: at 4,000, two cells of 12 showed 5.6 % by chance; at 400,000 all lie between 3.8 % and 5.1 %."""
LOPSIDED = [
    (0.03, 0.001),
    (0.03, 0.01),
    (0.15, 0.05),
    (0.5, 0.02),
    (0.4, 0.05),
    (0.1, 0.001),
    (0.8, 0.1),
    (0.95, 0.001),
    (0.99, 0.001),
]


class Cells:
    """Prints a cell per line, and counts those that do not hold."""

    def __init__(self, repetitions: int) -> None:
        self.broken = 0
        # A simulated share lies this far from the true one now and then (3 standard errors).
        self.noise = 3 * math.sqrt(0.05 * 0.95 / repetitions)

    def add(self, name: str, covers: float, rejects: float = 0.0, *, simulated: bool = False, other: str = "") -> None:
        """Judge a cell; a `covers` that is NaN stands for an interval that was withheld."""
        slack = self.noise if simulated else 0.0
        holds = not covers < WANTED - slack and rejects <= MOST + slack
        self.broken += not holds
        told = "  none" if math.isnan(covers) else f"{covers:6.4f}"
        print(
            f"{name:<58}{told}  {f'{rejects:6.4f}' if rejects else '      '}  {other}{'' if holds else '  BROKEN'}",
            flush=True,
        )


def main() -> None:
    """Print one line per cell."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    cells = Cells(repetitions)
    print(f"{'one share (exact)':<58}covers                Wilson's alone")
    for count, share in itertools.product(COUNTS, SHARES):
        alone = f"{one_share(count, share, wilson):6.4f}"
        cells.add(f"n {count:<5} p {share}", one_share(count, share, share_interval), other=f"        {alone}")
    print(f"\n{'two shares on the same rows (exact)':<58}covers  p < .05")
    for count, share, alike in itertools.product(COUNTS, SHARES, (0.0, 0.5, 0.9)):
        each = share * (1 - share) * (1 - alike)
        cells.add(f"n {count:<5} p {share} both, correlation {alike}", *two_shares(count, each, each))
    for count, (gained, lost) in itertools.product(COUNTS, LOPSIDED):
        covers, _ = two_shares(count, gained, lost)
        cells.add(f"n {count:<5} only one right {gained}, only the other {lost}", covers)
    print(f"\n{f'one share in clusters ({repetitions:,} repetitions)':<58}covers")
    for count, share, size, alike in itertools.product(COUNTS, SHARES, (2, 5), (0.1, 0.5, 1.0)):
        name = f"n {count:<5} p {share:<5} clusters of {size}, correlation {alike}"
        cells.add(name, in_clusters(count, share, size, alike, repetitions), simulated=True)
    print(f"\n{f'two shares in clusters ({repetitions:,} repetitions)':<58}covers  p < .05")
    for count, share, size in itertools.product(COUNTS, SHARES, (2, 5)):
        name = f"n {count:<5} p {share:<5} both, clusters of {size}, correlation 0.5"
        cells.add(name, *paired_in_clusters(count, share, size, repetitions), simulated=True)
    many = GRADED * repetitions
    finer = Cells(many)
    print(f"\n{f'graded scores on the same rows ({many:,} repetitions)':<58}covers  p < .05")
    for count, kind in itertools.product(COUNTS, ("normal", "uniform", "lognormal")):
        finer.add(f"n {count:<5} {kind}", *graded(count, kind, many), simulated=True)
    cells.broken += finer.broken
    print(f"\n{cells.broken} cells do not hold" if cells.broken else "\nevery cell holds")
    sys.exit(1 if cells.broken else 0)


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
        rest = stats.binom.pmf(np.arange(count - ours + 1), count - ours, min(lost / (1 - gained), 1.0)) * first
        for theirs in np.flatnonzero(rest > NEGLIGIBLE).tolist():
            yield ours, theirs, float(rest[theirs])


@cache
def judged(count: int, ours: int, theirs: int) -> tuple[float, float, float]:
    """Return interval and p of two counts of discordant rows."""
    counts = PairedCounts(both=count - ours - theirs, gained=ours, lost=theirs, neither=0)
    return (*paired_interval(counts), mcnemar(counts))


def in_clusters(count: int, share: float, size: int, alike: float, repetitions: int) -> float:
    """Return the simulated coverage of the interval of a share of rows that come in clusters; NaN where it is withheld."""
    rng = np.random.default_rng(count * 100 + size)
    groups, covered = count // size, 0
    numbers = np.repeat(np.arange(groups), size)
    for _ in range(repetitions):
        right = (rng.random((groups, size)) < alike_shares(rng, share, alike, groups)[:, None]).astype(float).ravel()
        found = mean_interval(right, clusters=numbers)
        if not found.is_known:
            assert "too few clusters" in found.method
            return math.nan
        covered += found.low <= share <= found.high
    return covered / repetitions


def alike_shares(rng: np.random.Generator, share: float, alike: float, groups: int) -> np.ndarray:
    """Draw the own share of each cluster, so that rows of one cluster correlate so much."""
    if alike == 1:
        return (rng.random(groups) < share).astype(float)
    spread = (1 - alike) / alike
    return rng.beta(share * spread, (1 - share) * spread, groups)


def paired_in_clusters(count: int, share: float, size: int, repetitions: int) -> tuple[float, float]:
    """Return coverage and rejections of the difference of two systems that are equally good, on rows in clusters."""
    rng = np.random.default_rng(count * 100 + size + 1)
    groups, covered, rejected = count // size, 0, 0
    numbers = np.repeat(np.arange(groups), size)
    for _ in range(repetitions):
        ours, theirs = (
            (rng.random((groups, size)) < alike_shares(rng, share, 0.5, groups)[:, None]).astype(float).ravel()
            for _ in range(2)
        )
        found = compare_scores(ours, theirs, clusters=numbers)
        if math.isnan(found.low):
            if "too few" in found.interval:
                return math.nan, 0.0
            covered += 1  # withheld for this sample alone, and said
            continue
        covered += found.low <= 0 <= found.high
        rejected += found.p < 0.05
    return covered / repetitions, rejected / repetitions


def graded(count: int, kind: str, repetitions: int) -> tuple[float, float]:
    """Return coverage and rejections of the difference of two systems that are equally good, with scores that are no shares."""
    rng = np.random.default_rng(count)
    draw = {"normal": rng.normal, "uniform": rng.random, "lognormal": lambda size: rng.lognormal(0, 1, size)}[kind]
    covered = rejected = 0
    for _ in range(repetitions):
        hard = draw(size=count)
        found = compare_scores(hard + draw(size=count), hard + draw(size=count))
        covered += found.low <= 0 <= found.high
        rejected += found.p < 0.05
    return covered / repetitions, rejected / repetitions


if __name__ == "__main__":
    main()
