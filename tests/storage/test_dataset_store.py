"""Datasets against a plain dict: whatever is put, deleted, committed and read again."""

from __future__ import annotations

import gc
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from starwhale.errors import CorruptedError, FieldNameError, ReadOnlyError, UsageError
from starwhale.media import Image
from starwhale.storage.columns.encode import decode_batch
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.unused_files import unused_files
from starwhale.storage.in_use import claim
from starwhale.storage.protocols import DatasetReader, DatasetStore, DatasetWriter, Key, Rows

Model = dict[Key, dict[str, Any]]


def as_dict(reader: DatasetReader) -> Model:
    """Read a whole version the way a loop does."""
    found: Model = {}
    for rows in reader.iter_batches():
        found.update(rows_as_dict(rows))
    return found


def rows_as_dict(rows: Rows) -> Model:
    return {
        key: {name: column[place] for name, column in rows.columns.items() if column[place] is not None}
        for place, key in enumerate(rows.keys)
    }


def commit_rows(store: DatasetStore, rows: Model, base: str | None = None, name: str = "d") -> str:
    writer = store.begin(name, base)
    for key, features in rows.items():
        writer.put(key, features)
    return writer.commit().manifest_digest


SMALL = Limits(block_rows=3, fragment_rows=5, overlay_rows=3, free_layer_rows=4, max_layers=2, max_small=1)
"""A few rows fill blocks, overlays and layers."""


@pytest.fixture
def store(tmp_path: Path) -> LocalDatasetStore:
    return LocalDatasetStore(tmp_path / "datasets")


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(2**62, 2**65),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(["x" * 5000, "y" * 5000, b"z" * 5000]),
    st.lists(st.integers(0, 3), max_size=3),
    st.tuples(st.integers(0, 3), st.text(max_size=2)),
    st.dictionaries(st.sampled_from(["p", "q.r", ""]), st.one_of(st.integers(0, 3), st.text(max_size=2)), max_size=2),
)
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c.d"]), CELLS, max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(-3, 30), ROWS),
        st.tuples(st.just("append"), st.integers(1, 4), ROWS),
        st.tuples(st.just("delete"), st.integers(-3, 30), st.none()),
        st.tuples(st.just("delete_range"), st.integers(-3, 30), st.integers(0, 8)),
        st.tuples(st.just("commit"), st.none(), st.none()),
        st.tuples(st.just("look"), st.integers(-3, 30), st.none()),
        st.tuples(st.just("clear"), st.none(), st.none()),
    ),
    max_size=30,
)


@pytest.mark.parametrize("key_type", [int, str])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, small=st.booleans())
def test_any_sequence_of_changes_reads_like_a_dict(
    tmp_path_factory: pytest.TempPathFactory, key_type: type, steps: list[Any], small: bool
) -> None:
    root = tmp_path_factory.mktemp("p")
    limits = SMALL if small else LIMITS
    store, model, base = LocalDatasetStore(root, limits=limits), Model(), None
    writer = store.begin("d", None)
    versions: list[tuple[str, Model]] = []
    for what, one, two in steps:
        if what == "put":
            put(writer, model, key_type(one), two)
        elif what == "append":
            for _ in range(one):
                put(writer, model, key_type(writer.next_auto_key()), two)
        elif what == "delete":
            writer.delete(key_type(one))
            model.pop(key_type(one), None)
        elif what == "delete_range":
            start, stop = sorted((key_type(one), key_type(one + two)))
            writer.delete_range(start, stop)
            model = {key: row for key, row in model.items() if not start <= key < stop}
        elif what == "clear":
            writer.clear()
            model = {}
        elif what == "look":
            assert writer.get(key_type(one)) == model.get(key_type(one))
            assert len(writer) == len(model)
            assert as_dict(writer.snapshot()) == model
        else:
            base = writer.commit().manifest_digest
            versions.append((base, {key: dict(row) for key, row in model.items()}))
            store = LocalDatasetStore(root, limits=limits)
            writer = store.begin("d", base)
    versions.append((writer.commit().manifest_digest, model))
    fresh = LocalDatasetStore(root)
    for digest, expected in versions:
        check_version(fresh, digest, expected)


