"""Sums, bins and counts against NumPy and Python's own, over random batches."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from starwhale.datasets.statistics.counting import Sketch, ValueCounts, hash_values
from starwhale.datasets.statistics.numbers import NumberSums, edges_of

INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def gathered(batches: list[list[Any]], kind: Any, *, exact_values: int = 1 << 20) -> NumberSums:
    sums = NumberSums(ValueCounts(exact_values=exact_values))
    arrays = [pa.array(batch, kind) for batch in batches]
    for array in arrays:
        sums.add(array)
    if sums.needs_bins():
        for array in arrays:
            sums.add_to_bins(array)
    return sums


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(INT64, max_size=20), max_size=6), st.booleans())
@example([[2**63 - 1, 2**63 - 2], [2**63 - 1]], False)
@example([[-(2**63)] * 5, [2**63 - 1] * 5], True)
def test_integers_of_64_bits_never_pass_through_floats(batches: list[list[int]], two_passes: bool) -> None:
    sums = gathered(batches, pa.int64(), exact_values=0 if two_passes else 1 << 20)
    values = [value for batch in batches for value in batch]
    found = sums.numbers()
    if not values:
        assert found is None
        return
    assert found is not None
    assert (found.minimum, found.maximum, sums.total) == (min(values), max(values), sum(values))
    assert found.mean == float(Fraction(sum(values), len(values)))
    assert math.isclose(found.std, math.sqrt(statistics.pvariance(map(Fraction, values))), rel_tol=1e-9)
    edges = [int(edge) for edge in found.histogram.edges]
    assert len({after - before for before, after in pairwise(edges)}) == 1, "bins have one width"
    counts = [sum(low <= value < high for value in values) for low, high in pairwise(edges)]
    assert list(found.histogram.counts) == counts
    assert sum(counts) == len(values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(FINITE, max_size=20), max_size=6), st.booleans())
@example([[-1.7e308, 1.7e308], [0.1]], False)
@example([[5e-324, 0.0, 1e-323]], True)
def test_floats_agree_with_numpy(batches: list[list[float]], two_passes: bool) -> None:
    sums = gathered(batches, pa.float64(), exact_values=0 if two_passes else 1 << 20)
    values = [value for batch in batches for value in batch]
    found = sums.numbers()
    if not values:
        assert found is None
        return
    assert found is not None
    assert (found.minimum, found.maximum) == (min(values), max(values))
    exact = sum(map(Fraction, values), Fraction(0)) / len(values)
    scale = max(map(abs, values))
    assert abs(found.mean - float(exact)) <= 1e-9 * scale
    assert found.minimum <= found.mean <= found.maximum
    spread = statistics.pvariance(map(Fraction, values))
    if spread < 10**300:
        assert math.isclose(found.std, math.sqrt(spread), rel_tol=1e-9, abs_tol=1e-9 * scale + 1e-160)
    else:
        assert found.std > 1e100, "infinite where no float can hold the square"
    edges, counts = found.histogram.edges, list(found.histogram.counts)
    assert sum(counts) == len(values)
    if len(edges) > 2:
        assert all(low < high for low, high in pairwise(edges))
        assert counts == np.histogram(values, bins=np.array(edges))[0].tolist()


def test_the_mean_of_near_integers_beyond_2_to_53_is_exact() -> None:
    values = [2**60 + place for place in (1, 2, 6)]
    found = gathered([values[:1], values[1:]], pa.int64()).numbers()
    assert found is not None
    assert (found.mean, found.std) == (float(2**60 + 3), math.sqrt(14 / 3))


def test_integers_of_a_small_range_have_a_bin_each() -> None:
    assert edges_of(-1, 3) == (-1, 0, 1, 2, 3, 4)
    assert edges_of(7, 7) == (7, 8)
    assert len(edges_of(-(2**63), 2**63 - 1)) == 21


VALUES = st.one_of(
    st.lists(st.lists(st.integers(-3, 3), max_size=40), max_size=8).map(lambda found: (pa.int64(), found)),
    st.lists(st.lists(st.text(max_size=3), max_size=40), max_size=8).map(lambda found: (pa.string(), found)),
    st.lists(st.lists(st.binary(max_size=300), max_size=20), max_size=8).map(lambda found: (pa.binary(), found)),
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 5))
def test_counts_are_exact_below_the_bound_and_within_their_error_beyond(
    given_: tuple[Any, list[list[Any]]], counters: int
) -> None:
    kind, batches = given_
    right = Counter(value for batch in batches for value in batch)
    exact, cut = ValueCounts(), ValueCounts(exact_values=counters, counters=counters)
    for batch in batches:
        for counts in (exact, cut):
            counts.add(pa.array(batch, kind))
            counts.distinct()  # merges what is pending
    assert exact.distinct().count == cut.distinct().count == len(right)
    wanted = sorted(right.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
    assert [(each.value, each.count) for each in exact.top().values] == wanted
    top = cut.top()
    assert top.error <= sum(right.values()) / (counters + 1)
    for each in top.values:
        assert each.count <= right[each.value] <= each.count + top.error
    held = {each.value for each in top.values}
    assert all(count <= 2 * top.error for value, count in right.items() if value not in held), "none of them is lost"


def test_frequent_values_are_found_among_very_many() -> None:
    counts = ValueCounts()
    for start in range(0, 600_000, 50_000):
        counts.add(pa.array([*range(start, start + 50_000), *[-1] * 5000, *[-2] * 3000]))
    top, distinct = counts.top(), counts.distinct()
    assert [each.value for each in top.values] == [-1, -2]
    assert 60_000 - top.error <= top.values[0].count <= 60_000
    assert top.error <= 172, "cells / counters"
    assert abs(distinct.count - 600_002) < 5 * distinct.error * 600_002
    assert 0.005 < distinct.error < 0.01


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=12))
def test_a_hash_depends_on_the_value_alone(values: list[bytes]) -> None:
    together = hash_values(pa.array(values, pa.binary())).to_pylist()
    alone = [hash_values(pa.array([value], pa.binary()))[0].as_py() for value in values]
    assert sorted(together) == sorted(alone)
    assert len(set(together)) == len(set(values))


def test_hashes_of_like_values_spread_evenly() -> None:
    """What the estimate rests on: the share of hashes below a limit is that limit's share of the range."""
    for values in (pa.array(range(40_000)), pa.array([f"user_{place:08}" for place in range(40_000)])):
        hashes = np.asarray(hash_values(values))
        assert len(np.unique(hashes)) == 40_000
        for share in (0.01, 0.1, 0.5):
            below = int((hashes < int(share * 2**64)).sum())
            assert abs(below - share * 40_000) < 5 * math.sqrt(40_000 * share)


def test_estimates_stay_within_their_error() -> None:
    for number in (30_000, 300_000):
        sketch = Sketch(1024)
        for start in range(0, number, 30_000):
            for _ in range(2):  # seeing values again changes nothing
                sketch.add(pa.array([f"v{place}" for place in range(start, start + 30_000)]))
        found = sketch.distinct()
        assert abs(found.count - number) < 4 * found.error * number
