"""Random histories of a dataset against plain dictionaries, one per version: whatever happens, each version reads as it was committed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from starwhale.datasets import changes
from starwhale.datasets.dataset import Dataset
from starwhale.errors import ConflictError, NothingToCommitError
from starwhale.instances import Instance, open_instance
from starwhale.media import Audio, Image
from starwhale.settings import Settings
from starwhale.storage.dataset_rows import blocks, dataset_reader
from starwhale.storage.dataset_rows.limits import Limits

Key = int | str
Model = dict[Key, dict[str, Any]]
NAMES = iter(itertools.count())


# ------------------------------------------------------------------------------------------------------------- values


def long_value(number: int) -> Any:
    return ["x" * 5000, "é" * 3000, b"z" * 5000, b"y" * 9000][number]


def media(kind: type[Image | Audio], number: int, name: str) -> Any:
    return kind([b"", b"small", b"L" * 5000, b"M" * 6000][number], display_name=name)


LONG = st.builds(long_value, st.integers(0, 3))
MEDIA = st.builds(media, st.sampled_from([Image, Audio]), st.integers(0, 3), st.sampled_from(["", "one"]))
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.integers(2**62, 2**66),
    st.floats(allow_nan=True, width=32),
    st.text(max_size=4),
    st.binary(max_size=4),
)
NESTED = st.recursive(
    st.one_of(st.none(), PLAIN, MEDIA, LONG),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["p", "q.r", ""]), inner, max_size=2),
        st.tuples(inner, inner),
    ),
    max_leaves=4,
)
VALUES = st.one_of(PLAIN, PLAIN, LONG, MEDIA, st.lists(st.integers(0, 3), max_size=3), NESTED)
COLUMNS = st.sampled_from(["a", "b", "c.d", "é"])
ROWS = st.dictionaries(COLUMNS, VALUES, min_size=1, max_size=3)
PLACES = st.integers(-2, 9)


def shown(value: Any) -> Any:
    """Make values comparable to the last bit: 1 is not True, NaN is NaN, media are their type, name and bytes."""
    if isinstance(value, Image | Audio):
        return type(value).__name__, value.display_name, value.to_bytes()
    if isinstance(value, float):
        return "float", "nan" if math.isnan(value) else value.hex()
    if isinstance(value, list | tuple):
        return type(value).__name__, [shown(each) for each in value]
    if isinstance(value, dict):
        return "dict", {name: shown(each) for name, each in value.items()}
    return type(value).__name__, value


def shown_row(features: dict[str, Any]) -> dict[str, Any]:
    return {name: shown(value) for name, value in features.items() if value is not None}


def read(dataset: Dataset) -> list[tuple[Key, dict[str, Any]]]:
    return [(row.index, shown_row(row.features)) for row in dataset]


# ---------------------------------------------------------------------------------------------------------- the machine


class History(RuleBasedStateMachine):
    """One dataset, the changes that wait, and what every version of it has to be."""

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self.instance = instance
        self.name = f"history-{next(NAMES)}"
        self.versions: dict[str, Model] = {}
        self.tags: dict[str, str] = {}
        self.rows: Model = {}
        self.base: Model = {}
        self.newest: Model = self.base  # the same one until another writer commits
        self.is_changed = False
        self.auto = self.base_auto = self.newest_auto = 0
        self.kind: type[Key] = int
        self.dataset = self.open()

    def open(self, version: str = "", **options: Any) -> Dataset:
        return self.instance.datasets.open(
            f"{self.name}/version/{version}" if version else self.name, Dataset, **options
        )

    @initialize(kind=st.sampled_from([int, str]))
    def choose_keys(self, kind: type[Key]) -> None:
        self.kind = kind

    def key(self, place: int) -> Key:
        return self.kind(place)

    def put(self, key: Key, row: dict[str, Any]) -> None:
        merged = {**self.rows.get(key, {}), **row}
        self.rows[key] = {name: value for name, value in merged.items() if value is not None}
        self.is_changed = True
        if isinstance(key, int):
            self.auto = max(self.auto, key + 1)

    # --------------------------------------------------------------------------------------------------- changes

    @precondition(lambda self: self.kind is int)
    @rule(row=ROWS)
    def append(self, row: dict[str, Any]) -> None:
        self.dataset.append(row)
        self.put(self.auto, row)

    @rule(place=PLACES, row=ROWS)
    def append_under_a_key(self, place: int, row: dict[str, Any]) -> None:
        self.dataset.append((self.key(place), row))
        self.put(self.key(place), row)

    @precondition(lambda self: self.kind is int)
    @rule(rows=st.lists(ROWS, max_size=6), count=st.integers(1, 3))
    def extend(self, rows: list[dict[str, Any]], count: int) -> None:
        self.dataset.extend(rows * count)
        for row in rows * count:
            self.put(self.auto, row)

    @rule(first=PLACES, step=st.integers(1, 3), row=ROWS)
    def write_several(self, first: int, step: int, row: dict[str, Any]) -> None:
        for place in range(first, first + 4 * step, step):
            self.dataset[self.key(place)] = row
            self.put(self.key(place), row)

    @rule(place=PLACES, column=COLUMNS, value=VALUES)
    def write_one_column(self, place: int, column: str, value: Any) -> None:
        self.dataset[self.key(place)] = {column: value}
        self.put(self.key(place), {column: value})

    @rule(column=COLUMNS, value=VALUES)
    def change_the_kind_of_a_column(self, column: str, value: Any) -> None:
        for row in self.dataset:
            row.features[column] = value
            self.put(row.index, {column: value})

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), column=COLUMNS, value=VALUES)
    def write_through(self, data: Any, column: str, value: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.rows)))
        self.dataset[key].features[column] = value
        self.put(key, {column: value})

    @precondition(lambda self: any(self.rows.values()))
    @rule(data=st.data())
    def hide_a_column(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(key for key, row in self.rows.items() if row)))
        column = data.draw(st.sampled_from(sorted(self.rows[key])))
        del self.dataset[key].features[column]
        self.put(key, {column: None})

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        del self.dataset[self.key(place)]
        self.is_changed = self.is_changed or self.key(place) in self.rows
        self.rows.pop(self.key(place), None)

    @rule(place=PLACES, count=st.integers(0, 9), step=st.sampled_from([None, 1, 2]))
    def delete_range(self, place: int, count: int, step: int | None) -> None:
        start, stop = sorted((self.key(place), self.key(place + count)))
        del self.dataset[start:stop:step]
        for key in [key for key in sorted(self.rows) if start <= key < stop][::step]:  # type: ignore[operator] # of one type
            del self.rows[key]
            self.is_changed = True

    @rule(kind=st.sampled_from([int, str]))
    def overwrite(self, kind: type[Key]) -> None:
        self.dataset.clear()
        self.is_changed = self.is_changed or bool(self.rows)
        self.rows = {}
        self.kind = kind

    # --------------------------------------------------------------------------------------------------- versions

    @rule(tag=st.sampled_from(["", "one", "two"]))
    def commit(self, tag: str) -> None:
        """Commit; what another writer committed meanwhile stays, and where both changed a row it is refused."""
        ours, theirs = difference(self.base, self.rows), difference(self.base, self.newest)
        kinds = {type(key) for key in (*ours, *theirs) if key in self.rows or key in self.newest}
        try:
            version = self.dataset.commit(tags=[tag] if tag else [])
        except NothingToCommitError:
            assert not self.is_changed
            return
        except ConflictError:
            assert ours & theirs or len(kinds) > 1
            self.reopen()
            return
        if self.newest is not self.base:
            assert not ours & theirs
            self.auto = max([self.newest_auto, *(key + 1 for key in ours & self.rows.keys() if isinstance(key, int))])
        rows = {key: row for key, row in self.newest.items() if key not in ours}
        self.newest = rows | {key: self.rows[key] for key in ours & self.rows.keys()}
        self.newest_auto = self.auto
        self.remember(version, tag)
        self.reopen()

    @rule()
    def commit_without_a_word(self) -> None:
        self.commit(tag="")

    @rule(place=st.integers(30, 34), row=ROWS)
    def another_writer_commits(self, place: int, row: dict[str, Any]) -> None:
        kind = type(next(iter(self.newest))) if self.newest else self.kind
        with self.open() as other:
            other[kind(place)] = row
            merged = {**self.newest.get(kind(place), {}), **row}
            version = other.commit()
        self.newest = self.newest | {kind(place): {name: value for name, value in merged.items() if value is not None}}
        self.newest_auto = max(self.newest_auto, place + 1) if kind is int else self.newest_auto
        self.remember(version, "")

    @rule()
    def reopen(self) -> None:
        """Drop what waits."""
        self.dataset.abort()
        self.dataset = self.open()
        self.base, self.base_auto = self.newest, self.newest_auto
        self.rows = {key: dict(row) for key, row in self.base.items()}
        self.auto, self.is_changed = self.base_auto, False
        if self.rows:
            self.kind = type(next(iter(self.rows)))

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def tag(self, data: Any) -> None:
        version = data.draw(st.sampled_from(list(self.versions)))
        self.open(version).tags.add("moved")
        self.tags["moved"] = version

    @precondition(lambda self: not self.dataset.changed)
    @rule()
    def collect_garbage(self) -> None:
        """Sweep what no version names, of whatever age."""
        self.reopen()
        del self.dataset
        garbage = self.instance.garbage
        found = garbage.collect(garbage.plan(min_age_s=-60), min_age_s=-60)
        assert [each for each in found.kept if self.name in each.name] == []
        self.dataset = self.open()

    def remember(self, version: str, tag: str) -> None:
        self.versions[version] = self.newest
        if tag:
            self.tags[tag] = version

    # --------------------------------------------------------------------------------------------------- what holds

    @rule(data=st.data())
    def look(self, data: Any) -> None:
        """Read what waits in every way."""
        check(self.dataset, self.rows)
        key = self.key(data.draw(PLACES))
        row = self.dataset[key]
        assert (row and shown_row(row.features)) == (None if key not in self.rows else shown_row(self.rows[key]))
        assert (key in self.dataset) == (key in self.rows)

    @invariant()
    def every_version_is_what_it_was(self) -> None:
        for version, rows in self.versions.items():
            assert read(self.open(version, readonly=True)) == [(key, shown_row(rows[key])) for key in sorted(rows)]

    def teardown(self) -> None:
        for version, rows in self.versions.items():
            check(self.open(version, readonly=True), rows)
        for tag, version in self.tags.items():
            assert self.open(tag).loading_version == version
        self.dataset.abort()


def difference(older: Model, newer: Model) -> set[Key]:
    """Keys of rows that are new, gone or other."""
    return {
        key
        for key in older.keys() | newer.keys()
        if (key in older) != (key in newer) or shown_row(older[key]) != shown_row(newer[key])
    }


def check(dataset: Dataset, rows: Model) -> None:
    """Read a dataset by iteration, by key, by slice, by rank and by column."""
    keys = sorted(rows)
    expected = [(key, shown_row(rows[key])) for key in keys]
    assert read(dataset) == expected
    assert len(dataset) == len(keys)
    assert [(row.index, shown_row(row.features)) for row in map(dataset.__getitem__, keys)] == expected
    if keys:
        middle = keys[len(keys) // 2]
        part = dataset[middle::2]
        assert [(row.index, shown_row(row.features)) for row in part] == expected[len(keys) // 2 :: 2]
    reader = dataset._view()
    assert reader.take(list(range(len(keys)))[::-2]).keys == keys[::-2]
    for name in reader.columns:
        found = [value for batch in reader.iter_batches([name]) for value in batch.columns[name]]
        assert list(map(shown, found)) == [shown(rows[key].get(name)) for key in keys]
    assert reader.verify() == []


# --------------------------------------------------------------------------------------------------------------- tests


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Instance]:
    """An instance of many datasets."""
    with open_instance(Settings(config_path=tmp_path / "c.yaml", root=None, default_root=tmp_path / "root")) as opened:
        yield opened


COUNTS = [
    pytest.param(6, id="few"),
    pytest.param(100, id="more", marks=pytest.mark.needs_time),
    pytest.param(3000, id="thousands", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("is_small", [False, True], ids=["as-it-is", "lowered-limits"])
@pytest.mark.parametrize("count", COUNTS)
def test_every_version_reads_as_it_was_committed(
    roomy: Instance, monkeypatch: pytest.MonkeyPatch, count: int, is_small: bool
) -> None:
    """With lowered limits a few rows fill blocks, fragments, packs, overlays and layers, and commits fold them."""
    if is_small:
        roomy.stores.datasets.limits = Limits(
            block_rows=4,
            overlay_rows=4,
            fragment_rows=9,
            group_rows=2,
            beside_wide_rows=3,
            many_bytes=1,
            wide_bytes=6,
            batch_rows=5,
            max_layers=2,
            free_layer_rows=12,
            max_small=1,
            pack_bytes=9000,
            max_mapped=2,
            max_open=2,
        )
        limits = {
            changes: {"GATHER_ROWS": 3, "CHUNK_ROWS": 4},
            blocks: {"BLOCK_BYTES": 16},
            dataset_reader: {"BATCH_ROWS": 5},
        }
        for module, values in limits.items():
            for name, value in values.items():
                monkeypatch.setattr(module, name, value)
    run_state_machine_as_test(
        lambda: History(roomy),  # type: ignore[arg-type] # any factory will do, says its documentation
        settings=settings(
            max_examples=count,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
