"""The rules of `DatasetStore` as tests, for whatever keeps rows: subclass `DatasetStoreContract`, and open the store in `opened`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from starwhale.errors import ReadOnlyError, UsageError
from starwhale.media import Image
from starwhale.storage.columns.encode import decode_batch
from starwhale.storage.protocols import DatasetReader, DatasetStore, Key, Rows

ROWS = 300
LONG = b"0123456789" * 5_000
"""A value that lies in a pack."""


class DatasetStoreContract:
    """What every store of rows must do; one test per rule."""

    def opened(self, folder: Path) -> AbstractContextManager[DatasetStore]:
        """Open a store; subclasses do."""
        raise NotImplementedError

    def dataset_id(self, folder: Path) -> str:
        """Return the id of a dataset that nobody else writes."""
        return f"contract-{folder.name}"[:80]

    def test_rows_come_back_in_key_order_with_their_types(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            digest = self.write(
                store, tmp_path, {2: {"a": True}, 1: {"a": 1, "t": "x"}, 3: {"a": 1.0, "n": [1, {"k": b"b"}]}}
            )
            reader = store.open_version(self.dataset_id(tmp_path), digest)
            found = as_dict(reader)
            assert list(found) == [1, 2, 3]
            assert repr(found) == repr({1: {"a": 1, "t": "x"}, 2: {"a": True}, 3: {"a": 1.0, "n": [1, {"k": b"b"}]}})
            assert (reader.row_count, reader.key_type, set(reader.columns)) == (3, "int", {"a", "t", "n"})

    def test_ranges_ranks_and_batches_are_of_the_same_rows(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            digest = self.write(store, tmp_path, {key: {"n": key * 10} for key in range(0, ROWS * 2, 2)})
            reader = store.open_version(self.dataset_id(tmp_path), digest)
            assert reader.read(10, 13) == Rows(keys=[20, 22, 24], columns={"n": [200, 220, 240]})
            assert reader.read(ROWS - 1, ROWS + 9).keys == [(ROWS - 1) * 2]
            assert reader.read_column(0, 2, "n") == [0, 20]
            assert reader.take([5, 0]).keys == [10, 0]
            assert (reader.rank(20), reader.rank(21)) == (10, None)
            assert reader.rank_range(19, 25) == (10, 13)
            assert decode_batch(reader.read_arrow(10, 12), reader.source_of)["n"] == [200, 220]
            assert sum(len(rows) for rows in reader.iter_batches()) == ROWS
            assert len(set(reader.row_digests(0, ROWS))) == ROWS

    def test_a_version_never_changes(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            name = self.dataset_id(tmp_path)
            first = self.write(store, tmp_path, {key: {"n": key} for key in range(9)})
            writer = store.begin(name, first)
            writer.put(3, {"n": -3, "more": "new"})
            writer.delete_range(5, 7)
            writer.put(20, {"n": 20})
            assert as_dict(writer.snapshot())[3] == {"n": -3, "more": "new"}
            second = writer.commit()
            assert (second.row_count, second.deleted_rows) == (8, 2)
            assert as_dict(store.open_version(name, first)) == {key: {"n": key} for key in range(9)}
            found = as_dict(store.open_version(name, second.manifest_digest))
            assert list(found) == [0, 1, 2, 3, 4, 7, 8, 20]
            assert found[3] == {"n": -3, "more": "new"}
            assert store.files_of(name, first) != store.files_of(name, second.manifest_digest)

    def test_large_values_are_kept_once_and_read_when_asked_for(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            name = self.dataset_id(tmp_path)
            writer = store.begin(name, None)
            for key in range(5):
                writer.put(key, {"image": Image(LONG, display_name=str(key)), "raw": LONG})
            commit = writer.commit()
            assert commit.increased_blobs_byte_size == len(LONG)
            reader = store.open_version(name, commit.manifest_digest)
            rows = reader.read(0, 5)
            assert rows.columns["image"][4].to_bytes() == rows.columns["raw"][0] == LONG
            again = store.begin(name, commit.manifest_digest)
            again.put(9, {"image": rows.columns["image"][0]})
            assert again.commit().increased_blobs_byte_size == 0

    def test_info_and_automatic_keys_go_on(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            name = self.dataset_id(tmp_path)
            writer = store.begin(name, None)
            writer.set_info({"labels": ("cat", "dog"), "logo": Image(b"png")})
            assert [writer.next_auto_key(), writer.next_auto_key()] == [0, 1]
            writer.put(1, {"n": 1})
            digest = writer.commit().manifest_digest
            assert store.open_version(name, digest).info == {"labels": ("cat", "dog"), "logo": Image(b"png")}
            assert store.begin(name, digest).next_auto_key() == 2

    def test_what_cannot_be_is_refused_and_changes_nothing(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            writer = store.begin(self.dataset_id(tmp_path), None)
            writer.put(1, {"n": 1})
            for wrong in ("x", True, 2**63):
                assert isinstance(_error(lambda wrong=wrong: writer.put(wrong, {"n": 1})), UsageError)
            assert writer.commit().row_count == 1
            assert isinstance(_error(lambda: writer.put(2, {"n": 2})), ReadOnlyError)
            dropped = store.begin(self.dataset_id(tmp_path), None)
            dropped.put(1, {"n": 1})
            dropped.abort()
            assert isinstance(_error(lambda: dropped.put(2, {"n": 2})), ReadOnlyError)

    def test_another_dataset_may_share_a_version(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            digest = self.write(store, tmp_path, {key: {"n": key, "raw": LONG} for key in range(9)})
            name, other = self.dataset_id(tmp_path), f"o{self.dataset_id(tmp_path)}"[:80]
            shared = store.share(name, digest, other)
            assert as_dict(shared) == as_dict(store.open_version(name, digest))
            assert as_dict(store.open_version(other, digest)) == as_dict(shared)
            assert store.open_version(other, digest).verify() == []

    def write(self, store: DatasetStore, folder: Path, rows: dict[Any, dict[str, Any]]) -> str:
        """Commit rows as a first version, and return the digest of its manifest."""
        writer = store.begin(self.dataset_id(folder), None)
        for key, features in rows.items():
            writer.put(key, features)
        return writer.commit().manifest_digest


def as_dict(reader: DatasetReader) -> dict[Key, dict[str, Any]]:
    """Read a whole version, without what rows do not have."""
    return {
        key: {name: column[place] for name, column in rows.columns.items() if column[place] is not None}
        for rows in reader.iter_batches()
        for place, key in enumerate(rows.keys)
    }


def _error(call: Any) -> Exception:  # Any: a function
    try:
        call()
    except (UsageError, ReadOnlyError) as error:
        return error
    raise AssertionError("nothing was raised")


__all__ = ["DatasetStoreContract"]
