"""pandas, Polars, DuckDB and lazy Arrow: types, missing values, columns that are not read, and what other processes get."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

import multiprocessing
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pytest
from tests.datasets.ecosystem.conftest import answer_sum, everything, png

from starwhale.api.dataset import Dataset
from starwhale.datasets.ecosystem.arrow import BatchLimits
from starwhale.datasets.ecosystem.polars_frame import to_polars
from starwhale.errors import CorruptedError, MissingDependencyError, NothingToCommitError, UsageError
from starwhale.instances import Instance
from starwhale.media import Binary, BoundingBox, Image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.datasets.ecosystem.conftest import Made

compute: Any = pyarrow.compute  # its functions are made at run time


def _labelled(count: int = 10) -> list[dict[str, Any]]:
    return [{"label": k % 2, "image": Image(bytes(10_000) + png()), "x": k / 2} for k in range(count)]


def _break_packs(folder: Path) -> None:
    for pack in folder.rglob("*.pack"):
        pack.write_bytes(bytes(pack.stat().st_size))


# -------------------------------------------------------------------------------------------------------------- pandas


def test_pandas_keeps_types_beside_missing_values_and_the_keys_as_index(made: Made) -> None:
    rows = [("b", {"n": 2**60, "ok": True, "f": 0.5, "s": "x", "list": [1, None]}), ("a", {"m": 1, "f": None})]
    frame = made(rows).to_pandas()
    assert list(frame.columns) == ["n", "ok", "f", "s", "list", "m"]
    assert frame.index.tolist() == ["a", "b"]
    assert frame.index.name == "index"
    assert (str(frame.n.dtype), str(frame.ok.dtype), str(frame.f.dtype)) == ("Int64", "boolean", "float64")
    assert (frame.n["b"], frame.ok["b"], frame.s["b"], frame.list["b"]) == (2**60, True, "x", [1, None])
    assert frame.isna().sum().to_dict() == {"n": 1, "ok": 1, "f": 1, "s": 1, "list": 1, "m": 1}


def test_pandas_has_numpy_types_where_nothing_is_missing(made: Made) -> None:
    ds = made([{"n": k, "ok": k > 1, "f": k / 2} for k in range(3)])
    frame = ds.to_pandas(columns=["f", "N"], drop_index=True)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {"f": "float64", "n": "int64"}
    assert frame.index.tolist() == [0, 1, 2]
    assert str(ds.to_pandas().ok.dtype) == "bool"
    frame.loc[0, "n"] = 7  # it is the user's own
    assert ds.to_pandas().n.tolist() == [0, 1, 2]


def test_pandas_holds_the_media_themselves_unread(made: Made, tmp_path: Path) -> None:
    ds = made([{"image": Image(b"x" * 10_000), "box": BoundingBox(1, 2, 3, 4), "mixed": 1}, {"mixed": "a"}])
    _break_packs(tmp_path / "root")
    frame = ds.to_pandas()
    assert isinstance(frame.image[0], Image)
    assert frame.box[0] == BoundingBox(1, 2, 3, 4)
    assert frame.mixed.tolist() == [1, "a"]
    assert frame.image[1] is None
    with pytest.raises(CorruptedError):
        frame.image[0].to_bytes()


def test_pandas_of_nothing(instance: Instance, made: Made) -> None:
    assert instance.datasets.open("new", Dataset).to_pandas().shape == (0, 0)
    assert made([{"x": 1}, {"x": 2}]).to_pandas(columns=[]).shape == (2, 0)


# -------------------------------------------------------------------------------------------------------- lazy Arrow


def test_a_lazy_dataset_reads_only_what_a_scan_needs(made: Made, tmp_path: Path) -> None:
    lazy = made(_labelled()).to_arrow_dataset()
    _break_packs(tmp_path / "root")
    assert lazy.schema.names == ["index", "label", "image", "x"]
    assert lazy.to_table(columns=["label"]).to_pydict() == {"label": [0, 1] * 5}
    where = compute.field("label") == 1
    assert lazy.to_table(columns=["x"], filter=where).to_pydict() == {"x": [0.5, 1.5, 2.5, 3.5, 4.5]}
    doubled = lazy.to_table(columns={"twice": compute.field("x") + compute.field("x")})
    assert doubled.to_pydict() == {"twice": [float(k) for k in range(10)]}
    assert (lazy.count_rows(), lazy.count_rows(filter=where)) == (10, 5)
    assert lazy.head(3, columns=["index"]).to_pydict() == {"index": [0, 1, 2]}
    with pytest.raises(CorruptedError):
        lazy.to_table()
    with pytest.raises(UsageError, match="no column 'y'"):
        lazy.to_table(columns=["y"])
    for method in ("get_fragments", "sort_by", "filter", "join", "replace_schema"):
        with pytest.raises(UsageError, match="scanner"):
            getattr(lazy, method)(None)


def test_the_name_of_the_keys_does_not_depend_on_what_is_read(made: Made) -> None:
    ds = made([("k", {"index": 5, "x": 1})])
    assert ds.to_arrow_dataset().to_table(columns=["__index__", "x"]).to_pydict() == {"__index__": ["k"], "x": [1]}
    assert ds.to_arrow(columns=["x"]).to_pydict() == {"__index__": ["k"], "x": [1]}


def test_a_lazy_dataset_travels_and_keeps_its_version(instance: Instance, made: Made) -> None:
    ds = made([{"x": 1}])
    lazy = ds.to_arrow_dataset(drop_index=True)
    with instance.datasets.open("ds", Dataset) as newer:
        newer.append({"x": 2})
        fresh = newer.to_arrow_dataset()
        assert fresh.to_table(columns=["x"]).to_pydict() == {"x": [1, 2]}
        with pytest.raises(NothingToCommitError, match="commit"):
            pickle.dumps(fresh)
        newer.commit()
    assert pickle.loads(pickle.dumps(lazy)).to_table().to_pydict() == {"x": [1]}


@pytest.mark.needs_time
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_lazy_dataset_is_read_in_another_process(made: Made, method: str) -> None:
    lazy = made([{"x": k} for k in range(5000)]).to_arrow_dataset(drop_index=True)
    assert sum(lazy.to_table()["x"].to_pylist()) == 12_497_500
    context: Any = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    other = context.Process(target=answer_sum, args=(lazy, answers))
    other.start()
    other.join(60)
    assert other.exitcode == 0
    assert answers.get() == 12_497_500


# ------------------------------------------------------------------------------------------------------------- Polars


@pytest.mark.needs_polars
def test_polars_has_every_kind(made: Made) -> None:
    import polars as pl

    frame = made(everything()).to_polars()
    assert frame.shape == (2, 23)
    assert frame["count"].to_list() == [2**62, None]
    assert frame["image"].struct.field("bytes")[0] == png()
    assert frame.select(pl.col("mixed").str.json_path_match("$[1]"))["mixed"][0] == "two"


@pytest.mark.needs_polars
def test_a_lazy_frame_reads_only_what_a_query_needs(made: Made, tmp_path: Path) -> None:
    import polars as pl

    lazy = to_polars(made(_labelled())._rows_ref(), lazy=True, limits=BatchLimits(rows=4))
    _break_packs(tmp_path / "root")
    counts = lazy.group_by("label").agg(pl.len()).sort("label").collect()
    assert counts.to_dict(as_series=False) == {"label": [0, 1], "len": [5, 5]}
    assert lazy.filter(pl.col("x") > 3).select("index", "label").collect().to_dict(as_series=False) == {
        "index": [7, 8, 9],
        "label": [1, 0, 1],
    }
    assert lazy.filter(pl.col("label") == 1).select("x").head(2).collect()["x"].to_list() == [0.5, 1.5]
    assert lazy.select("x", "label").head(3).filter(pl.col("label") == 1).collect()["x"].to_list() == [0.5]
    assert lazy.select(pl.len()).collect().item() == 10


# ------------------------------------------------------------------------------------------------------------- DuckDB


@pytest.mark.needs_duckdb
def test_sql_reads_only_what_it_names(made: Made, tmp_path: Path) -> None:
    ds = made(_labelled())
    _break_packs(tmp_path / "root")
    assert ds.query("SELECT label, count(*) AS n FROM rows WHERE x >= 1 GROUP BY label ORDER BY label").to_pydict() == {
        "label": [0, 1],
        "n": [4, 4],
    }
    assert ds.query("SELECT count(*) AS n FROM rows").to_pydict() == {"n": [10]}
    assert ds.query("SELECT index FROM rows WHERE label = 1 AND x > 2 ORDER BY index DESC LIMIT 1").to_pydict() == {
        "index": [9]
    }


@pytest.mark.needs_duckdb
def test_sql_reaches_into_media_and_mixed_cells(made: Made) -> None:
    ds = made(everything())
    found = ds.query(
        "SELECT image.path AS path, octet_length(image.bytes) AS size, box.width AS width, numbers[3] AS third, mixed FROM rows"
        " WHERE flag"
    )
    assert found.to_pylist() == [
        {"path": "a.png", "size": len(png()), "width": 3.5, "third": 3, "mixed": found["mixed"][0].as_py()}
    ]


@pytest.mark.needs_duckdb
def test_the_lazy_dataset_is_a_table_of_any_connection(made: Made) -> None:
    import duckdb

    left = made([(k, {"x": k}) for k in range(3)], "left").to_arrow_dataset()
    right = made([(k, {"y": k * k}) for k in range(1, 5)], "right").to_arrow_dataset()
    with duckdb.connect() as connection:
        connection.register("left_rows", left)
        connection.register("right_rows", right)
        joined = connection.sql("SELECT x, y FROM left_rows JOIN right_rows USING (index) ORDER BY x").fetchall()
    assert joined == [(1, 1), (2, 4)]


@pytest.mark.needs_duckdb
def test_wrong_sql_says_what_is_wrong(made: Made, tmp_path: Path) -> None:
    ds = made(_labelled(2))
    with pytest.raises(UsageError, match=r"(?s)labels.*label.*the table is called 'rows'"):
        ds.query("SELECT labels FROM rows")
    with pytest.raises(UsageError, match="returns no rows"):
        ds.query("")
    _break_packs(tmp_path / "root")
    with pytest.raises(CorruptedError):
        ds.query("SELECT image FROM rows")


# ------------------------------------------------------------------------------------------------- what is not there


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("pandas", lambda ds: ds.to_pandas()),
        ("polars", lambda ds: ds.to_polars()),
        ("duckdb", lambda ds: ds.query("SELECT 1")),
    ],
)
def test_a_missing_library_is_named(made: Made, monkeypatch: pytest.MonkeyPatch, package: str, call: Any) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"needs the package '{package}'.*pip install"):
        call(made([{"x": 1}]))


def test_the_schema_carries_the_kinds(made: Made) -> None:
    schema: Any = made([{"x": 1, "image": Image(png())}]).to_arrow().schema
    assert schema.field("image").metadata == {b"sw.kind": b"media:Image"}
    assert schema.field("x").type == pa.int64()


def test_binary_behind_a_lazy_dataset(made: Made) -> None:
    lazy = made([{"b": Binary(b"1")}]).to_arrow_dataset(drop_index=True)
    assert lazy.to_table().to_pydict() == {"b": [b"1"]}
