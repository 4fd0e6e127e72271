"""Counts between thresholds give, at every threshold, what looking at every row gives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starwhale.results.thresholds import ScoredRows, count_changes, count_scores, make_thresholds

SCORES = st.one_of(st.just(math.nan), st.floats(-2, 2), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
ROWS = st.lists(st.tuples(SCORES, SCORES, st.booleans()), min_size=1, max_size=60)


@given(ROWS)
def test_counts_are_those_of_looking_at_every_row(rows: list[tuple[float, float, bool]]) -> None:
    truth = np.array([each[2] for each in rows])
    one = ScoredRows(scores=np.array([each[0] for each in rows]), positive=truth)
    two = ScoredRows(scores=np.array([each[1] for each in rows]), positive=truth)
    grid = make_thresholds([one.scores, two.scores], most=7)
    counts, changes = count_scores(two, grid), count_changes(one, two, grid)
    assert counts.missing == sum(math.isnan(each[1]) for each in rows)
    for place, threshold in enumerate(grid.tolist()):
        called = [(score >= threshold, is_true) for _, score, is_true in rows if not math.isnan(score)]
        assert sum(counts.positive[place + 1 :]) == sum(yes and is_true for yes, is_true in called)
        assert sum(counts.negative[place + 1 :]) == sum(yes and not is_true for yes, is_true in called)
        both = [((a >= threshold) == t, (b >= threshold) == t) for a, b, t in rows if not (math.isnan(a) or math.isnan(b))]  # fmt: skip
        assert changes.gained[place] == sum(after and not before for before, after in both)
        assert changes.lost[place] == sum(before and not after for before, after in both)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7000), (0.1, 0.1003), (-1e-7, 1e-7), (0, 1e12)])
def test_a_grid_of_round_numbers_reaches_over_all_scores(low: float, high: float) -> None:
    grid = make_thresholds([np.linspace(low, high, 5000)])
    assert grid[0] <= low
    assert grid[-1] >= high
    assert 200 <= len(grid) <= 1003
    assert all(a < b for a, b in itertools.pairwise(grid))
    assert (low, high) != (0, 1) or 0.5 in grid.tolist()


def test_scores_that_say_nothing_make_no_grid() -> None:
    assert make_thresholds([np.array([math.nan, math.inf])]).tolist() == []
