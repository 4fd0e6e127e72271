"""Parquet and CSV: what is written, what is refused, and what is left when writing fails."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet as pq
from tests.datasets.ecosystem.conftest import everything

from starwhale.datasets.ecosystem.arrow import BatchLimits
from starwhale.datasets.ecosystem.files import to_parquet
from starwhale.datasets.importers.parquet_files import read_parquet
from starwhale.errors import CorruptedError, NotFoundError, UnsupportedValueError, UsageError
from starwhale.media import Binary, BoundingBox

if TYPE_CHECKING:
    from tests.datasets.ecosystem.conftest import Made


def test_parquet_holds_what_the_arrow_table_holds(made: Made, tmp_path: Path) -> None:
    ds = made(everything())
    assert ds.to_parquet(tmp_path / "all.parquet") == tmp_path / "all.parquet"
    written = pq.read_table(tmp_path / "all.parquet").drop_columns("score")  # a NaN equals nothing
    assert written.to_pylist() == ds.to_arrow().drop_columns("score").to_pylist()
    ds.to_parquet(str(tmp_path / "two.parquet"), columns=["text", "count"], drop_index=True)
    assert pq.read_table(tmp_path / "two.parquet").column_names == ["text", "count"]


def test_parquet_is_written_in_row_groups_of_bounded_size(made: Made, tmp_path: Path) -> None:
    ds = made([{"x": k, "blob": Binary(bytes(5000))} for k in range(20)])
    few = BatchLimits(rows=4)
    read = pq.ParquetFile(to_parquet(ds._view(), tmp_path / "x.parquet", limits=few, group_bytes=50_000))
    assert [read.metadata.row_group(k).num_rows for k in range(read.metadata.num_row_groups)] == [8, 8, 4]
    assert read.read()["x"].to_pylist() == list(range(20))


def test_csv_is_read_back_by_the_standard_library(made: Made, tmp_path: Path) -> None:
    rows = [
        (
            "a,1",
            {"text": 'say "hi"\nä', "n": 2**60, "f": 0.1, "ok": True, "box": BoundingBox(1, 2, 3, 4), "tags": ["x"]},
        ),
        ("b", {"text": "", "n": None, "f": float("nan"), "ok": None, "mixed": (1, "x")}),
        ("c", {"n": 1, "mixed": 2}),
    ]
    path = made(rows).to_csv(tmp_path / "rows.csv")
    with path.open(encoding="utf-8", newline="") as file:
        first, second, third = csv.DictReader(file)
    assert (first["index"], first["text"], first["n"]) == ("a,1", 'say "hi"\nä', str(2**60))
    assert (first["f"], first["ok"], first["tags"], first["mixed"]) == ("0.1", "true", '["x"]', "")
    assert json.loads(first["box"]) == {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}
    assert (second["f"], json.loads(second["mixed"]), third["n"]) == ("nan", [1, "x"], "1")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "index,text,n,f,ok,box,tags,mixed"
    assert lines[-2].startswith('"b","",,')  # an empty text, and a missing number
    assert lines[-1].startswith('"c",,1')


def test_csv_refuses_bytes_by_column_and_writes_the_others(made: Made, tmp_path: Path) -> None:
    ds = made(everything())
    with pytest.raises(UnsupportedValueError, match=r"column 'raw' holds bytes values.*columns flag, count"):
        ds.to_csv(tmp_path / "x.csv")
    with pytest.raises(UnsupportedValueError, match="column 'image' holds Image values"):
        ds.to_csv(tmp_path / "x.csv", columns=["image"])
    assert list(tmp_path.glob("*.csv")) == []
    ds.to_csv(tmp_path / "x.csv", columns=["score"], drop_index=True)
    assert (tmp_path / "x.csv").read_text() == "score\n0.5\nnan\n"


@pytest.mark.parametrize("write", ["to_parquet", "to_csv"])
def test_a_failed_write_leaves_what_was_there(made: Made, tmp_path: Path, write: str) -> None:
    ds = made([{"x": 1, "long": "y" * 10_000}])
    target = tmp_path / "out"
    target.write_text("before")
    for pack in (tmp_path / "root").rglob("*.pack"):
        pack.write_bytes(bytes(pack.stat().st_size))
    with pytest.raises(CorruptedError):
        getattr(ds, write)(target)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out"]
    with pytest.raises(NotFoundError, match="no folder"):
        getattr(ds, write)(tmp_path / "nowhere" / "x")
    with pytest.raises(UsageError, match="is a folder"):
        getattr(ds, write)(tmp_path)
    with pytest.raises(UsageError, match="no column"):
        getattr(ds, write)(target, columns=[], drop_index=True)
    getattr(ds, write)(target, columns=["x"])
    assert target.read_bytes() != b"before"


def test_media_come_back_from_a_parquet_file_of_ours(made: Made, tmp_path: Path) -> None:
    source = made(everything())
    rows = read_parquet(source.to_parquet(tmp_path / "all.parquet", drop_index=True))
    (block,) = list(rows)
    back = {name: values[0] for name, values in block.columns.items() if isinstance(values, list)}
    before = source[0].features
    media = {name for name, kind in source._view().columns.items() if kind.startswith("media:")}
    assert media == set(back)
    for name in media - {"film", "link"}:  # what is special about links is not handed out
        assert back[name] == before[name], name
    assert (back["film"].link.uri, back["film"].link.offset, back["film"].link.size) == ("/films/a.mp4", 3, 9)
    assert (back["link"].uri, back["link"].size) == ("/data/x", 4)
    assert all(values[1] is None for name, values in block.columns.items() if name in media)
