"""Changes to a dataset before they are committed: checked at the call, gathered into columns, safe from several threads."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starwhale.datasets.names import FeatureNames
from starwhale.datasets.rows import check_key
from starwhale.errors import ArgumentTypeError, InvalidNameError, ReadOnlyError
from starwhale.media.artifact import BaseArtifact
from starwhale.storage.columns.cells import LONG_BYTES, AlikeCells, MediaCell, is_media_type
from starwhale.storage.protocols import DatasetCommit, DatasetReader, DatasetWriter, Key, Value

GATHER_ROWS = 4096
"""Rows of one shape that are gathered before they go to the writer."""
GATHER_CELLS = 65_536
"""Values that are gathered, whatever the number of rows."""
GATHER_BYTES = 1 << 20
"""Bytes that gathered values may hold, at most about: so few that they are in a cache of the processor still when they are joined, and that
their memory is used again for the next ones."""
FEW_ROWS = 32
"""Fewer gathered rows go to the writer one by one: rows that differ in their features from one to the next are joined there."""
SHORT = 256
"""Characters or bytes of a value that weighs nothing; longer ones are weighed, and those that may be long in storage go to the writer at once."""
KNOWN_KINDS = 256
"""Combinations of types in a row that are remembered."""
CHUNK_ROWS = 16_384
"""Rows of a long list that go to the writer at a time."""

_SMALL = frozenset({int, float, bool, type(None)})
_TEXTS = frozenset({str, bytes})
_Risky = tuple[tuple[int, ...], tuple[int, ...]]


class _Alike(NamedTuple):
    """Media of one column that differ in nothing but their content."""

    content_of: Callable[[Any], bytes | None]
    """Gives the content of another one of them."""
    kind: type
    """Their type."""
    cell: MediaCell
    """The first of them."""


class Changes:
    """Writes to one dataset since the version that it was opened on; every method may be called from any thread.

    Rows are gathered and handed to the writer in columns. What could change or is long goes to the writer at the call, which gives back
    what may wait in its place: a list that the user changes afterwards is stored as it was, and no long value waits in memory.
    """

    def __init__(self, writer: DatasetWriter, reader: DatasetReader | None, label: str) -> None:
        self._writer = writer
        self._label = label
        self._lock = threading.RLock()
        self._names = FeatureNames(reader.columns if reader else ())
        self._key_type: type | None = None
        if reader is not None and reader.row_count:
            self._key_type = {"int": int, "str": str}.get(reader.key_type or "")
        # Gathered rows of one shape: under given keys, or under keys that count from `_first_key`.
        self._shape: tuple[str, ...] = ()
        self._values: list[
            object
        ] = []  # of one row after the other: many small tuples would keep the garbage collector busy
        self._count = 0
        self._keys: list[Key] = []
        self._first_key = 0
        self._is_appending = False
        self._next_shape: tuple[str, ...] | None = None  # of a row that may be appended without further ado
        self._most_rows = 0
        self._bytes = 0
        # Where only the content of media is gathered, because they differ in nothing else: their state, and one as a cell.
        self._alike: dict[int, _Alike] = {}
        # Types of the values of the last row; where its texts and bytes are, and what else has to be looked at.
        self._kinds: tuple[type, ...] = ()
        self._risky: _Risky = ((), ())
        self._known: dict[tuple[type, ...], _Risky] = {}
        self._seen: DatasetReader | None = None
        self._done: DatasetCommit | None = None
        self._row_count = 0
        self._is_dropped = False

    @property
    def row_count(self) -> int:
        """Rows written or deleted so far, for the warning at close."""
        return self._row_count + self._count

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return self._count > 0 or self._writer.is_changed

    def put(self, key: object, features: Mapping[str, Value]) -> Key:
        """Write one row under a key; a row that is there keeps its other features.

        Raises:
            ArgumentTypeError: The key is neither int nor str, or of the other type than the dataset's keys.
            UnsupportedValueError: A value cannot be stored; nothing of the row is kept then.
        """
        checked = check_key(key)
        if type(checked) is str and not checked.isascii():
            _check_text(checked)
        with self._lock:
            self._check_open()
            self._check_key_type(checked)
            own = self._names.adopt(checked, features)
            if self._is_appending or tuple(own) != self._shape or self._count >= self._most_rows:
                self.flush()
                self._begin(own, is_appending=False)
            self._gather(checked, own)
            self._keys.append(checked)
            self._key_type = type(checked)
        return checked

    def append(self, features: Mapping[str, Value]) -> None:
        """Write one row under the next integer key; what else is as for `put`."""
        with self._lock:
            if type(features) is not dict or tuple(features) != self._next_shape:
                features = self._begin_appending(features)
            self._gather(None, features)

    def extend(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Append many rows; a list of dicts with the same names goes to the writer in columns."""
        with self._lock:
            start = 0
            while start < len(rows):
                chunk = rows[start : start + CHUNK_ROWS]
                if not self._extend_columns(chunk):
                    for features in chunk:
                        self.append(features)
                start += CHUNK_ROWS

    def put_columns(self, keys: Sequence[Key], columns: Mapping[str, Sequence[Value]]) -> None:
        """Write many rows that have the same features, under keys of one type.

        Args:
            keys: One per row.
            columns: Feature name → one value per row, or an Arrow array of that length.

        Raises:
            ArgumentTypeError: A key is neither int nor str, or of the other type than the dataset's keys.
            UnsupportedValueError: A value cannot be stored.
        """
        if not keys:
            return
        with self._lock:
            self._check_open()
            for kind in dict.fromkeys(map(type, keys)):
                self._check_key_type(check_key(next(key for key in keys if type(key) is kind)))
            own = self._names.adopt(keys[0], columns)
            self.flush()
            self._writer.put_columns(keys, own)
            self._key_type = type(keys[0])
            self._note(len(keys))

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
            self._note(self._writer.clear())
            self._key_type = None

    def set_info(self, info: Mapping[str, Value]) -> None:
        """Replace what the user keeps beside the rows."""
        with self._lock:
            self._writer.set_info(info)
            self._note(0)

    def flush(self) -> None:
        """Hand what was gathered to the writer."""
        with self._lock:
            if self._count:
                self._write_gathered()
                self._note(self._count)
                # Only now: what could not be written, for want of space, is gathered still, and written by the next try.
                self._forget_gathered()
            self._is_appending, self._next_shape = False, None

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
            self._forget_gathered()
            self._is_appending, self._next_shape, self._is_dropped = False, None, True
            self._writer.abort()

    def _forget_gathered(self) -> None:
        self._keys, self._values, self._count, self._bytes, self._alike = [], [], 0, 0, {}

    def _begin_appending(self, features: Mapping[str, Value]) -> Mapping[str, Value]:
        self._check_open()
        self._check_key_type(0)
        own = self._names.adopt("to append", features)
        if not self._is_appending or tuple(own) != self._shape or self._count >= self._most_rows:
            self.flush()  # first, so that a row is never kept by a call that fails for want of space
            self._begin(own, is_appending=True)
        return own

    def _begin(self, features: Mapping[str, Value], *, is_appending: bool) -> None:
        """Gather rows of another shape; nothing is gathered now."""
        self._shape = tuple(features)
        self._alike = {}
        self._most_rows = max(1, min(GATHER_ROWS, GATHER_CELLS // len(self._shape)))
        self._is_appending = is_appending
        self._next_shape = self._shape if is_appending else None
        if is_appending:
            self._first_key = self._writer.next_auto_key()
            self._key_type = int

    def _gather(self, key: Key | None, features: Mapping[str, Value]) -> None:
        """Keep the values of a row, None for the key of an appended one; the writer replaces long ones, and what could change."""
        values: list[Any] = [*features.values()]
        kinds = tuple(map(type, values))
        if kinds != self._kinds:
            self._expect(kinds)
        texts, others = self._risky
        alike = self._alike
        for place in texts:
            size = len(values[place])
            if size <= SHORT:
                continue
            if size <= LONG_BYTES and (kinds[place] is bytes or values[place].isascii()):
                self._bytes += size  # the writer would say the same of it, at twice the cost of a row
            else:
                self._freeze(key, place, values)
        for place in others:
            like = alike.get(place)
            content = None if like is None else like[0](values[place])
            if content is None:
                self._freeze(key, place, values)
            else:
                values[place] = content
                self._bytes += len(content)
        self._values += values
        self._count += 1
        if self._count >= self._most_rows or self._bytes >= GATHER_BYTES:
            self._most_rows, self._next_shape = 0, None

    def _expect(self, kinds: tuple[type, ...]) -> None:
        """Prepare for rows with values of these types: where texts and bytes stand, which may be long, and what else is looked at."""
        risky = self._known.get(kinds)
        if risky is None:
            if len(self._known) >= KNOWN_KINDS:
                self._known.clear()
            texts = tuple(place for place, kind in enumerate(kinds) if kind in _TEXTS)
            others = tuple(place for place, kind in enumerate(kinds) if kind not in _SMALL and kind not in _TEXTS)
            risky = self._known[kinds] = texts, others
        self._kinds, self._risky = kinds, risky
        for place in [place for place, like in self._alike.items() if kinds[place] is not like.kind]:
            self._tell_apart(place)

    def _freeze(self, key: Key | None, place: int, values: list[Any]) -> None:
        """Let the writer replace a value of a row that is being gathered."""
        if place in self._alike:
            self._tell_apart(place)
        value = values[place]
        key = self._first_key + self._count if key is None else key
        values[place], weight = self._writer.freeze(key, self._shape[place], value)
        self._bytes += weight
        if self._count == 0 and is_media_type(type(value)):
            self._begin_alike(place, value, values)

    def _begin_alike(self, place: int, value: object, values: list[Any]) -> None:
        """Gather only the content of media from here on, if the first has short content and no unusual state."""
        cell = values[place]
        content_of = value.make_alike(LONG_BYTES) if isinstance(value, BaseArtifact) else None
        if content_of is not None and type(cell) is MediaCell and cell.data is not None:
            self._alike[place] = _Alike(content_of, type(value), cell)
            values[place] = cell.data

    def _tell_apart(self, place: int) -> None:
        """Put whole cells in place of the contents that were gathered: something else follows, or they are put one by one."""
        self._values[place :: len(self._shape)] = self._cells_of(place)
        del self._alike[place]

    def _cells_of(self, place: int) -> AlikeCells:
        like = self._alike[place].cell
        contents: Any = self._values[place :: len(self._shape)]  # Any: bytes, as long as they are alike
        return AlikeCells(like.name, like.meta, contents)

    def _write_gathered(self) -> None:
        """Hand the gathered rows over in columns; a few of them one by one."""
        keys = range(self._first_key, self._first_key + self._count) if self._is_appending else self._keys
        width = len(self._shape)
        if self._count >= FEW_ROWS:
            columns: dict[str, Any] = {name: self._values[place::width] for place, name in enumerate(self._shape)}
            columns.update({self._shape[place]: self._cells_of(place) for place in self._alike})
            self._writer.put_columns(keys, columns)
            return
        for place in [*self._alike]:
            self._tell_apart(place)
        for row, key in enumerate(keys):  # where it is tried again, the same rows are put again
            values = self._values[row * width : (row + 1) * width]
            self._writer.put(key, dict(zip(self._shape, values, strict=True)))

    def _extend_columns(self, rows: Sequence[Any]) -> bool:
        """Write rows that are dicts with the same names; False when they are not."""
        if set(map(type, rows)) != {dict} or len(set(map(len, rows))) != 1:
            return False
        own = self._names.adopt("to append", rows[0])
        try:
            columns = [list(map(operator.itemgetter(name), rows)) for name in rows[0]]
        except KeyError:
            return False
        self._check_open()
        self._check_key_type(0)
        self.flush()
        first = self._writer.next_auto_key()
        keys = range(first, first + len(rows))
        self._writer.put_columns(keys, dict(zip(own, columns, strict=True)))
        self._key_type = int
        self._note(len(rows))
        return True

    def _check_key_type(self, key: Key) -> None:
        kind = type(key)
        if self._key_type is not None and kind is not self._key_type:
            message = (
                f"{self._label} has {self._key_type.__name__} keys, and this row has the {kind.__name__} key {key!r}"
            )
            raise ArgumentTypeError(message, hint="give every row a key of the same type")

    def _check_open(self) -> None:
        if self._done is not None:
            message = f"the changes of {self._label} are written already, and could not be committed"
            raise ReadOnlyError(message, hint="call commit() again, or open the dataset again and make them anew")
        if self._is_dropped:
            message = f"the changes of {self._label} were dropped already"
            raise ReadOnlyError(message, hint="open it again to change more")

    def _note(self, rows: int) -> None:
        self._seen = None
        self._row_count += rows


def _check_text(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidNameError(
            f"the key {key!r} is not valid Unicode text", hint="remove the lone surrogate"
        ) from error
