"""Arrow tables: the type of each kind, the values, missing ones, patches, large content, and what is refused."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from tests.datasets.ecosystem.conftest import everything, png

from starwhale.api.dataset import Dataset
from starwhale.datasets.ecosystem.arrow import BatchLimits, arrow_rows
from starwhale.datasets.ecosystem.json_text import json_text
from starwhale.datasets.ecosystem.layout import arrow_type
from starwhale.errors import CorruptedError, FieldNameError, UnsupportedValueError, UsageError
from starwhale.instances import Instance
from starwhale.media import Binary, Image, Link, Text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.ecosystem.conftest import Made


def test_each_kind_has_its_arrow_type_and_its_values(made: Made) -> None:
    table = made(everything()).to_arrow()
    row, sparse = table.to_pylist()
    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types[name] for name in ("flag", "count", "score", "text", "raw", "long", "note", "blob")} == {
        "flag": "bool",
        "count": "int64",
        "score": "double",
        "text": "string",
        "raw": "binary",
        "long": "string",
        "note": "string",
        "blob": "binary",
    }
    for name in ("flag", "count", "score", "text", "raw", "numbers", "nested", "long"):
        assert row[name] == everything()[0][name]
    assert row["image"] == {
        "bytes": png(),
        "path": "a.png",
        "mime_type": "image/png",
        "shape": [None, None, 3],
        "dtype": "uint8",
        "link": None,
    }
    assert (row["gray"]["bytes"], row["gray"]["mime_type"], row["gray"]["shape"]) == (
        bytes(range(6)),
        "x/grayscale",
        [2, 3, 1],
    )
    assert row["sound"]["bytes"] == b"RIFF" + bytes(5000)
    assert (row["film"]["bytes"], row["film"]["link"]) == (None, {"uri": "/films/a.mp4", "offset": 3, "size": 9})
    assert row["blob"] == b"blob"
    assert row["array"] == {"bytes": np.arange(6, dtype="int16").tobytes(), "dtype": "int16", "shape": [2, 3]}
    assert (row["note"], row["point"], row["line"]) == ("a note", {"x": 1.0, "y": 2.0}, [[0.0, 0.0], [1.0, 2.0]])
    assert row["box"] == {"x": 1.0, "y": 2.0, "width": 3.5, "height": 4.0}
    assert row["link"] == {"uri": "/data/x", "offset": 0, "size": 4}
    assert (row["object"]["id"], row["object"]["area"], row["object"]["segmentation"]) == (7, 2.0, "[[1, 2, 3, 4]]")
    assert json.loads(row["mixed"]) == [1, "two", [3.0, None], {"k": {"$bytes": "AQ=="}}]
    assert json.loads(row["classes"]) == {"$class_label": {"names": ["cat", "dog"]}}
    assert (sparse["flag"], sparse["count"], sparse["text"]) == (False, None, "")
    assert math.isnan(sparse["score"])
    assert all(sparse[name] is None for name in set(row) - {"index", "flag", "score", "text"})
    assert table["index"].to_pylist() == [0, 1]


def test_columns_are_chosen_in_any_case_and_keys_may_be_left_out(made: Made) -> None:
    ds = made([("b", {"Label": 1, "x": 2.0}), ("a", {"Label": 3, "x": 4.0})])
    assert ds.to_arrow(columns=["x", "label"]).to_pydict() == {"index": ["a", "b"], "x": [4.0, 2.0], "Label": [3, 1]}
    assert ds.to_arrow(columns=["x"], drop_index=True).to_pydict() == {"x": [4.0, 2.0]}
    assert ds.to_arrow(columns=[]).to_pydict() == {"index": ["a", "b"]}
    assert ds.to_arrow(columns=[], drop_index=True).num_columns == 0
    with pytest.raises(UsageError, match=r"no feature 'labels'.*did you mean 'Label'"):
        ds.to_arrow(columns=["labels"])


def test_a_feature_called_index_keeps_its_name(made: Made) -> None:
    assert made([{"Index": 5}]).to_arrow().to_pydict() == {"__index__": [0], "Index": [5]}
    both = made([{"index": 5, "__index__": 6}], "both")
    with pytest.raises(FieldNameError, match="drop_index=True"):
        both.to_arrow()
    assert both.to_arrow(drop_index=True).to_pydict() == {"index": [5], "__index__": [6]}


def test_a_version_without_rows_has_a_table_without_rows(instance: Instance, made: Made) -> None:
    assert instance.datasets.open("new", Dataset).to_arrow().to_pydict() == {"index": []}
    made([("k", {"x": 1, "s": "a"})])
    with instance.datasets.open("ds", Dataset) as ds:
        del ds["k"]
        ds.commit()
    assert instance.datasets.open("ds", Dataset).to_arrow().num_rows == 0


def test_a_column_whose_kind_changes_is_json_text_throughout(instance: Instance, made: Made) -> None:
    made([{"x": k} for k in range(3)])
    with instance.datasets.open("ds", Dataset) as ds:
        ds.append({"x": "text", "y": [1]})
        ds.commit()
    table = instance.datasets.open("ds", Dataset).to_arrow()
    assert table["x"].to_pylist() == ["0", "1", "2", '"text"']
    assert table["y"].to_pylist() == [None, None, None, [1]]


def test_patched_deleted_and_uncommitted_rows_are_seen(instance: Instance, made: Made) -> None:
    made([{"x": k, "tags": ["a"] * k, "image": Image(png())} for k in range(6)])
    with instance.datasets.open("ds", Dataset) as ds:
        ds[1] = {"x": 10, "tags": []}
        del ds[0]
        ds.commit()
    ds = instance.datasets.open("ds", Dataset)
    assert ds.to_arrow(columns=["x"]).to_pydict() == {"index": [1, 2, 3, 4, 5], "x": [10, 2, 3, 4, 5]}
    assert ds.to_arrow()["image"][0].as_py()["bytes"] == png()
    ds[9] = {"x": 9}
    assert ds.to_arrow(columns=["x"])["x"].to_pylist() == [10, 2, 3, 4, 5, 9]
    ds.abort()


def test_batches_are_bounded_by_rows_and_by_the_content_that_they_read(made: Made) -> None:
    ds = made([{"x": k, "blob": Binary(bytes([k]) * 10_000)} for k in range(20)])
    rows = arrow_rows(ds._view(), limits=BatchLimits(content_bytes=35_000))
    assert [batch.num_rows for batch in rows.batches()] == [3] * 6 + [2]
    assert [value[0] for value in rows.table()["blob"].to_pylist()] == list(range(20))
    for names, few in ((["x"], BatchLimits(short_rows=8)), (["x", "blob"], BatchLimits(rows=8))):
        rows = arrow_rows(ds._view(), names, limits=few)
        assert [batch.num_rows for batch in rows.batches()] == [8, 8, 4]
        assert [batch["x"].to_pylist() for batch in rows.batches(5, 7)] == [[5, 6]]


def test_labels_are_read_without_the_content_beside_them(made: Made, tmp_path: Path) -> None:
    ds = made([{"label": k % 2, "image": Image(bytes(10_000) + png())} for k in range(10)])
    for pack in (tmp_path / "root").rglob("*.pack"):
        pack.write_bytes(bytes(pack.stat().st_size))
    assert ds.to_arrow(columns=["label"])["label"].to_pylist() == [0, 1] * 5
    with pytest.raises(CorruptedError):
        ds.to_arrow()


def test_content_behind_a_link_is_read_for_text_and_bytes(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    link = Link(tmp_path / "file", offset=2, size=3)
    table = made([{"t": Text(link=link), "b": Binary(link=link)}]).to_arrow(drop_index=True)
    assert table.to_pylist() == [{"t": "234", "b": b"234"}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), '{"$float": "inf"}'),
        ({1: "a", "$x": None}, '{"$items": [[1, "a"], ["$x", null]]}'),
        (np.arange(3), "[0, 1, 2]"),
        (np.float32(0.5), "0.5"),
        (2**70, "1180591620717411303424"),
        ("\ud800", '"\\ud800"'),
        (Text("plain"), '"plain"'),
        ([1j], '[{"$complex": [0.0, 1.0]}]'),
    ],
)
def test_what_json_has_not_is_an_object_with_one_marked_name(value: object, text: str) -> None:
    assert json_text(value) == text
    assert json.loads(text) is not None


def test_media_inside_of_mixed_cells_keep_their_content() -> None:
    shown = json.loads(json_text([Binary(b"\x01\x02")]))[0]
    assert (shown["$bytes"], shown["$binary"]["_mime_type"]) == ("AQI=", "x/undefined")
    with pytest.raises(UnsupportedValueError, match="object"):
        json_text(object())


def test_kinds_nest() -> None:
    assert arrow_type("struct<a:list<struct<x:int,y:str>>,b:null>") == pa.struct(
        [("a", pa.list_(pa.struct([("x", pa.int64()), ("y", pa.string())]))), ("b", pa.null())]
    )
