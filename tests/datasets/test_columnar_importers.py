"""Parquet, Arrow and Lance: every value as it was, or a refusal that names it."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from starwhale.datasets.build import build_version
from starwhale.datasets.importers import ParquetOptions, RowBlock, arrow_blocks, open_source, read_arrow, read_parquet
from starwhale.errors import DatasetSourceError, UsageError
from starwhale.media import Audio, Image, MIMEType

if TYPE_CHECKING:
    from tests.datasets.conftest import Open

naive = dt.datetime.fromisoformat

EVERYTHING: dict[str, Any] = {
    "i8": pa.array([1, None, -3], pa.int8()),
    "u64": pa.array([2**64 - 1, 1, None], pa.uint64()),
    "i64": pa.array([2**63 - 1, -(2**63), None]),
    "half": pa.array([0.5, None, -2.0], pa.float16()),
    "s": pa.array(["a", "é", None], pa.large_string()),
    "word": pa.array(["x", "y", "x"]).dictionary_encode(),
    "price": pa.array([decimal.Decimal("12.50"), None, decimal.Decimal("-0.01")]),
    "when": pa.array([naive("2020-01-01"), None, naive("0001-01-01")]),
    "moment": pa.array([10**15, None, 0], pa.timestamp("us", "Europe/Berlin")),
    "nano": pa.array([10**18, None, 0], pa.timestamp("ns")),
    "day": pa.array([dt.date(2020, 2, 29), None, None]),
    "took": pa.array([1500, None, 0], pa.duration("ms")),
    "at": pa.array([dt.time(1, 2, 3), None, None]),
    "list": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
    "days": pa.array([[dt.date(2020, 1, 1)], None, [None]]),
    "struct": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}]),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int8())),
    "bytes": pa.array([b"\xff", None, b""], pa.binary_view()),
    "long": pa.array(["x" * 5000, None, "short"]),
    "nothing": pa.nulls(3),
    "id": pa.array([uuid.UUID(int=1).bytes, None, None], pa.uuid()),
    "flag": pa.array([True, None, False]),
}
ROWS: list[dict[str, Any]] = [
    {
        "i8": 1, "u64": 2**64 - 1, "i64": 2**63 - 1, "half": 0.5, "s": "a", "word": "x", "price": "12.50",
        "when": naive("2020-01-01"), "moment": dt.datetime(2001, 9, 9, 1, 46, 40, tzinfo=dt.UTC),
        "nano": naive("2001-09-09T01:46:40"), "day": dt.date(2020, 2, 29), "took": dt.timedelta(seconds=1.5),
        "at": dt.time(1, 2, 3), "list": [1, None], "fixed": [1, 2], "days": [dt.date(2020, 1, 1)],
        "struct": {"a": 1, "b": ["x"]}, "map": {"a": 1}, "bytes": b"\xff", "long": "x" * 5000,
        "id": "00000000-0000-0000-0000-000000000001", "flag": True,
    },
    {"u64": 1, "i64": -(2**63), "s": "é", "word": "y"},
    {
        "i8": -3, "half": -2.0, "word": "x", "price": "-0.01", "when": naive("0001-01-01"),
        "moment": dt.datetime(1970, 1, 1, tzinfo=dt.UTC), "nano": naive("1970-01-01"), "took": dt.timedelta(0),
        "list": [], "fixed": [3, 4], "days": [None], "struct": {"a": None, "b": None}, "map": {}, "bytes": b"",
        "long": "short", "flag": False,
    },
]  # fmt: skip


def write_ipc(table: Any, path: Path) -> Path:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return path


def write_stream(table: Any, path: Path) -> Path:
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


def write_parquet(table: Any, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, **options)
    return path


def rows_of(chunks: Any) -> list[tuple[int | str, dict[str, Any]]]:
    """Rows of blocks, with what is absent left out."""
    found: list[tuple[int | str, dict[str, Any]]] = []
    for block in chunks:
        assert isinstance(block, RowBlock)
        columns = {
            name: getattr(each, "to_pylist", lambda each=each: list(each))() for name, each in block.columns.items()
        }
        for position, key in enumerate(block.keys):
            row = {name: column[position] for name, column in columns.items()}
            found.append((key, {name: value for name, value in row.items() if value is not None}))
    return found


def refused(chunks: Any) -> DatasetSourceError:
    with pytest.raises(DatasetSourceError) as caught:
        list(chunks)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", ["parquet", "arrow", "feather", "stream"])
def test_every_type_comes_back_from_the_store_as_it_was(kind: str, tmp_path: Path, open_: Open) -> None:
    table = pa.table(EVERYTHING)
    if kind == "parquet":
        place = write_parquet(table.drop_columns(["half"]), tmp_path / "a.parquet")
    elif kind == "arrow":
        place = write_ipc(table, tmp_path / "a.arrow")
    elif kind == "stream":
        place = write_stream(table, tmp_path / "a.arrow")
    else:
        place = tmp_path / "a.feather"
        feather.write_feather(table, str(place))
    with open_("ds") as made:
        assert build_version(made, open_source("parquet" if kind == "parquet" else "arrow", [str(place)])) == 3
    expected = [{name: cell for name, cell in row.items() if name != "half" or kind != "parquet"} for row in ROWS]
    found = [dict(row.features) for row in open_("ds")]
    assert found == expected
    assert [[type(cell) for cell in row.values()] for row in found] == [
        [type(cell) for cell in row.values()] for row in expected
    ]


def test_nan_is_a_value_and_none_is_absent(tmp_path: Path, open_: Open) -> None:
    write_parquet(pa.table({"x": [1.0, math.nan, None], "k": [1, 2, 3]}), tmp_path / "a.parquet")
    with open_("ds") as made:
        build_version(made, read_parquet(tmp_path / "a.parquet"))
    first, second, third = (dict(row.features) for row in open_("ds"))
    assert first["x"] == 1.0
    assert math.isnan(second["x"])
    assert third == {"k": 3}


def test_tensors_are_arrays(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(numpy.arange(24, dtype="float32").reshape(2, 3, 4))
    write_ipc(pa.table({"t": tensors}), tmp_path / "a.arrow")
    (_, first), (_, second) = rows_of(read_arrow(tmp_path / "a.arrow"))
    assert (first["t"].shape, str(first["t"].dtype), second["t"][2, 3]) == ((3, 4), "float32", 23.0)


@pytest.mark.parametrize(
    ("column", "row", "says"),
    [
        (pa.array([0, 1001], pa.timestamp("ns")), 1, "not a whole number of microseconds"),
        (pa.array([0, 10**18], pa.timestamp("us")), 1, "outside the years 1 to 9999"),
        (pa.array([1001, 0], pa.time64("ns")), 0, "a time that is not a whole number of microseconds"),
        (pa.array([[0], [0, 1]], pa.list_(pa.duration("ns"))), 1, "a duration that is not a whole number"),
        (pa.array([None, (1, 2, 3)], pa.month_day_nano_interval()), 0, "month_day_nano_interval cannot be stored"),
        (pa.array([[], [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())), 1, "the same key twice"),
        (pa.array([b"ok", b"\xff"]).view(pa.string()), 1, "not valid UTF-8"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_column_and_row(
    column: Any, row: int, says: str, tmp_path: Path, open_: Open
) -> None:
    place = write_ipc(pa.table({"fine": [1, 2], "col": column}), tmp_path / "a.arrow")
    error = refused(read_arrow(place))
    assert f"{place}: column 'col' of row {row}: " in str(error)
    assert says in str(error)
    made = open_("ds")
    with pytest.raises(DatasetSourceError):
        build_version(made, read_arrow(place))
    assert not open_("ds").exists()
    assert [row for _, row in rows_of(open_source("arrow", [str(place)], {"columns": "fine"}))] == [
        {"fine": 1},
        {"fine": 2},
    ]


def test_directories_several_files_and_their_partitions(tmp_path: Path) -> None:
    write_parquet(pa.table({"x": [1, 2]}), tmp_path / "d/label=cat/fold=0/b.parquet")
    write_parquet(pa.table({"x": [3]}), tmp_path / "d/label=a%2Fb/fold=10/a.PARQUET")
    (tmp_path / "d/notes.txt").write_text("no")
    last = write_parquet(pa.table({"y": ["z"]}), tmp_path / "c.parquet")
    assert rows_of(read_parquet([tmp_path / "d", str(last)])) == [
        (0, {"x": 3, "label": "a/b", "fold": 10}),
        (1, {"x": 1, "label": "cat", "fold": 0}),
        (2, {"x": 2, "label": "cat", "fold": 0}),
        (3, {"y": "z"}),
    ]
    picked = read_parquet(tmp_path / "d", ParquetOptions(columns=("label", "x")))
    assert next(row for _, row in rows_of(picked)) == {"x": 3, "label": "a/b"}


def test_large_rows_come_in_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_blocks, "BLOCK_BYTES", 100_000)
    table = pa.table({"x": [b"%03d" % k * 1000 for k in range(120)]})
    for chunks in (
        read_parquet(write_parquet(table, tmp_path / "a.parquet")),
        read_arrow(write_ipc(table, tmp_path / "a.arrow")),
    ):
        sizes = [len(block) for block in chunks]
        assert sum(sizes) == 120
        assert max(sizes) <= 40


def test_row_groups_that_are_done_are_let_go(tmp_path: Path) -> None:
    table = pa.table({"x": [b"%03d" % k * 100_000 for k in range(120)]})
    place = write_parquet(table, tmp_path / "a.parquet", row_group_size=10, compression="none")
    del table
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_parquet(place)]
    assert max(held) < 18_000_000  # half of the file


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "cannot read"), (b"PAR1" + b"x" * 50, "cannot read"), (b"x" * 20, "cannot read")],
)
def test_what_is_no_parquet_or_arrow_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    place = tmp_path / "a.parquet"
    place.write_bytes(content)
    assert refused(read_parquet(place)).path == str(place)
    assert says in str(refused(read_arrow(place)))


def test_a_damaged_page_is_not_read(tmp_path: Path) -> None:
    place = write_parquet(
        pa.table({"x": list(range(1000))}), tmp_path / "a.parquet", compression="none", use_dictionary=False,
        write_page_checksum=True,
    )  # fmt: skip
    content = bytearray(place.read_bytes())
    content[2000] ^= 1
    place.write_bytes(content)
    assert refused(read_parquet(place)).path == str(place)


def test_feather_of_version_1_unknown_columns_and_equal_names_are_named(tmp_path: Path) -> None:
    (tmp_path / "old.feather").write_bytes(b"FEA1" + b"\0" * 20)
    assert "version 1" in str(refused(read_arrow(tmp_path / "old.feather")))
    place = write_parquet(pa.table({"label": [1], "text": ["a"]}), tmp_path / "a.parquet")
    error = refused(read_parquet(place, ParquetOptions(columns=("lable",))))
    assert "has no column 'lable'; did you mean 'label'?" in str(error)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert "two columns are called 'x'" in str(refused(read_arrow(write_ipc(twice, tmp_path / "b.arrow"))))
    case = pa.table({"x": [1], "X": [2]})
    assert "differ only in case: 'x' and 'X'" in str(refused(read_arrow(write_ipc(case, tmp_path / "c.arrow"))))


def test_features_of_datasets_in_the_metadata_are_followed(tmp_path: Path) -> None:
    """What the package `datasets` writes beside Arrow types, without the package."""
    features = {
        "image": {"_type": "Image"},
        "sound": {"_type": "Audio", "sampling_rate": 8000},
        "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
        "tags": {"_type": "List", "feature": {"_type": "ClassLabel", "names": ["a", "b"]}},
        "objects": [{"box": {"_type": "Value", "dtype": "int64"}, "kind": {"_type": "ClassLabel", "names": ["x"]}}],
        "plain": {"_type": "Value", "dtype": "int64"},
    }
    png = b"\x89PNG\r\n\x1a\nrest"
    columns: dict[str, Any] = {
        "image": [{"bytes": png, "path": None}, None],
        "sound": [{"bytes": b"RIFF0000WAVE", "path": "a/s.wav"}, None],
        "label": [1, -1],
        "tags": [[0, 1], None],
        "objects": [[{"box": 1, "kind": 0}], []],
        "plain": [1, 2],
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for chunks in (
        read_arrow(write_ipc(table, tmp_path / "a.arrow")),
        read_parquet(write_parquet(table, tmp_path / "a.parquet")),
    ):
        (_, first), (_, second) = rows_of(chunks)
        assert first == {
            "image": Image(png, mime_type=MIMEType.PNG),
            "sound": Audio(b"RIFF0000WAVE", "s.wav", mime_type=MIMEType.WAV),
            "label": 1,
            "label__classlabel__": "dog",
            "tags": [0, 1],
            "tags__classlabel__": ["a", "b"],
            "objects": [{"box": 1, "kind": 0, "kind__classlabel__": "x"}],
            "plain": 1,
        }
        assert second == {"label": -1, "objects": [], "plain": 2}


def test_a_label_beyond_its_classes_and_a_missing_file_are_named(tmp_path: Path) -> None:
    def place(feature: dict[str, Any], values: list[Any]) -> Path:
        text = json.dumps({"info": {"features": {"col": feature}}})
        return write_ipc(pa.table({"col": values}).replace_schema_metadata({"huggingface": text}), tmp_path / "a.arrow")

    error = refused(read_arrow(place({"_type": "ClassLabel", "names": ["cat"]}, [0, 7])))
    assert "column 'col' of row 1: 7 is no class of the label, which has 1" in str(error)
    error = refused(read_arrow(place({"_type": "Image"}, [{"bytes": None, "path": "no/where.png"}])))
    assert "column 'col' of row 0: there is no file 'no/where.png'" in str(error)


def test_patch_merges_and_overwrite_replaces(tmp_path: Path, open_: Open) -> None:
    first = write_parquet(pa.table({"x": [1, 2, 3]}), tmp_path / "a.parquet")
    second = write_parquet(pa.table({"y": [10, 20], "x": [None, 5]}), tmp_path / "b.parquet")
    for place, mode in ((first, "patch"), (second, "patch")):
        with open_("ds") as made:
            build_version(made, read_parquet(place), mode=mode)
    assert [dict(row.features) for row in open_("ds")] == [{"y": 10}, {"x": 5, "y": 20}, {"x": 3}]
    with open_("ds") as made:
        build_version(made, read_parquet(second), mode="overwrite")
    assert [dict(row.features) for row in open_("ds")] == [{"y": 10}, {"x": 5, "y": 20}]


def test_keys_of_another_type_are_refused(tmp_path: Path, open_: Open) -> None:
    with open_("ds") as made:
        made.append(("a", {"x": 1}))
        made.commit()
    with pytest.raises(UsageError, match="has str keys"):
        build_version(open_("ds"), read_parquet(write_parquet(pa.table({"x": [1]}), tmp_path / "a.parquet")))


@pytest.mark.needs_lance
def test_lance_data_sets_with_versions_and_blobs(tmp_path: Path) -> None:
    lance = pytest.importorskip("lance")
    place = str(tmp_path / "a.lance")
    lance.write_dataset(pa.table({"x": [1, 2], "v": pa.array([[1.0, 2.0]] * 2, pa.list_(pa.float32(), 2))}), place)
    lance.write_dataset(
        pa.table({"x": [3], "v": pa.array([[0.5, 0.5]], pa.list_(pa.float32(), 2))}), place, mode="append"
    )
    assert rows_of(open_source("lance", [place])) == [
        (0, {"x": 1, "v": [1.0, 2.0]}),
        (1, {"x": 2, "v": [1.0, 2.0]}),
        (2, {"x": 3, "v": [0.5, 0.5]}),
    ]
    assert rows_of(open_source("lance", [place], {"version": "1", "columns": ("x",)})) == [(0, {"x": 1}), (1, {"x": 2})]
    assert "has no column 'y'" in str(refused(open_source("lance", [place], {"columns": ("y",)})))
    assert "there is no folder" in str(refused(open_source("lance", [str(tmp_path / "b.lance")])))
    (tmp_path / "b.parquet").touch()
    said = refused(open_source("lance", [str(tmp_path / "b.parquet")]))
    assert ("is a file" in str(said), said.hint) == (True, "read it with --parquet")
    (tmp_path / "empty.lance").mkdir()
    assert "cannot read" in str(refused(open_source("lance", [str(tmp_path / "empty.lance")])))
    blob = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    lance.write_dataset(
        pa.table({"b": pa.array([b"x" * 10, None], blob.type)}, schema=pa.schema([blob])), str(tmp_path / "b")
    )
    assert rows_of(open_source("lance", [str(tmp_path / "b")])) == [(0, {"b": b"x" * 10}), (1, {})]
