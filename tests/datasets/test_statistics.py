"""What the statistics of a version say, of every kind; that they are kept once, and that nothing kept is trusted unchecked."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from starwhale.datasets.statistics import compute
from starwhale.datasets.statistics.facts import ColumnStatistics, DatasetStatistics
from starwhale.errors import CorruptedError, UsageError
from starwhale.instances import Instance, open_instance
from starwhale.media import Binary, BoundingBox, ClassLabel, Image, Link, MIMEType, Text
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open
    from tests.s3_server import S3Server

LONG = 9000
"""Bytes that lie in a pack, not in the row."""


def of(open_: Open, name: str = "ds") -> DatasetStatistics:
    with open_(name, readonly=True) as opened:
        return opened.statistics()


def test_each_kind_is_told_by_what_matters_of_it(open_: Open, build: Build) -> None:
    build(
        {
            "flag": place % 4 == 0,
            "number": place,
            "weight": math.nan if place == 0 else math.inf if place == 1 else -math.inf if place < 4 else place / 2,
            "label": "cat" if place % 5 else "dog",
            "note": "é" * (place % 3),
            "raw": bytes(place % 2),
            "tags": ["x"] * (place % 7),
            "box": {"left": place, "name": f"n{place % 2}"},
            "mixed": [place, place + 0.5, "text", None][place % 4],
            "mostly": None if place % 10 else place,
        }
        for place in range(100)
    )
    found = of(open_)
    assert (found.rows, [each.name for each in found.columns][:3]) == (100, ["flag", "number", "weight"])
    flag, number, weight, label = (found[name] for name in ("flag", "number", "weight", "label"))
    assert flag.balance is not None
    assert [(each.value, each.count, each.share) for each in flag.balance.classes] == [
        (False, 75, 0.75),
        (True, 25, 0.25),
    ]
    assert flag.balance.ratio == 3
    assert number.numbers is not None
    assert (number.numbers.minimum, number.numbers.mean, number.numbers.maximum) == (0, 49.5, 99)
    assert number.numbers.histogram.edges == tuple(range(0, 101, 5))
    assert set(number.numbers.histogram.counts) == {5}
    assert weight.numbers is not None
    assert (weight.nan, weight.positive_infinity, weight.negative_infinity) == (1, 1, 2)
    assert (weight.numbers.minimum, weight.numbers.maximum, weight.count) == (2.0, 49.5, 100)
    assert weight.distinct is not None
    assert weight.distinct.count == 96 + 3
    assert label.balance is not None
    assert label.distinct is not None
    assert [(each.value, each.count) for each in label.balance.classes] == [("cat", 80), ("dog", 20)]
    assert round(label.balance.evenness, 4) == 0.7219
    assert (label.distinct.count, label.distinct.error) == (2, 0.0)
    note, raw, tags, mostly = (found[name] for name in ("note", "raw", "tags", "mostly"))
    assert note.sizes is not None
    assert (note.sizes.maximum, note.size_unit, note.total_size) == (2, "characters", 99)
    assert (raw.size_unit, raw.total_size) == ("bytes", 50)
    assert raw.distinct is not None
    assert raw.distinct.count == 2
    assert tags.sizes is not None
    assert (tags.sizes.minimum, tags.sizes.maximum, tags.size_unit, tags.total_size) == (0, 6, "items", 295)
    assert (mostly.count, mostly.missing) == (10, 90)
    fields = {each.name: each for each in found["box"].fields}
    assert fields["left"].numbers == number.numbers
    assert fields["name"].balance is not None
    mixed = found["mixed"]
    assert (mixed.kind, mixed.count, mixed.missing) == ("variant", 75, 25)
    assert {each.value: each.count for each in mixed.kinds} == {"int": 25, "float": 25, "str": 25}
    of_kind = {each.name: each for each in mixed.fields}
    assert of_kind["int"].numbers is not None
    assert (of_kind["int"].numbers.maximum, of_kind["int"].missing) == (96, 0)


def test_media_are_told_by_sizes_types_and_shapes_without_reading_any(
    open_: Open, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(size: int, width: int) -> Image:
        return Image(bytes([width]) * size, shape=(2, width, 3), mime_type=MIMEType.PNG)

    away = Image(shape=(5, 5, 1), mime_type=MIMEType.JPEG, link=Link("s3://bucket/a.jpg"))
    build(
        {
            "picture": [picture(10, 4), picture(LONG, 4), picture(LONG, 5), away][place % 4],
            "inner": Binary(b"abc" if place % 2 else b""),
            "text": Text("héllo"),
            "box": BoundingBox(place % 2, 0, 1, 1),
            "classes": ClassLabel(["a", "b"]),
            "long": ("long " * 3000 + str(place % 2)) if place % 2 else "short",
        }
        for place in range(40)
    )
    with open_("ds", readonly=True) as opened:
        from starwhale.storage.dataset_rows.packs import PackSource

        read: list[int] = []
        whole = PackSource.read

        def watched(source: PackSource, *args: Any) -> bytes:
            content = whole(source, *args)
            read.append(len(content))
            return content

        monkeypatch.setattr(PackSource, "read", watched)  # a fake source would not be what the store makes
        found = opened.statistics()
    assert set(read) <= {len("long " * 3000) + 1}, "only long text is read, for its characters"
    column = found["picture"]
    assert (column.count, column.linked, column.size_unit) == (40, 10, "bytes")
    assert column.sizes is not None
    assert (column.sizes.minimum, column.sizes.maximum, column.total_size) == (10, LONG, 10 * 10 + 20 * LONG)
    assert {each.value: each.count for each in column.mime_types} == {"image/png": 30, "image/jpeg": 10}
    assert {each.value: each.count for each in column.shapes} == {"2×4×3": 20, "2×5×3": 10, "5×5×1": 10}
    assert found["inner"].sizes is not None
    assert (found["inner"].sizes.minimum, found["inner"].total_size) == (0, 60)
    distinct = {each.name: each.distinct.count for each in found.columns if each.distinct is not None}
    assert distinct == {"picture": 4, "inner": 2, "text": 1, "box": 2, "classes": 1, "long": 2}
    top = found["long"].top
    assert top is not None
    assert [(each.value, each.count) for each in top.values] == [("long " * 40 + "…", 20), ("short", 20)]
    assert found["long"].sizes is not None
    assert found["long"].sizes.maximum == len("long " * 3000) + 1


def test_long_lists_and_odd_values_are_mixed_and_told_all_the_same(open_: Open, build: Build) -> None:
    """A long list lies in a pack as a variant; it is a list to whoever asks."""
    build(
        {"vector": [0.5] * (700 + place % 3), "odd": [2**70, (1, 2), "\ud800", [1]][place % 4]} for place in range(40)
    )
    found = of(open_)
    (vector,) = found["vector"].fields
    assert [(each.value, each.count) for each in found["vector"].kinds] == [("list", 40)]
    assert vector.sizes is not None
    assert (vector.name, vector.sizes.minimum, vector.sizes.maximum, vector.count) == ("list", 700, 702, 40)
    assert vector.total_size == sum(700 + place % 3 for place in range(40))
    types = {each.value: each.count for each in found["odd"].kinds}
    assert types == {"int over 64 bits": 10, "tuple": 10, "str with lone surrogates": 10, "list": 10}


def test_the_merged_rows_count_not_the_files_below(open_: Open, build: Build) -> None:
    """Patches, deletions, new columns and changed kinds lie in layers over the run."""
    build({"n": place, "t": "a" * (place % 3), "long": "l" * LONG} for place in range(1500))
    with open_("ds") as opened:
        opened[10] = {"n": 10_000_000}
        opened[11] = {"n": -5, "t": None}
        opened.put_feature(12, "t", "b" * (LONG + 1))
        opened.put_feature(13, "new", 1.5)
        del opened[20:120]
        opened.append({"n": 7, "t": "b", "long": "l" * LONG})
        opened.commit()
    with open_("ds", readonly=True) as opened:
        rows = [dict(row.features) for row in opened]
        found = opened.statistics()
    check_plain(found, rows)
    assert found.rows == 1401
    assert found["long"].distinct is not None
    assert found["long"].distinct.count == 1, "long text is the same whether its row was changed or not"
    with open_("ds/version/v0", readonly=True) as opened:
        assert opened.statistics()["n"].missing == 0
        assert opened.statistics()["n"].count == 1500, "the old version has its own"


def check_plain(found: DatasetStatistics, rows: list[dict[str, Any]]) -> None:
    """Compare with what plain Python and NumPy say of the same rows."""
    for column in found.columns:
        cells = [row[column.name] for row in rows if row.get(column.name) is not None]
        assert (column.count, column.missing) == (len(cells), len(rows) - len(cells))
        parts = column.fields if column.kind == "variant" else (column,)
        for part in parts:
            check_part(part, [cell for cell in cells if column.kind != "variant" or type(cell).__name__ == part.name])


def check_part(part: ColumnStatistics, cells: list[Any]) -> None:
    assert part.count == len(cells)
    if part.kind in {"int", "float"}:
        finite = [cell for cell in cells if math.isfinite(cell)]
        if finite:
            assert part.numbers is not None
            assert (part.numbers.minimum, part.numbers.maximum) == (min(finite), max(finite))
            assert math.isclose(part.numbers.mean, np.mean(np.array(finite, float)), rel_tol=1e-9, abs_tol=1e-9)
            assert sum(part.numbers.histogram.counts) == len(finite)
        assert part.nan == sum(math.isnan(cell) for cell in cells)
    if part.kind in {"int", "str", "bool"}:
        assert part.distinct is not None
        assert part.distinct.count == len(set(cells))
    if part.kind in {"str", "bytes"} and cells:
        assert part.sizes is not None
        assert part.total_size == sum(map(len, cells))
    if part.kind in {"int", "str"} and cells:
        assert part.top is not None
        assert [each.count for each in part.top.values] == [count for _, count in Counter(cells).most_common(20)]


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.just("long" * 2000),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), CELLS), min_size=1, max_size=30),
    st.dictionaries(st.integers(0, 29), st.dictionaries(st.sampled_from("abcd"), CELLS, min_size=1), max_size=8),
    st.sets(st.integers(0, 29), max_size=5),
)
def test_random_rows_and_changes_agree_with_plain_python(
    instance: Instance, rows: list[Any], changes: dict[int, Any], deleted: set[int]
) -> None:
    from starwhale.datasets.dataset import Dataset

    name = f"d{random.Random(repr((rows, changes, deleted))).getrandbits(48):x}"
    with instance.datasets.open(name, Dataset) as opened:
        for row in rows:
            opened.append({"z": 1, **row})
        opened.commit()
    with instance.datasets.open(name, Dataset) as opened:
        for key, row in changes.items():
            opened[key] = {"z": 2, **row}
        for key in deleted & set(range(len(rows))):
            del opened[key]
        found = opened.statistics()
        check_plain(found, [dict(row.features) for row in opened])
        opened.abort()


def test_a_dataset_without_rows_and_columns_without_values(open_: Open, build: Build) -> None:
    build([{"gone": place, "all": 1} for place in range(3)])
    with open_("ds") as opened:
        for key in range(3):
            opened.put_feature(key, "gone", None)
        opened.commit()
    gone = of(open_)["gone"]
    assert (gone.count, gone.missing, gone.numbers, gone.top) == (0, 3, None, None)
    with open_("ds") as opened:
        opened.clear()
        opened.commit()
    assert of(open_).rows == 0
    with open_("fresh") as opened:
        assert opened.statistics() == DatasetStatistics(rows=0, columns=())


def test_they_are_computed_once_per_version_and_read_back_whole(
    open_: Open, build: Build, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    build({"n": place, "t": str(place), "x": place / 3, "b": {"c": [place]}} for place in range(500))
    calls: list[int] = []
    whole = compute.compute_statistics

    def counted(*args: Any) -> DatasetStatistics:
        calls.append(1)
        return whole(*args)

    monkeypatch.setattr(compute, "compute_statistics", counted)  # how often it happens is the promise
    first = of(open_)
    assert of(open_) == first
    assert instance.datasets.statistics("ds") == first
    assert instance.datasets.statistics("ds", ["T"]).columns == (first["t"],)
    assert len(calls) == 1
    assert DatasetStatistics.from_json(json.loads(json.dumps(first.to_json()))) == first
    with open_("ds") as opened:
        opened.append({"n": 1000})
        assert opened.statistics()["n"].count == 501, "what is not committed counts, and is not kept"
        opened.abort()
    assert of(open_) == first


def kept_file(instance: Instance) -> Path:
    (path,) = Path(instance.datasets.folder(instance.datasets.resolve("ds"))).glob("statistics/*.json")
    return path


def test_a_damaged_or_older_file_is_made_again(open_: Open, build: Build, instance: Instance) -> None:
    build({"n": place} for place in range(50))
    first = of(open_)
    path = kept_file(instance)
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        assert of(open_) == first
        assert path.read_bytes() == content
    for wrong in (b"", content[:100], content.replace(b"\n", b"")):
        path.write_bytes(wrong)
        assert of(open_) == first
    path.unlink()
    assert of(open_) == first
    assert path.read_bytes() == content


def test_where_nothing_can_be_written_they_are_computed_each_time(
    open_: Open, build: Build, instance: Instance
) -> None:
    build({"n": place} for place in range(50))
    folder = Path(instance.datasets.folder(instance.datasets.resolve("ds")))
    (folder / "statistics").write_text("a file where the folder would be")
    assert of(open_)["n"].count == 50
    assert of(open_)["n"].count == 50


def test_unknown_columns_are_refused_by_name(open_: Open, build: Build) -> None:
    build([{"label": 1}])
    with open_("ds", readonly=True) as opened, pytest.raises(UsageError, match="labels") as caught:
        opened.statistics(["labels"])
    assert "label" in caught.value.hint


def test_damaged_rows_are_no_statistics(open_: Open, build: Build, instance: Instance) -> None:
    build({"n": place} for place in range(50))
    folder = Path(instance.datasets.folder(instance.datasets.resolve("ds")))
    for fragment in folder.glob("fragments/*"):
        content = bytearray(fragment.read_bytes())
        group = pq.ParquetFile(fragment).metadata.row_group(0)
        places = {
            group.column(leaf).path_in_schema: group.column(leaf).data_page_offset for leaf in range(group.num_columns)
        }
        content[places["n"]] ^= 1
        fragment.write_bytes(content)
    with open_("ds", readonly=True) as opened, pytest.raises(CorruptedError):
        opened.statistics()
    assert not list(folder.glob("statistics/*"))


@pytest.mark.needs_s3
def test_a_dataset_on_an_object_store_is_told_alike_and_keeps_nothing(s3: S3Server, tmp_path: Path) -> None:
    from starwhale.datasets.dataset import Dataset

    env = {**s3.environment, "HOME": str(tmp_path), "SW_LOCAL_STORAGE": str(tmp_path / "root")}
    with open_instance(read_settings(env)) as here:
        with here.datasets.open("ds", Dataset) as made:
            made.extend([{"n": place, "picture": Image(bytes([place]) * LONG)} for place in range(100)])
            made.commit()
        there = f"s3://{s3.bucket}/stats"
        here.datasets.copy("ds", there)
        before = {each["Key"] for each in s3.client().list_objects_v2(Bucket=s3.bucket, Prefix="stats")["Contents"]}
        assert here.datasets.statistics(f"{there}/ds") == here.datasets.statistics("ds")
        after = {each["Key"] for each in s3.client().list_objects_v2(Bucket=s3.bucket, Prefix="stats")["Contents"]}
        assert after == before
