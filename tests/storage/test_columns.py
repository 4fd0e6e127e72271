"""Cells to Arrow and back, value for value and type for type."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from starwhale.errors import FieldNameError, UnsupportedValueError
from starwhale.media import Audio, BoundingBox, ClassLabel, Image, Link, Text
from starwhale.storage.columns.encode import (
    decode_batch,
    decode_column,
    encode_batch,
    encode_column,
    escape_name,
    unescape_name,
)
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore

COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "nothing": ("null", [None, None]),
    "bools": ("bool", [True, None, False]),
    "ints": ("int", [0, -(2**63), 2**63 - 1, None]),
    "floats": ("float", [0.5, None, math.inf, -math.inf, -0.0, 5e-324]),
    "texts": ("str", ["", "a", None, "ünïcödé 🐋", "\x00", "x" * 100_000]),
    "bytes": ("bytes", [b"", b"\x00\xff", None, b"x" * 100_000]),
    "lists": ("list<int>", [[], [1, None], None, [2**62]]),
    "empty lists": ("list<null>", [[], [None]]),
    "nested lists": ("list<list<str>>", [[["a"], [], None], None, []]),
    "structs": ("struct<b:int,a:list<float>>", [{"b": 1, "a": [0.5]}, None, {"b": None, "a": None}]),
    "lists of structs": ("list<struct<x:int>>", [[{"x": 1}, None], []]),
    "big ints": ("variant", [2**63, -(2**63) - 1, 10**40, 1]),
    "ints and floats": ("variant", [1, 1.0, True]),
    "mixed": ("variant", [1, "1", b"1", None, [1, "a"]]),
    "tuples": ("variant", [(1, 2), (), (1, (2, None))]),
    "keys that are not text": ("variant", [{1: "a"}, {None: 1}, {(1, 2): True}]),
    "different keys": ("variant", [{"a": 1}, {"b": 1}, {}]),
    "order of keys": ("variant", [{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
    "empty dicts": ("variant", [{}, {}]),
    "odd keys": ("variant", [{"a.b": 1, "": 2}]),
    "lone surrogates": ("variant", ["\ud800", "fine"]),
    "times": ("variant", [datetime(2020, 1, 1, tzinfo=UTC), date(2020, 1, 1)]),
    "images": ("media:Image", [Image(b"abc", display_name="x"), None, Image(b"x" * 9000, shape=(1, 2, 3))]),
    "texts of media": ("media:Text", [Text("hello"), Text("")]),
    "boxes": ("media:BoundingBox", [BoundingBox(1, 2, 3, 4), None]),
    "labels": ("media:ClassLabel", [ClassLabel(["a", "b"])]),
    "links": ("media:Link", [Link("http://example.com/x", offset=3, size=4)]),
    "linked images": ("media:Image", [Image(link=Link("/nowhere.png"))]),
    "different media": ("variant", [Image(b"abc"), Audio(b"def")]),
    "media in lists": ("variant", [[Image(b"x" * 9000)], {"a": [Image(b"y")]}]),
    "numpy scalars": ("variant", [np.float32(0.1), np.int8(3), np.bool_(True), np.float64(0.5), np.str_("x")]),
}


def same(left: Any, right: Any) -> bool:
    """Equal, and of one type all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and left == right
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_column_comes_back_through_arrow(name: str) -> None:
    kind, values = COLUMNS[name]
    array, found = encode_column(values)
    assert found == kind
    assert len(array) == len(values)
    assert same(decode_column(array, found), values)
    assert same(decode_column(pa.chunked_array([array, array]), found), values + values)
    assert same(decode_column(array[1:], found), values[1:])


@pytest.mark.parametrize("in_columns", [True, False])
@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_column_comes_back_through_a_dataset(tmp_path: Path, name: str, in_columns: bool) -> None:
    kind, values = COLUMNS[name]
    store = LocalDatasetStore(tmp_path)
    writer = store.begin("d", None)
    if in_columns:
        writer.put_columns(list(range(len(values))), {name: values})
    else:
        for key, value in enumerate(values):
            writer.put(key, {name: value})
    if name != "nothing":
        assert [same((writer.get(key) or {}).get(name), value) for key, value in enumerate(values)] == [True] * len(
            values
        )
    reader = store.open_version("d", writer.commit().manifest_digest)
    assert dict(reader.columns) == ({} if kind == "null" else {name: kind})
    assert same(reader.read(0, 99).columns.get(name, [None, None]), values)
    batch = reader.read_arrow(0, 99)
    assert same(decode_batch(batch, reader.source_of).get(name, [None, None]), values)


def test_nan_is_a_value_and_none_is_absent() -> None:
    array, kind = encode_column([math.nan, None])
    assert (array.null_count, kind) == (1, "float")
    nan, none = decode_column(array, kind)
    assert math.isnan(nan)
    assert none is None


def test_arrays_come_back(tmp_path: Path) -> None:
    values = [np.arange(6, dtype=np.int16).reshape(2, 3), np.zeros((100, 100)), np.array([])]
    writer = LocalDatasetStore(tmp_path).begin("d", None)
    for key, value in enumerate(values):
        writer.put(key, {"a": value})
    values[0][0, 0] = 99  # too late to be seen
    found = [writer.snapshot().read(0, 3).columns["a"][place] for place in range(3)]
    assert found[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [array.dtype for array in found] == [array.dtype for array in values]
    assert found[1].shape == (100, 100)
    writer.abort()


def test_a_value_that_cannot_be_stored_is_refused_at_the_call(tmp_path: Path) -> None:
    writer = LocalDatasetStore(tmp_path).begin("d", None)
    writer.put(0, {"a": 1})
    for value in (object(), {1, 2}, [object()], lambda: None):
        with pytest.raises(UnsupportedValueError, match="cannot store"):
            writer.put(1, {"a": value})
    assert writer.commit().row_count == 1


def test_a_batch_names_column_and_row_of_a_bad_value() -> None:
    with pytest.raises(UnsupportedValueError, match="column 'bad' of row 'k2'"):
        encode_batch({"good": [1, 2], "bad": [1, {3}]}, keys=["k1", "k2"])


@pytest.mark.parametrize(
    "name", ["a", "", ".", "a.b", "%", "a%2Eb", "__key__", "_x", "ü 🐋", "a\x00b", "list.element", "%5F"]
)
def test_any_name_is_stored(tmp_path: Path, name: str) -> None:
    assert unescape_name(escape_name(name)) == name
    store = LocalDatasetStore(tmp_path)
    writer = store.begin("d", None)
    writer.put(0, {name: {"x": 1}, "other": 2})
    reader = store.open_version("d", writer.commit().manifest_digest)
    assert reader.read(0, 1, [name]).columns == {name: [{"x": 1}]}
    assert decode_batch(encode_batch({name: [1]})) == {name: [1]}


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    writer = LocalDatasetStore(tmp_path).begin("d", None)
    with pytest.raises(FieldNameError, match="surrogate"):
        writer.put(0, {"\ud800": 1})
    with pytest.raises(FieldNameError, match="of type int"):
        writer.put(0, {1: 1})  # type: ignore[dict-item]  # what an untyped script may do
