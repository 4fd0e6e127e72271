"""Range, mean, deviation and histogram of numbers, batch by batch. Integers of 64 bits never pass through floats."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from typing import Any

import pyarrow as pa

from starwhale.datasets.statistics.counting import ValueCounts
from starwhale.datasets.statistics.facts import Histogram, Number, Numbers

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time

BINS = 20
"""Bins of a histogram, at most."""
_HALF = 2**63
_LOW_BITS = 2**32 - 1


class NumberSums:
    """Gathers finite numbers, all int64 or all double.

    The first pass takes all; where there are more different values than are counted exactly, `needs_bins` asks for a second one.

    Args:
        counts: Counts the values; one of its own by default.
    """

    def __init__(self, counts: ValueCounts | None = None) -> None:
        self.counts = counts or ValueCounts()
        """How often each number occurs."""
        self.total = 0
        """Sum of integers; that of floats is not kept."""
        self._low: Any = None
        self._high: Any = None
        self._means: list[tuple[int, float]] = []
        self._mean: Number | Fraction = 0
        self._squares = 0.0
        self._count = 0
        self._edges: tuple[Number, ...] = ()
        self._below: list[int] = []

    def add(self, values: Any) -> None:
        """Take in an Arrow array without missing or infinite values."""
        if not len(values):
            return
        limits = compute.min_max(values)
        low, high = limits["min"].as_py(), limits["max"].as_py()
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)
        self.counts.add(values)
        if pa.types.is_integer(values.type):
            self._add_integers(values, low, high)
        else:
            self._add_floats(values)

    def needs_bins(self) -> bool:
        """Whether `add_to_bins` must see all numbers again; to be asked when the first pass is over."""
        if self._low is None or self.counts.is_exact:
            return False
        self._edges = edges_of(self._low, self._high)
        self._below = [0] * (len(self._edges) - 2)
        return True

    def add_to_bins(self, values: Any) -> None:
        """Take in an Arrow array of the second pass."""
        for place, edge in enumerate(self._edges[1:-1]):
            self._below[place] += compute.sum(compute.less(values, pa.scalar(edge, values.type))).as_py() or 0

    def numbers(self) -> Numbers | None:
        """Return what was gathered; None without a number."""
        if self._low is None:
            return None
        return Numbers(
            minimum=self._low,
            maximum=self._high,
            mean=self._whole_mean(),
            std=math.sqrt(self._squares / self._count),
            histogram=self._histogram(),
        )

    def _add_integers(self, values: Any, low: int, high: int) -> None:
        count, total = len(values), sum_integers(values, low, high)
        self.total += total
        if high - low < _HALF:  # offsets fit, and keep the last digits of large numbers that a float has no room for
            offsets = compute.subtract(values, pa.scalar(low, values.type)).cast(pa.float64(), safe=False)
            middle = float(Fraction(total - count * low, count))
        else:
            offsets, middle = values.cast(pa.float64(), safe=False), total / count
        self._add_spread(count, Fraction(total, count), _squares(offsets, middle))

    def _add_floats(self, values: Any) -> None:
        count, total = len(values), compute.sum(values).as_py()
        mean = total / count
        if not math.isfinite(mean):
            mean = compute.sum(compute.divide(values, float(count))).as_py()
        self._means.append((count, mean))
        self._add_spread(count, mean, _squares(values, mean))

    def _add_spread(self, count: int, mean: float | Fraction, squares: float) -> None:
        """Add the squared differences of a batch to its mean.

        Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
        """
        if not self._count:
            self._count, self._mean, self._squares = count, mean, squares
            return
        whole = self._count + count
        before: Any = self._mean
        difference = float(mean - before)
        self._squares += squares + difference * difference * (self._count / whole) * count
        if isinstance(mean, Fraction):
            self._mean = (before * self._count + mean * count) / whole
        else:
            self._mean = before * (self._count / whole) + mean * (count / whole)
        self._count = whole

    def _whole_mean(self) -> float:
        if not self._means:
            return self.total / self._count
        mean = math.fsum(each * (count / self._count) for count, each in self._means)
        return min(max(mean, self._low), self._high)

    def _histogram(self) -> Histogram:
        if not self._edges:
            self._edges = edges_of(self._low, self._high)
            held = self.counts.exact()
            values, counts = held or (pa.nulls(0, pa.int64()), pa.nulls(0, pa.int64()))
            self._below = [
                compute.sum(counts.filter(compute.less(values, pa.scalar(edge, values.type)))).as_py() or 0
                for edge in self._edges[1:-1]
            ]
        bounds = [0, *self._below, self._count]
        return Histogram(edges=self._edges, counts=tuple(after - before for before, after in pairwise(bounds)))


def edges_of(low: Number, high: Number) -> tuple[Number, ...]:
    """Return the limits of the bins over a range; those of integers are integers, and the last one is above the range.

    Example:
        >>> edges_of(0, 3)
        (0, 1, 2, 3, 4)
        >>> edges_of(0, 99)[-3:]
        (90, 95, 100)
        >>> edges_of(0.5, 0.5)
        (0.5, 0.5)
    """
    if isinstance(low, int) and isinstance(high, int):
        width = -(-(high - low + 1) // BINS)
        bins = -(-(high - low + 1) // width)
        return tuple(low + place * width for place in range(bins + 1))
    if low == high:
        return low, high
    steps = [place / BINS for place in range(1, BINS)]
    span = high - low
    inner = [low + span * step if math.isfinite(span) else low * (1 - step) + high * step for step in steps]
    kept = [low]
    for edge in inner:
        if kept[-1] < edge < high:  # a range of a few floats has fewer bins
            kept.append(edge)
    return (*kept, high)


def sum_integers(values: Any, low: int, high: int) -> int:
    """Add up an int64 array exactly; Arrow's own sum wraps around.

    Args:
        values: Without missing ones, fewer than 2**31.
        low: The smallest of them.
        high: The largest.
    """
    if max(abs(low), abs(high)) * len(values) < _HALF:
        return compute.sum(values).as_py()
    upper = compute.sum(compute.shift_right(values, 32)).as_py()
    return upper * 2**32 + compute.sum(compute.bit_wise_and(values, _LOW_BITS)).as_py()


def _squares(values: Any, middle: float) -> float:
    away = compute.subtract(values, middle)
    return compute.sum(compute.multiply(away, away)).as_py()


__all__ = ["BINS", "NumberSums", "edges_of", "sum_integers"]
