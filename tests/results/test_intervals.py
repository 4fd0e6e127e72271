"""Intervals against SciPy and worked figures."""

from __future__ import annotations

from typing import Any

import pytest

from starwhale.errors import UsageError
from starwhale.results.compare.intervals import standard_error, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 20), (1, 7), (95, 100), (100, 100), (1_700, 1_797)])
def test_wilson_equals_scipy(successes: int, count: int) -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(successes, count).proportion_ci(method="wilson")
    found = wilson(successes, count)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_standard_error_equals_scipy() -> None:
    stats: Any = pytest.importorskip("scipy.stats")
    scores = [0.1, 0.9, 0.4, 0.4, 1.0]
    assert standard_error(scores) == pytest.approx(float(stats.sem(scores)))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(UsageError, match="3 of 2"):
        wilson(3, 2)
