"""Changes to a dataset before they are committed: checked at the call, gathered into columns, safe from several threads."""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from starwhale.datasets.names import FeatureNames
from starwhale.datasets.rows import check_key
from starwhale.errors import ArgumentTypeError, ReadOnlyError
from starwhale.storage.protocols import DatasetCommit, DatasetReader, DatasetWriter, Key, Value

GATHER_ROWS = 4096
"""Rows of one shape that are gathered before they go to the writer."""
LONGEST_GATHERED = 4096
"""Characters or bytes of a value that may be gathered; longer ones go to the writer at once."""
CHUNK_ROWS = 16_384
"""Rows of a long list that go to the writer at a time."""

_SMALL = frozenset({int, float, bool, type(None)})
_LONG = frozenset({str, bytes})


class Changes:
    """Writes to one dataset since the version that it was opened on; every method may be called from any thread.

    Rows of small immutable values are gathered and handed to the writer in columns; everything else goes to it at the call, so that a
    list that the user changes afterwards is stored as it was.
    """

    def __init__(self, writer: DatasetWriter, reader: DatasetReader | None, label: str) -> None:
        self._writer = writer
        self._label = label
        self._lock = threading.RLock()
        self._names = FeatureNames(reader.columns if reader else ())
        self._key_type: type | None = None
        if reader is not None and reader.row_count:
            self._key_type = type(reader.read(0, 1, []).keys[0])
        self._shape: tuple[str, ...] = ()
        self._keys: list[Key] = []
        self._cells: list[tuple[Value, ...]] = []
        self._holds_given_keys = False
        self._seen: DatasetReader | None = None
        self._done: DatasetCommit | None = None
        self.row_count = 0
        """Rows written or deleted so far, for the warning at close."""

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._keys) or self._writer.is_changed

    def put(self, key: object, features: Mapping[str, Value]) -> Key:
        """Write one row under a key; a row that is there keeps its other features.

        Raises:
            ArgumentTypeError: The key is neither int nor str, or of the other type than the dataset's keys.
            UnsupportedValueError: A value cannot be stored; nothing of the row is kept then.
        """
        checked = check_key(key)
        with self._lock:
            self._check_key_type(checked)
            own = self._names.adopt(checked, features)
            self._put(checked, own, is_gathered=_is_gathered(own))
            self._holds_given_keys = True  # after it, for it may have flushed the rows before
        return checked

    def append(self, features: Mapping[str, Value]) -> Key:
        """Write one row under the next integer key and return the key."""
        with self._lock:
            return self._append(features)

    def extend(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Append many rows; a list of dicts with the same names goes to the writer in columns."""
        with self._lock:
            start = 0
            while start < len(rows):
                chunk = rows[start : start + CHUNK_ROWS]
                if not self._extend_columns(chunk):
                    for features in chunk:
                        self._append(features)
                start += CHUNK_ROWS

    def delete(self, key: object) -> None:
        """Delete a row; a missing one is ignored."""
        checked = check_key(key)
        with self._lock:
            self.flush()
            self._writer.delete(checked)
            self._note(1)

    def delete_range(self, start: Key | None, stop: Key | None) -> None:
        """Delete the rows with keys in [start, stop)."""
        with self._lock:
            self.flush()
            first, last = self.snapshot().rank_range(start, stop)
            self._writer.delete_range(start, stop)
            self._note(last - first)

    def clear(self) -> None:
        """Delete all rows; the next row may have a key of the other type."""
        with self._lock:
            self.flush()
            count = self.snapshot().row_count
            self._writer.clear()
            self._note(count)
            self._key_type = None

    def set_info(self, info: Mapping[str, Value]) -> None:
        """Replace what the user keeps beside the rows."""
        with self._lock:
            self._writer.set_info(info)
            self._note(0)

    def flush(self) -> None:
        """Hand what was gathered to the writer."""
        with self._lock:
            if self._keys:
                columns = dict(zip(self._shape, map(list, zip(*self._cells, strict=True)), strict=True))
                self._writer.put_columns(self._keys, columns)
                # Only now: what could not be written, for want of space, is gathered still, and written by the next try.
                self._keys, self._cells, self._holds_given_keys = [], [], False

    def snapshot(self) -> DatasetReader:
        """A view of the rows with all changes so far."""
        with self._lock:
            self.flush()
            if self._seen is None:
                self._seen = self._writer.snapshot()
            return self._seen

    def commit(self) -> DatasetCommit:
        """Write everything durably; a second call returns the same, so that naming it in the catalog can be tried again."""
        with self._lock:
            if self._done is None:
                self.flush()
                self._done = self._writer.commit()
            return self._done

    def abort(self) -> None:
        """Drop the changes."""
        with self._lock:
            self._keys, self._cells = [], []
            self._writer.abort()

    def _append(self, features: Mapping[str, Value]) -> Key:
        self._check_key_type(0)
        # The writer counts the keys that it has seen, so gathered rows with keys of their own go to it first.
        if self._holds_given_keys:
            self.flush()
        own = self._names.adopt("to append", features)
        is_gathered = _is_gathered(own)
        if not is_gathered:
            self.flush()
        key = self._writer.next_auto_key()
        self._put(key, own, is_gathered=is_gathered)
        return key

    def _put(self, key: Key, features: Mapping[str, Value], *, is_gathered: bool) -> None:
        if is_gathered:
            shape = tuple(features)
            if shape != self._shape or len(self._keys) >= GATHER_ROWS:
                self.flush()
                self._shape = shape
            self._keys.append(key)
            self._cells.append(tuple(features.values()))
        else:
            self.flush()
            self._writer.put(key, features)
        self._key_type = type(key)
        self._note(1)

    def _extend_columns(self, rows: Sequence[Any]) -> bool:
        """Write rows that are dicts with the same names; False when they are not."""
        if set(map(type, rows)) != {dict} or len(set(map(len, rows))) != 1:
            return False
        own = self._names.adopt("to append", rows[0])
        try:
            columns = [list(map(operator.itemgetter(name), rows)) for name in rows[0]]
        except KeyError:
            return False
        self._check_key_type(0)
        self.flush()
        next_key = self._writer.next_auto_key
        keys = [next_key() for _ in islice(rows, len(rows))]
        self._writer.put_columns(keys, dict(zip(own, columns, strict=True)))
        self._key_type = int
        self._note(len(rows))
        return True

    def _check_key_type(self, key: Key) -> None:
        if self._done is not None:
            message = f"the changes of {self._label} are written already, and could not be committed"
            raise ReadOnlyError(message, hint="call commit() again, or open the dataset again and make them anew")
        kind = type(key)
        if self._key_type is not None and kind is not self._key_type:
            message = (
                f"{self._label} has {self._key_type.__name__} keys, and this row has the {kind.__name__} key {key!r}"
            )
            raise ArgumentTypeError(message, hint="give every row a key of the same type")

    def _note(self, rows: int) -> None:
        self._seen = None
        self.row_count += rows


def _is_gathered(features: Mapping[str, Value]) -> bool:
    """Whether all values are small, immutable and certain to be storable."""
    for value in features.values():
        kind = type(value)
        if kind in _SMALL:
            continue
        if kind not in _LONG or len(value) > LONGEST_GATHERED or (kind is str and not value.isascii()):
            return False
    return True