def put(writer: DatasetWriter, model: Model, key: Key, row: dict[str, Any]) -> None:
    writer.put(key, row)
    merged = {**model.get(key, {}), **row}
    model[key] = {name: value for name, value in merged.items() if value is not None}


def typed(model: Model) -> dict[Key, list[str]]:
    """Tell 1 from True and 1.0."""
    return {key: sorted(f"{name}={value!r}" for name, value in row.items()) for key, row in model.items()}


def check_version(store: LocalDatasetStore, digest: str, expected: Model) -> None:
    reader = store.open_version("d", digest)
    keys = sorted(expected)
    found = as_dict(reader)
    assert found == expected
    assert typed(found) == typed(expected)
    assert list(found) == keys
    assert reader.row_count == len(expected)
    assert [reader.rank(key) for key in keys] == list(range(len(keys)))
    assert rows_as_dict(reader.take(list(range(len(keys)))[::-2])) == {key: expected[key] for key in keys[::-2]}
    for start in range(0, len(keys), 3):
        batch = reader.read_arrow(start, start + 3)
        assert batch.column(0).to_pylist() == keys[start : start + 3]
        columns = decode_batch(batch, reader.source_of)
        for names in (None, *([name] for name in reader.columns)):
            keyless = reader.read_arrow(start, start + 3, names, with_keys=False)
            assert keyless.num_rows == batch.num_rows
            for name, column in decode_batch(keyless, reader.source_of).items():
                assert repr(column) == repr(columns[name])
        for place, key in enumerate(keys[start : start + 3]):
            row = {name: column[place] for name, column in columns.items() if column[place] is not None}
            assert row == expected[key]
    assert reader.verify() == []


def test_the_store_meets_its_contracts(store: LocalDatasetStore) -> None:
    contract: DatasetStore = store
    writer: DatasetWriter = contract.begin("d", None)
    writer.put(1, {"a": 1})
    reader: DatasetReader = contract.open_version("d", writer.commit().manifest_digest)
    assert reader.read(0, 9) == Rows(keys=[1], columns={"a": [1]})


def test_an_old_version_stays_as_it_was(store: LocalDatasetStore) -> None:
    first = commit_rows(store, {key: {"a": key} for key in range(100)})
    second = commit_rows(store, {5: {"a": -5, "b": "new"}, 200: {"a": 200}}, first)
    writer = store.begin("d", second)
    writer.delete_range(0, 50)
    third = writer.commit().manifest_digest
    assert as_dict(store.open_version("d", first)) == {key: {"a": key} for key in range(100)}
    assert as_dict(store.open_version("d", second))[5] == {"a": -5, "b": "new"}
    assert list(as_dict(store.open_version("d", third))) == [*range(50, 100), 200]


def test_a_small_change_of_many_rows_writes_little(store: LocalDatasetStore, tmp_path: Path) -> None:
    writer = store.begin("d", None)
    keys = list(range(200_000))
    writer.put_columns(keys, {"i": keys, "t": [f"text {key}" for key in keys]})
    first = writer.commit()
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    second = commit_rows(store, {key: {"t": "changed"} for key in range(0, 200_000, 20_000)}, first.manifest_digest)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) - before < 20_000
    rows = store.open_version("d", second).read(19_999, 20_002)
    assert rows == Rows(
        keys=[19_999, 20_000, 20_001],
        columns={"i": [19_999, 20_000, 20_001], "t": ["text 19999", "changed", "text 20001"]},
    )


