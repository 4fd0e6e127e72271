"""When two values count as the same, as close, and as different."""

from __future__ import annotations

import math
from typing import Any

import pytest

from starwhale import Binary, NumpyBinary
from starwhale.results.agreement import AgreementVerdict, compare_rows, compare_values
from starwhale.results.reproduction import Tally, pair_rows

NAN = math.nan


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (1, 1, "identical"),
        (1, 2, "different"),
        (1, 1.0, "close"),
        (True, 1, "different"),
        (None, 0, "different"),
        (0.1 + 0.2, 0.3, "close"),
        (1.0, 1.00001, "different"),
        (1e-12, 0.0, "close"),
        (1e-8, 0.0, "different"),
        (NAN, NAN, "identical"),
        (NAN, 1.0, "different"),
        (math.inf, math.inf, "identical"),
        (math.inf, 1e308, "different"),
        ("a", "a", "identical"),
        ("a", b"a", "different"),
        ([1.0, [2.0, "x"]], [1.0, [2.0 + 1e-12, "x"]], "close"),
        ([1.0], [1.0, 2.0], "different"),
        ({"p": [0.5]}, {"p": [0.5]}, "identical"),
        ({"p": 0.5}, {"q": 0.5}, "different"),
        (Binary(b"abc"), Binary(b"abc"), "identical"),
        (Binary(b"abc"), Binary(b"abd"), "different"),
        (Binary(b"abc"), b"abc", "different"),
    ],
)
def test_a_verdict_on_two_values(before: Any, now: Any, verdict: str) -> None:
    assert compare_values(before, now).verdict == verdict
    assert compare_values(now, before).verdict == verdict


def test_arrays_of_floats_are_compared_by_their_numbers() -> None:
    import numpy as np

    one = np.array([[1.0, 2.0]])
    assert compare_values(NumpyBinary(one), NumpyBinary(one + 1e-12)).verdict is AgreementVerdict.CLOSE
    assert compare_values(NumpyBinary(one), NumpyBinary(one.T.copy())).verdict is AgreementVerdict.DIFFERENT
    assert compare_values(NumpyBinary(one), NumpyBinary(one + 1)).absolute == 1.0


def test_a_row_names_its_worst_column_and_the_largest_differences() -> None:
    found = compare_rows({"a": 1.0, "b": 10, "c": "x"}, {"a": 1.0 + 1e-9, "b": 12, "c": "x"})
    assert (found.verdict, found.column, found.before, found.now) == (AgreementVerdict.DIFFERENT, "b", 10, 12)
    assert (found.absolute, found.relative) == (2.0, 2 / 12)


def test_rows_are_paired_by_id_whatever_one_side_lacks() -> None:
    before = [(str(k), {"v": k}) for k in range(50) if k != 7]
    now = [(str(k), {"v": k}) for k in range(50) if k not in {11, 12, 49}]
    pairs = list(pair_rows(before, now))
    assert {row_id for row_id, one, _ in pairs if one is None} == {"7"}
    assert {row_id for row_id, _, other in pairs if other is None} == {"11", "12", "49"}
    assert sorted(int(row_id) for row_id, _, _ in pairs) == list(range(50))
    assert all(one == other for _, one, other in pairs if one is not None and other is not None)


def test_what_is_missing_makes_a_difference() -> None:
    tally = Tally(name="rows")
    for before, now in ((1.0, 1.0), (1.0, 1.0 + 1e-12)):
        tally.add("x", compare_values(before, now))
    assert tally.verdict is AgreementVerdict.CLOSE
    tally.counts[AgreementVerdict.MISSING] += 1
    assert tally.verdict is AgreementVerdict.DIFFERENT
