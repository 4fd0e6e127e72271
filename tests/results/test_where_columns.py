"""Rows that fit by columns are the rows that fit one by one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starwhale.results.where import parse_where
from starwhale.results.where_columns import matching

NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
FLOATS = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("nan"), float("inf")]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "ab", "é", "b"]))
TRUTHS = st.one_of(st.none(), st.booleans())
OPERANDS = st.sampled_from(["n", "f", "t", "b", "gone", "1", "0.5", "-1", '"a"', '""', "true", "null"])
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
COMPARISONS = st.one_of(
    st.tuples(OPERANDS, SIGNS, OPERANDS).map(" ".join),
    st.tuples(OPERANDS, st.sampled_from(["is null", "is not null"])).map(" ".join),
    st.tuples(OPERANDS, st.sampled_from(["in", "not in"]), st.sampled_from(['[1, "a", null]', "[0.5, true]", "[]"])).map(" ".join),
    st.tuples(st.sampled_from(["t", "n", "gone"]), st.sampled_from(["contains", "not contains"]), st.sampled_from(['"a"', '""', "1"])).map(" ".join),
    OPERANDS,
)  # fmt: skip
EXPRESSIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})"),
        inner.map(lambda each: f"not ({each})"),
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, FLOATS, TEXTS, TRUTHS), max_size=8), EXPRESSIONS)
def test_columns_and_rows_agree(rows: list[tuple[Any, ...]], text: str) -> None:
    where = parse_where(text)
    kinds = {"n": pa.int64(), "f": pa.float64(), "t": pa.string(), "b": pa.bool_()}
    columns = {name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(kinds.items())}
    found = matching(where.tree, lambda name: columns.get(name, pa.nulls(len(rows))), len(rows))
    wanted = [
        where.matches({name: value for name, value in zip(kinds, row, strict=True) if value is not None})
        for row in rows
    ]
    assert found is None or found.tolist() == wanted


@pytest.mark.parametrize(
    "text", ["n == 1", "n != f", "t contains 'a' and not b", "t < 'b'", "n in [1, 2]", "gone is null"]
)
def test_what_is_asked_every_day_needs_no_row(text: str) -> None:
    columns = {
        "n": pa.array([1, 2]),
        "f": pa.array([1.0, 2.5]),
        "t": pa.array(["a", None]),
        "b": pa.array([True, False]),
    }
    assert matching(parse_where(text).tree, lambda name: columns.get(name, pa.nulls(2)), 2) is not None


def test_whole_numbers_that_a_float_cannot_hold_are_left_to_python() -> None:
    columns = {"n": pa.array([2**53 + 1]), "f": pa.array([float(2**53)])}
    assert matching(parse_where("n == f").tree, columns.get, 1) is None
    found = matching(parse_where(f"n == {2**53 + 1}").tree, columns.get, 1)
    assert found is not None
    assert found.tolist() == [True]


def test_a_column_that_is_none_of_numbers_and_texts_is_left_to_the_rows() -> None:
    assert matching(parse_where("m == 1").tree, lambda _name: None, 3) is None