def test_keys_are_of_one_type(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    writer.put(1, {"a": 1})
    with pytest.raises(UsageError, match="'x' is of type str, but this dataset has keys of type int"):
        writer.put("x", {"a": 1})
    with pytest.raises(UsageError, match="True is of type bool"):
        writer.put(True, {"a": 1})
    with pytest.raises(UsageError, match="64 bits"):
        writer.put(2**63, {"a": 1})
    assert writer.commit().row_count == 1


def test_features_that_differ_only_in_case_are_refused(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    writer.put(1, {"Label": 1})
    with pytest.raises(FieldNameError, match="'label' differs from 'Label' only in case"):
        writer.put(2, {"label": 1})


def test_automatic_keys_are_never_used_twice(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    assert [writer.next_auto_key(), writer.next_auto_key()] == [0, 1]
    writer.put(41, {"a": 1})
    assert writer.next_auto_key() == 42
    writer.delete(41)
    later = store.begin("d", writer.commit().manifest_digest)
    assert later.next_auto_key() == 43


def test_equal_large_values_are_stored_once(store: LocalDatasetStore) -> None:
    content = random.Random(1).randbytes(100_000)
    writer = store.begin("d", None)
    for key in range(5):
        writer.put(key, {"image": Image(content, display_name=str(key)), "raw": content})
    first = writer.commit()
    assert first.increased_blobs_byte_size == 100_000
    again = store.begin("d", first.manifest_digest)
    again.put(9, {"raw": content})
    second = again.commit()
    assert (second.increased_blobs_byte_size, second.blobs_byte_size) == (0, 100_000)
    assert store.open_version("d", second.manifest_digest).get(9) == {"raw": content}


def test_large_media_is_read_only_when_asked_for(store: LocalDatasetStore) -> None:
    digest = commit_rows(store, {0: {"image": Image(b"x" * 10_000), "label": 1}})
    for pack in store.root.rglob("*.pack"):
        pack.write_bytes(b"y" * 10_000)
    reader = store.open_version("d", digest)
    rows = reader.read(0, 1)
    assert rows.columns["label"] == [1]
    with pytest.raises(CorruptedError, match=r"\.pack"):
        rows.columns["image"][0].to_bytes()


def test_media_read_from_a_dataset_is_put_again_without_a_copy(store: LocalDatasetStore) -> None:
    first = commit_rows(store, {0: {"image": Image(b"x" * 10_000)}})
    image = store.open_version("d", first).read(0, 1).columns["image"][0]
    writer = store.begin("d", first)
    writer.put(1, {"image": image})
    assert writer.commit().increased_blobs_byte_size == 0


def test_equal_rows_have_equal_digests_however_they_are_stored(store: LocalDatasetStore) -> None:
    rows: Model = {
        0: {"a": 1, "t": "x" * 9000, "i": Image(b"1" * 9000), "l": [Image(b"2" * 9000)]},
        1: {"a": 2, "t": "y", "i": Image(b"3"), "l": [1]},
    }
    first = store.open_version("d", commit_rows(store, rows))
    other = commit_rows(store, {1: {"a": (1, 2)}, 0: {"a": "text"}}, name="e")
    for key in rows:
        other = commit_rows(store, {key: rows[key]}, other, name="e")
    second = store.open_version("e", other)
    assert first.columns["a"] == "int"
    assert second.columns["a"] == "variant"
    assert first.row_digests(0, 2) == second.row_digests(0, 2)
    assert len(set(first.row_digests(0, 2))) == 2


def test_what_was_put_does_not_change_with_the_users_objects(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    row: dict[str, Any] = {"l": [1, [2]], "d": {"x": [1]}}
    writer.put(0, row)
    row["l"][1].append(3)
    row["d"]["x"].clear()
    row["new"] = 1
    assert writer.get(0) == {"l": [1, [2]], "d": {"x": [1]}}


def test_threads_put_at_the_same_time(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)

    def work(number: int) -> None:
        for key in range(number, 4000, 4):
            writer.put(key, {"a": key})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = as_dict(store.open_version("d", writer.commit().manifest_digest))
    assert found == {key: {"a": key} for key in range(4000)}


def test_many_small_commits_keep_few_fragments(store: LocalDatasetStore) -> None:
    digest: str | None = None
    for key in range(40):
        digest = commit_rows(store, {key: {"a": key}, key // 2: {"b": key}}, digest)
    assert digest is not None
    reader = store.open_version("d", digest)
    assert as_dict(reader)[19] == {"a": 19, "b": 39}
    assert len(list(reader.manifest.fragments())) < 30


def test_info_comes_back(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    writer.set_info({"author": "me", "shape": (1, 2), "logo": Image(b"png")})
    assert writer.is_changed
    reader = store.open_version("d", writer.commit().manifest_digest)
    assert reader.info == {"author": "me", "shape": (1, 2), "logo": Image(b"png")}
    assert reader.row_count == 0


def test_a_writer_ends_with_its_commit(store: LocalDatasetStore) -> None:
    writer = store.begin("d", None)
    writer.put(0, {"a": 1})
    writer.commit()
    with pytest.raises(ReadOnlyError, match="committed or dropped"):
        writer.put(1, {"a": 1})


def test_a_dataset_of_many_files_needs_few_descriptors(tmp_path: Path) -> None:
    limits = Limits(pack_bytes=6000, max_mapped=2, max_open=2, fragment_rows=3, block_rows=3)
    store = LocalDatasetStore(tmp_path / "datasets", limits=limits)
    reader = store.open_version("d", commit_rows(store, {key: {"a": f"{key}" * 5000} for key in range(40)}))
    assert len(reader.manifest.packs) > 10
    before = len(list(Path("/dev/fd").iterdir()))
    assert as_dict(reader) == {key: {"a": f"{key}" * 5000} for key in range(40)}
    assert [reader.get(key) for key in (39, 0, 20)] == [{"a": f"{key}" * 5000} for key in (39, 0, 20)]
    assert len(list(Path("/dev/fd").iterdir())) <= before + 6


def test_an_aborted_writer_leaves_nothing(store: LocalDatasetStore) -> None:
    first = commit_rows(store, {0: {"a": "x" * 5000}})
    before = sorted(path for path in store.root.rglob("*") if path.is_file())
    writer = store.begin("d", first)
    writer.put(1, {"a": "y" * 5000})
    writer.flush()
    writer.abort()
    assert sorted(path for path in store.root.rglob("*") if path.is_file()) == before


def test_what_no_version_needs_is_told_from_what_one_does(store: LocalDatasetStore) -> None:
    first = commit_rows(store, {0: {"a": "x" * 5000}})
    second = commit_rows(store, {0: {"a": 2}, 1: {"a": "y" * 5000}}, first)
    (store.root / "d" / "fragments" / ".left-by-a-killed-writer").write_bytes(b"x")
    found = unused_files(store.root / "d", [first], {"second": second, "again": second})
    assert [path.name for path in found.orphans] == [".left-by-a-killed-writer"]
    assert found.dead["again"] == ()
    for path in (*found.dead["second"], *found.orphans):
        path.unlink()
    assert as_dict(store.open_version("d", first)) == {0: {"a": "x" * 5000}}
    assert len(list((store.root / "d" / "manifests").iterdir())) == 1
    with pytest.raises(CorruptedError):  # nobody knows what a damaged version needs
        unused_files(store.root / "d", [first, second], {})


def test_a_dataset_is_held_as_long_as_anything_of_it_can_be_read(store: LocalDatasetStore) -> None:
    first = commit_rows(store, {0: {"a": b"x" * 5000}})
    gc.collect()
    with claim(store.root / "d") as is_free:
        assert is_free
    reader = store.open_version("d", first)
    source = reader.source_of(next(iter(reader._folder.packs.index(reader.manifest.packs[0]))))
    del reader
    gc.collect()
    with claim(store.root / "d") as is_free:
        assert not is_free  # a value that was not read yet
    assert source.read() == b"x" * 5000
    del source
    gc.collect()
    with claim(store.root / "d") as is_free:
        assert is_free
