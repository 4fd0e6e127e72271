"""Changing a dataset: rows above every known key extend the run, everything else becomes a layer over it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import lt
from pathlib import Path
from typing import Any

from starwhale.errors import FieldNameError, InvalidNameError, ReadOnlyError, StarwhaleError, UsageError
from starwhale.media import codec as value_codec
from starwhale.storage.columns import cells
from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.files import make_folder, sync_files
from starwhale.storage.dataset_rows.compaction import fold_layers, fold_run, fold_tail, needs_fold
from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder, LocalDatasetReader
from starwhale.storage.dataset_rows.fragment_writer import FRAGMENT_BYTES, write_fragment
from starwhale.storage.dataset_rows.manifest import Fragment, Layer, Manifest, Pack, save_manifest
from starwhale.storage.dataset_rows.overlay import Overlay
from starwhale.storage.dataset_rows.packs import PackWriter
from starwhale.storage.dataset_rows.version_files import check_carried
from starwhale.storage.protocols import DatasetCommit, Key

BLOCK_BYTES = 4 << 20
"""Bytes of texts and bytes that wait, at most about."""
OVERLAY_BYTES = 16 << 20
"""The same of changes of rows that are there."""
_INT64 = 2**63


class LocalDatasetWriter:
    """Meets `DatasetWriter` over local files; safe to call from several threads, bounded in memory.

    What it writes belongs to no version until the catalog names the digest that `commit` returns; a writer that is aborted or killed
    leaves at most files that no manifest names.
    """

    def __init__(self, folder: DatasetFolder, base: Manifest, new_id: Callable[[], str]) -> None:
        self._folder = folder
        self._limits = folder.limits
        self._base = base
        self._lock = threading.RLock()
        self._packs = PackWriter(folder.packs, base.packs, new_id)
        self._id = new_id()
        self._file_count = 0
        self._key_type: type | None = {"int": int, "str": str, None: None}[base.key_type]
        self._top: Any = base.top
        self._next_auto = base.next_auto_key
        self._columns = dict(base.columns)
        self._folded = {name.casefold(): name for name in base.columns}
        self._run: list[Fragment] = list(base.run)
        self._layers: list[Layer] = list(base.layers)
        self._written: set[Path] = set()
        self._info = base.info
        self._row_count = base.row_count
        self._updated = self._deleted = 0
        self._view: LocalDatasetReader | None = None
        self._is_changed = self._is_closed = self._is_cleared = False
        # Rows above every key so far: a block of Python values, then encoded batches, then a fragment.
        self._tail_keys: list[Any] = []
        self._rows: list[dict[str, Any]] = []
        self._block_bytes = 0
        self._batches: list[Any] = []
        self._batch_bytes = 0
        self._overlay = Overlay()

    # ---------------------------------------------------------------------------------------------------------- writing

    @property
    def is_changed(self) -> bool:
        return self._is_changed

    @property
    def updated_rows(self) -> int:
        """Rows written so far."""
        return self._updated

    @property
    def deleted_rows(self) -> int:
        """Rows deleted so far."""
        return self._deleted

    def __len__(self) -> int:
        return self._row_count

    def put(self, key: Key, features: Mapping[str, Any]) -> None:
        row = dict(features)
        with self._lock:
            if type(key) is not self._key_type or self._is_closed:
                self._check_key_type(key)
            if len(self._rows) >= self._limits.block_rows or self._block_bytes >= BLOCK_BYTES:
                self._seal()  # first, so that a row is never kept by a call that fails for want of space
            weight = 0
            for name, value in row.items():
                kind: type = type(value)
                if name not in self._columns:
                    self._add_column(name)
                if kind is str and len(value) <= 1024 and value.isascii():
                    weight += len(value)
                elif kind is int and -_INT64 <= value < _INT64:
                    continue
                elif kind is not float:
                    row[name] = frozen = self._freeze(key, name, value)
                    weight += cells.weigh(frozen)
            if self._top is None or key > self._top:
                self._check_key(key)
                self._tail_keys.append(key)
                self._rows.append(row)
                self._block_bytes += weight
                self._row_count += 1
                self._note(key)
            else:
                self._patch(key, row, weight)
            self._updated += 1
            self._is_changed = True

    def freeze(self, key: Key, name: str, value: Any) -> tuple[object, int]:
        with self._lock:
            if self._is_closed:
                self._check_open()
            cell = self._freeze(key, name, value)
        return cell, cells.weigh(cell)

    def put_columns(self, keys: Sequence[Key], columns: Mapping[str, Sequence[Any]]) -> None:
        with self._lock:
            self._check_open()
            if not keys:
                return
            for name, column in columns.items():
                if len(column) != len(keys):
                    raise UsageError(f"column {name!r} has {len(column)} values for {len(keys)} keys")
                if name not in self._columns:
                    self._add_column(name)
            if not self._can_append(keys):
                names = list(columns)
                for key, *row in zip(keys, *map(codec.plain_values, columns.values()), strict=True):
                    self.put(key, dict(zip(names, row, strict=True)))
                return
            self._seal()
            for start in range(0, len(keys), self._limits.block_rows):
                self._append_block(keys, columns, start)

    def delete(self, key: Key) -> None:
        with self._lock:
            self._check_open()
            if type(key) is not self._key_type:
                return
            entry = self._overlay.entries.get(key)
            is_there = entry.is_visible if entry else self._has_below(key)
            if not is_there:
                return
            self._make_room()
            entry = self._overlay.entries.get(key)
            self._overlay.delete(key, is_below=entry.is_below if entry else True)
            self._row_count -= 1
            self._deleted += 1
            self._is_changed = True

    def delete_range(self, start: Key | None, stop: Key | None) -> None:
        with self._lock:
            view = self.snapshot()
            first, last = view.rank_range(start, stop)
            step = self._limits.block_rows
            for begin in range(first, last, step):
                for key in view.read(begin, min(last, begin + step), []).keys:
                    self.delete(key)

    def clear(self) -> int:
        with self._lock:
            self._check_open()
            count = self._row_count
            self._deleted += count
            self._is_changed = self._is_changed or self._row_count > 0
            self._row_count = 0
            self._run, self._layers, self._overlay = [], [], Overlay()
            self._tail_keys, self._rows, self._batches = [], [], []
            self._block_bytes = self._batch_bytes = 0
            self._top, self._key_type, self._view = None, None, None
            self._columns, self._folded = {}, {}
            self._packs.reused.clear()
            self._is_cleared = True
            return count

    def next_auto_key(self) -> int:
        with self._lock:
            key = self._next_auto
            self._next_auto += 1
            return key

    def set_info(self, info: Mapping[str, Any]) -> None:
        with self._lock:
            packed = value_codec.pack(dict(info))
            self._is_changed = self._is_changed or packed != self._info
            self._info = packed

    # ---------------------------------------------------------------------------------------------------------- reading

    def get(self, key: Key) -> dict[str, Any] | None:
        """Features of one row with the changes so far; None when there is no such row."""
        with self._lock:
            entry = self._overlay.entries.get(key)
            if entry is None:
                return self._get_below(key)
            if not entry.is_visible:
                return None
            row = {} if entry.is_killed else self._get_below(key) or {}
            for name, cell in (entry.patch or {}).items():
                row[name] = cells.thaw(cell, self._folder.packs.source)
            return {name: value for name, value in row.items() if value is not None}

    def snapshot(self) -> LocalDatasetReader:
        with self._lock:
            self._flush()
            return self._get_view()

    def flush(self) -> None:
        """Bring what waits in memory to disk; it stays uncommitted."""
        with self._lock:
            self._flush()

    # ----------------------------------------------------------------------------------------------------------- ending

    def commit(self) -> DatasetCommit:
        with self._lock:
            self._check_open()
            self._flush()
            self._compact()
            new_packs = self._packs.close()
            manifest = self._manifest((*self._old_packs(), *new_packs))
            check_carried(self._folder, manifest, self._written)
            make_folder(self._folder.manifests)
            live = {f"{part.file}.parquet" for part in manifest.fragments()}
            for path in [path for path in self._written if path.name not in live]:
                path.unlink(missing_ok=True)  # folded away before anyone could name it
                self._written.discard(path)
            self._sync()
            digest = save_manifest(self._folder.manifests, manifest)
            self._is_closed = True
            return DatasetCommit(
                manifest_digest=digest,
                row_count=manifest.row_count,
                updated_rows=self._updated,
                deleted_rows=self._deleted,
                blobs_byte_size=manifest.blobs_bytes,
                increased_blobs_byte_size=self._packs.added_bytes,
                size_bytes=manifest.size_bytes,
            )

    def abort(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._packs.abort()
            for path in self._written:
                path.unlink(missing_ok=True)

    # ---------------------------------------------------------------------------------------------------- checks of input

    def _sync(self) -> None:
        """Make durable what the manifest is going to name.

        After a failure nobody knows what the disk holds of it, and a second sync would not say: nothing of it may be committed.
        """
        try:
            sync_files(sorted(self._written))
            sync_files([self._folder.path, self._folder.path.parent])
        except OSError:
            self.abort()
            raise

    def _old_packs(self) -> Sequence[Pack]:
        """Packs of the base that rows may refer to still."""
        packs = self._base.packs
        return [pack for pack in packs if pack.name in self._packs.reused] if self._is_cleared else packs

    def _check_open(self) -> None:
        if self._is_closed:
            raise ReadOnlyError("these changes were committed or dropped already", hint="begin new ones")

    def _check_key_type(self, key: object) -> None:
        self._check_open()
        kind = type(key)
        if kind is not int and kind is not str:
            raise UsageError(f"the key {key!r} is of type {kind.__name__}; keys are int or str")
        if self._key_type is not None and self._row_count:
            raise UsageError(
                f"the key {key!r} is of type {kind.__name__}, but this dataset has keys of type {self._key_type.__name__}",
                hint=f"use {self._key_type.__name__} keys throughout",
            )
        if self._key_type is not None and self._key_type is not kind:
            self.clear()  # without rows the type is free again; what the layers say is of no more use
        self._key_type = kind

    def _check_key(self, key: Any) -> None:
        if type(key) is int:
            if not -_INT64 <= key < _INT64:
                raise UsageError(f"the key {key} does not fit into 64 bits", hint="use a str key")
        elif not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError as error:
                raise InvalidNameError(f"the key {key!r} is not valid Unicode text") from error

    def _freeze(self, key: Key, name: str, value: object) -> Any:
        try:
            return cells.freeze(value, self._packs)
        except StarwhaleError as error:
            cells.name_cell(error, name, key)
            raise

    def _add_column(self, name: object) -> None:
        if type(name) is not str:
            raise FieldNameError(f"the feature name {name!r} is of type {type(name).__name__}", hint="use a str")
        codec.escape_name(name)
        known = self._folded.setdefault(name.casefold(), name)
        if known != name:
            raise FieldNameError(
                f"the feature {name!r} differs from {known!r} only in case", hint=f"use {known!r} throughout"
            )
        self._columns[name] = "null"

    def _can_append(self, keys: Sequence[Key]) -> bool:
        is_counting = type(keys) is range
        kinds = {int} if is_counting else set(map(type, keys))
        if self._key_type is None and len(kinds) == 1:
            self._check_key_type(keys[0])
        if kinds != {self._key_type} or (self._top is not None and not self._top < keys[0]):
            return False
        if not is_counting and not all(map(lt, keys, islice(keys, 1, None))):
            return False
        for key in keys if self._key_type is str else (keys[0], keys[-1]):
            self._check_key(key)
        return True

    # ------------------------------------------------------------------------------------------------------ the three stages

    def _note(self, key: Any) -> None:
        self._top = key
        if type(key) is int and key >= self._next_auto:
            self._next_auto = key + 1

    def _patch(self, key: Any, row: dict[str, Any], weight: int) -> None:
        self._check_key(key)
        self._make_room()
        entry = self._overlay.entries.get(key)
        is_below = entry.is_below if entry else self._has_below(key)
        if not (entry.is_visible if entry else is_below):
            self._row_count += 1
        self._overlay.patch(key, row, is_below=is_below, weight=weight)

    def _make_room(self) -> None:
        """Write the overlay out when it is full; before a change is taken, which is not made then if that fails."""
        if len(self._overlay.entries) >= self._limits.overlay_rows or self._overlay.weight >= OVERLAY_BYTES:
            self._flush()

    def _append_block(self, keys: Sequence[Key], columns: Mapping[str, Sequence[Any]], start: int) -> None:
        stop = min(len(keys), start + self._limits.block_rows)
        block = {name: _part(column, start, stop) for name, column in columns.items()}
        wanted = keys[start:stop]
        self._write_full_tail()
        batch = codec.encode_batch(block, keys=wanted, sink=self._packs)
        self._tail_keys.extend(wanted)
        self._add_batch(batch)
        self._row_count += len(wanted)
        self._updated += len(wanted)
        self._note(wanted[-1])
        self._is_changed = True

    def _seal(self) -> None:
        """Encode the block of waiting rows."""
        if not self._rows:
            return
        keys = self._tail_keys[len(self._tail_keys) - len(self._rows) :]
        names: dict[str, None] = {}
        for row in self._rows:
            if len(row) != len(names) or not row.keys() <= names.keys():
                names.update(dict.fromkeys(row))
        try:
            columns = {name: [row[name] for row in self._rows] for name in names}
        except KeyError:  # the rows do not all have the same features
            columns = {name: [row.get(name) for row in self._rows] for name in names}
        self._write_full_tail()
        batch = codec.encode_batch(columns, keys=keys, sink=self._packs)
        self._rows, self._block_bytes = [], 0
        self._add_batch(batch)

    def _add_batch(self, batch: Any) -> None:
        self._batches.append(batch)
        self._batch_bytes += batch.nbytes

    def _write_full_tail(self) -> None:
        """Write a fragment when enough batches wait; before the next is made, so that whatever fails can be tried again."""
        if self._batch_bytes >= FRAGMENT_BYTES or len(self._tail_keys) >= self._limits.fragment_rows:
            self._write_tail()

    def _write_tail(self) -> None:
        if not self._batches:
            return
        fragment = self._write(self._batches)
        self._run.append(fragment)
        self._tail_keys = self._tail_keys[len(self._tail_keys) - len(self._rows) :] if self._rows else []
        self._batches = []
        self._batch_bytes = 0
        self._view = None

    def _write(self, batches: Sequence[Any]) -> Fragment:
        path = self._folder.fragments / f"{self._id}-{self._file_count}.parquet"
        self._file_count += 1
        fragment = write_fragment(path, batches, self._packs, self._limits)
        self._written.add(path)
        for name, kind in fragment.columns.items():
            known = self._columns.get(name, "null")
            self._columns[name] = kind if known in {"null", kind} else "variant"
        return fragment

    def _flush(self) -> None:
        self._seal()
        self._write_tail()
        if self._overlay.entries:
            layer = self._overlay.write(self._write, self._packs)
            if layer is not None:
                self._layers.append(layer)
            self._overlay = Overlay()
            self._view = None

    # ----------------------------------------------------------------------------------------------- what lies below the overlay

    def _has_below(self, key: Any) -> bool:
        position = bisect_left(self._tail_keys, key)
        if position < len(self._tail_keys) and self._tail_keys[position] == key:
            return True
        return bool(self._run or self._layers) and self._get_view().rank(key) is not None

    def _get_below(self, key: Any) -> dict[str, Any] | None:
        if type(key) is not self._key_type:
            return None
        position = bisect_left(self._tail_keys, key)
        if position == len(self._tail_keys) or self._tail_keys[position] != key:
            return self._get_view().get(key)
        for batch in self._batches:
            if position < batch.num_rows:
                row = codec.decode_batch(batch.slice(position, 1), self._folder.packs.source)
                return {name: column[0] for name, column in row.items() if column[0] is not None}
            position -= batch.num_rows
        source_of = self._folder.packs.source
        return {name: cells.thaw(cell, source_of) for name, cell in self._rows[position].items() if cell is not None}

    def _get_view(self) -> LocalDatasetReader:
        """Read what is on disk already, whether or not it is committed."""
        if self._view is None:
            view = LocalDatasetReader(self._folder, self._manifest(self._base.packs))
            manifest = self._manifest(self._base.packs, row_count=view.order.row_count)
            self._view = LocalDatasetReader(self._folder, manifest)
        return self._view

    def _manifest(self, packs: Sequence[Any], *, row_count: int | None = None) -> Manifest:
        return Manifest(
            key_type=None if self._key_type is None else self._key_type.__name__,
            top=self._top,
            next_auto_key=self._next_auto,
            row_count=self._row_count if row_count is None else row_count,
            columns={name: kind for name, kind in self._columns.items() if kind != "null"},
            run=tuple(self._run),
            layers=tuple(self._layers),
            packs=tuple(packs),
            pack_lists=() if self._is_cleared else self._base.pack_lists,
            info=self._info,
        )

    def _compact(self) -> None:
        """Keep layers few and small, and fragments few, at a cost that is spread over many commits."""
        manifest = self._manifest(self._base.packs)
        what = needs_fold(manifest, self._limits)
        if what == "run":
            run = fold_run(self._get_view(), self._write, self._packs, self._limits)
            self._run, self._layers = run, []
        elif what == "layers":
            kept, overlay = fold_layers(self._get_view(), self._folder)
            layer = overlay.write(self._write, self._packs)
            self._layers[kept:] = [] if layer is None else [layer]
        if what != "run":
            self._run = fold_tail(self._folder, self._run, self._write)
        self._view = None


def _part(column: Sequence[Any], start: int, stop: int) -> Sequence[Any]:
    if hasattr(column, "tolist") and getattr(column, "ndim", 0) == 1 and getattr(column, "dtype", None) is not None:
        return list(column[start:stop])  # scalars of NumPy, each stored as what it is
    return column if (start, stop) == (0, len(column)) else column[start:stop]


__all__ = ["LocalDatasetWriter"]
