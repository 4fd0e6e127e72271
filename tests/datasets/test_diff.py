"""`diff`: the same answer as comparing two dicts, without reading what both versions share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starwhale.datasets.compare import compare_rows
from starwhale.datasets.dataset import Dataset
from starwhale.datasets.diff import diff_versions, show_cell
from starwhale.errors import NotFoundError, UsageError
from starwhale.instances import Instance
from starwhale.media import Image
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.protocols import DatasetReader, Key

if TYPE_CHECKING:
    from tests.datasets.conftest import Build, Open

Content = dict[Key, dict[str, Any]]


def content_of(reader: DatasetReader) -> Content:
    rows = reader.read(0, reader.row_count)
    return {
        key: {name: column[at] for name, column in rows.columns.items() if column[at] is not None}
        for at, key in enumerate(rows.keys)
    }


def said(before: DatasetReader, after: DatasetReader) -> tuple[set[Key], set[Key], set[Key]]:
    """Added, removed and changed keys, with what each side of them holds checked on the way."""
    first, second = content_of(before), content_of(after)
    found: tuple[set[Key], set[Key], set[Key]] = set(), set(), set()
    for change in compare_rows(before, after):
        place = 0 if change.before is None else 1 if change.after is None else 2
        assert change.key not in set().union(*found)
        found[place].add(change.key)
        assert (change.before.features if change.before else None) == first.get(change.key)
        assert (change.after.features if change.after else None) == second.get(change.key)
    return found


def expected(first: Content, second: Content) -> tuple[set[Key], set[Key], set[Key]]:
    both = first.keys() & second.keys()
    return second.keys() - first.keys(), first.keys() - second.keys(), {k for k in both if first[k] != second[k]}


ROW = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from([None, 1, 2, "x", "y" * 5000]), min_size=1)
STEP = st.tuples(st.sampled_from(["put", "delete", "commit"]), st.integers(0, 40), ROW)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40), as_text=st.booleans())
def test_any_two_versions_differ_as_two_dicts_do(
    steps: list[tuple[str, int, dict[str, Any]]], as_text: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = LocalDatasetStore(tmp_path_factory.mktemp("d"))
    writer = store.begin("d", None)
    for number in range(10, 30):
        writer.put(f"{number:03}" if as_text else number, {"a": number})
    digests = [writer.commit().manifest_digest]
    writer = store.begin("d", digests[-1])
    for what, number, row in [*steps, ("commit", 0, {"a": 1})]:
        key = f"{number:03}" if as_text else number
        if what == "put":
            writer.put(key, row)
        elif what == "delete":
            writer.delete(key)
        elif writer.is_changed:
            digests.append(writer.commit().manifest_digest)
            writer = store.begin("d", digests[-1])
    readers = [store.open_version("d", digest) for digest in digests]
    for before, after in {(0, len(readers) - 1), (len(readers) - 1, 0), (len(readers) // 2, len(readers) - 1)}:
        first, second = readers[before], readers[after]
        assert said(first, second) == expected(content_of(first), content_of(second))


def test_what_both_versions_share_is_not_read(build: Build, open_: Open, instance: Instance) -> None:
    """Fragments that both have are damaged here, and nobody notices; whoever compared all rows would."""
    build([{"x": number} for number in range(300_000)])
    with open_("ds") as opened:
        opened[7] = {"x": -7}
        del opened[299_000]
        opened.append({"x": 1})
        opened.commit()
    first, second = (instance.datasets.resolve(f"ds/version/{tag}") for tag in ("v0", "v1"))
    folder = Path(instance.datasets.folder(first))
    rows = instance.stores.datasets
    manifest = rows.open_version(first.bundle_id, first.content_digest).manifest
    middle = sorted(manifest.run, key=lambda part: int(part.low))[1]
    path = folder / "fragments" / f"{middle.file}.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = instance.datasets.diff("ds/version/v0", "ds", show_details=True)
    assert (found.added_keys, found.removed_keys, found.changed_keys) == ([300_000], [299_000], [7])
    assert second.row_count == 300_000
    assert found.unchanged == 299_998


def test_columns_kinds_and_cells(build: Build, open_: Open) -> None:
    build([(1, {"n": 1, "t": "a"}), (2, {"n": 2, "gone": True}), (3, {"n": float("nan")})])
    build([(1, {"n": 1, "t": "b" * 300}), (2, {"n": 2.0}), (3, {"n": float("nan"), "new": b"xy"})], name="other")
    with open_("ds") as base, open_("other") as compare:
        found = base.diff_to(compare, show_details=True)
    assert found.to_json()["columns"] == {
        "added": {"new": "bytes"},
        "removed": {"gone": "bool"},
        "kind_changed": {"n": ["variant", "float"]} if "n" in found.changed_columns else {},
        "changed_cells": {"t": 1, "n": 1, "gone": 1, "new": 1},
    }
    assert found.details is not None
    cells = {(row.key, each.column): (each.old, each.new) for row in found.details for each in row.cells}
    assert cells[1, "t"] == ("a", "b" * 200 + "… (300 characters)")
    assert cells[2, "n"] == (2, 2.0)
    assert type(cells[2, "n"][1]) is float
    assert cells[2, "gone"] == (True, None)
    assert (3, "n") not in cells  # NaN is what it was
    assert cells[3, "new"][1]["size"] == 2


def test_nan_does_not_look_like_text(build: Build, open_: Open) -> None:
    build([{"n": float("nan")}])
    build([{"n": "nan"}], name="other")
    with open_("ds") as base, open_("other") as compare:
        ((cell,),) = (row.cells for row in base.diff_to(compare, show_details=True).details or ())
    assert (cell.old, cell.new) == ({"type": "float", "value": "nan"}, "nan")


def test_media_are_shown_by_type_size_and_digest(build: Build, instance: Instance) -> None:
    build([{"image": Image(bytes(6000), display_name="a.png")}], name="a")
    build([{"image": Image(bytes(5999), display_name="b.png")}], name="b")
    build([{"image": Image(bytes(6000), display_name="a.png")}], name="same")
    assert instance.datasets.diff("a", "same").is_same
    found = instance.datasets.diff("a", "b", show_details=True)
    assert found.details is not None
    ((cell,),) = (row.cells for row in found.details)
    assert [(each["type"], each["size"], each["name"]) for each in (cell.old, cell.new)] == [
        ("Image", 6000, "a.png"),
        ("Image", 5999, "b.png"),
    ]
    assert cell.old["digest"] != cell.new["digest"]


def test_keys_of_two_types_share_no_row(build: Build, instance: Instance) -> None:
    build([(1, {"x": 1}), (2, {"x": 2})], name="ints")
    build([("1", {"x": 1})], name="texts")
    found = instance.datasets.diff("ints", "texts")
    assert (found.removed_keys, found.added_keys, found.changed) == ([1, 2], ["1"], 0)


def test_lists_are_cut_and_counts_are_whole(build: Build, instance: Instance, open_: Open) -> None:
    build([{"x": number} for number in range(100)])
    with open_("ds") as opened:
        for number in range(50):
            opened[number] = {"x": -1}
        opened.info["note"] = "changed"
        opened.commit()
    found = instance.datasets.diff("ds/version/v0", "ds", show_details=True, limit=3)
    assert found.changed == 50
    assert found.changed_keys == [0, 1, 2]
    assert [row.key for row in found.details or ()] == [0, 1, 2]
    assert found.info_changed
    with pytest.raises(UsageError):
        instance.datasets.diff("ds", "ds", limit=-1)


def test_uncommitted_changes_are_seen(build: Build, open_: Open) -> None:
    build([{"x": 1}])
    with open_("ds") as changed, open_("ds", readonly=True) as base:
        changed.append({"x": 2})
        assert base.diff_to(changed).added_keys == [1]
        changed.abort()
    assert isinstance(base, Dataset)


def test_an_unknown_version_is_named_with_its_nearest(build: Build, instance: Instance) -> None:
    build([{"x": 1}], name="digits")
    with pytest.raises(NotFoundError, match="digits"):
        instance.datasets.diff("digits", "digit")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("inf"), {"type": "float", "value": "inf"}),
        ([1, 2], [1, 2]),
        ({"a": None}, {"a": None}),
        ((1, 2), "(1, 2)"),
        (None, None),
    ],
)
def test_cells_are_shown_as_json(value: Any, shown: Any) -> None:
    assert show_cell(value) == shown


def test_the_versions_of_nothing_are_the_same(open_: Open) -> None:
    empty: Mapping[str, Any] = {}
    with open_("fresh") as first, open_("other") as second:
        assert diff_versions(first._view(), second._view()).changed_columns == empty
