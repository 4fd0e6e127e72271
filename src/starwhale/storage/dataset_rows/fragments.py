"""Reading the rows of one fragment: its values, its keys, and where a key stands.

A fragment is a Parquet file of rows in row groups small enough for random access, with wide values beside them (see `blocks`); every
part that can be read alone has a BLAKE3 (see `sums`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.arrays import counted
from starwhale.storage.columns.encode import KEY_COLUMN, SourceOf
from starwhale.storage.dataset_rows.blocks import join_column
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.fragment_file import FragmentFile
from starwhale.storage.dataset_rows.manifest import Fragment
from starwhale.storage.dataset_rows.places import Places
from starwhale.storage.protocols import Key

HIDDEN_COLUMN = "__hidden__"
"""Stored column of a patch: the names that each row hides."""


class FragmentReader:
    """One fragment; safe to use from several threads."""

    def __init__(self, places: Places, fragment: Fragment, cache: ColumnCache) -> None:
        self.fragment = fragment
        """What the manifest says of it."""
        self.file = FragmentFile(places, fragment, cache)
        """What is stored."""
        self._keys: dict[int, Sequence[Key]] = {}  # position of the first → keys that lookups have read

    def pieces(self, start: int, stop: int, name: str) -> list[Any]:
        """Read one stored column of the rows [start, stop), as one array per row group that they touch."""
        if stop <= start:
            return []
        column = self.file.wide(name)
        if column is None:
            return self.grouped_pieces(start, stop, name)
        values = self.file.wide_values(column, [(start, stop)])
        if not self.file.is_grouped(name):
            return [values[low - start : high - start] for low, high in self._cuts(start, stop)]
        joined: list[Any] = []
        done = 0
        for rest in self.grouped_pieces(start, stop, name):
            joined.append(join_column(rest, values[done : done + len(rest)]))
            done += len(rest)
        return joined

    def grouped_pieces(self, start: int, stop: int, name: str) -> list[Any]:
        """Read the same without wide values: what is left of a struct of which those are a part."""
        starts = self.file.starts
        if stop <= start:
            return []
        first = bisect_right(starts, start) - 1
        found = self.file.grouped(first, bisect_left(starts, stop), name)
        low, high = start - starts[first], stop - starts[first + len(found) - 1]
        if high < len(found[-1]):
            found[-1] = found[-1][:high]
        if low:
            found[0] = found[0][low:]
        return found

    def key_pieces(self, start: int, stop: int) -> list[Any]:
        """Read the keys of the rows [start, stop) in the same pieces.

        Those without a gap follow from the manifest, here and wherever keys are asked for: their stored column is for other programs, and
        nothing that it says is handed out.
        """
        if not self.fragment.is_contiguous:
            return self.pieces(start, stop, KEY_COLUMN)
        first = int(self.fragment.low)
        return [counted(range(first + low, first + high)) for low, high in self._cuts(start, stop) if low < high]

    def values(self, start: int, stop: int, name: str, source_of: SourceOf | None) -> list[Any]:
        """Decode one feature of the rows [start, stop); None everywhere when the fragment does not have it."""
        kind = self.fragment.columns.get(name)
        if kind is None:
            return [None] * (stop - start)
        decoded: list[Any] = []
        for piece in self.pieces(start, stop, codec.escape_name(name)):
            decoded = joined(decoded, codec.decode_column(piece, kind, source_of))
        return decoded

    def values_at(self, ranges: Sequence[tuple[int, int]], name: str, source_of: SourceOf | None) -> list[Any]:
        """Decode one feature of the rows of several rising ranges [start, stop), one after another."""
        kind = self.fragment.columns.get(name)
        if kind is None:
            return [None] * sum(stop - start for start, stop in ranges)
        return codec.decode_column(self._pick(ranges, codec.escape_name(name)), kind, source_of)

    def keys(self, start: int, stop: int) -> list[Key]:
        """Read the keys of the rows [start, stop)."""
        if self.fragment.is_contiguous:
            low = int(self.fragment.low)
            return list(range(low + start, low + stop))
        found: list[Key] = []
        for piece in self.pieces(start, stop, KEY_COLUMN):
            found.extend(piece.to_pylist())
        return found

    def keys_at(self, ranges: Sequence[tuple[int, int]]) -> list[Key]:
        """Read the keys of the rows of several ranges."""
        if self.fragment.is_contiguous:
            low = int(self.fragment.low)
            return [key for start, stop in ranges for key in range(low + start, low + stop)]
        return self._pick(ranges, KEY_COLUMN).to_pylist()

    def lower_bound(self, key: Any) -> int:
        """Count the rows with smaller keys."""
        return self._search(key)[0]

    def find(self, key: Any) -> int | None:
        """Position of a key."""
        position, is_there = self._search(key)
        return position if is_there else None

    def forget_keys(self) -> None:
        """Free the keys that lookups keep in memory."""
        self._keys = {}

    def hidden(self) -> list[list[str] | None]:
        """Names that each row of a patch hides."""
        if HIDDEN_COLUMN not in self.file.columns:
            return [None] * self.fragment.rows
        found: list[list[str] | None] = []
        for piece in self.pieces(0, self.fragment.rows, HIDDEN_COLUMN):
            found.extend(piece.to_pylist())
        return found

    def _cuts(self, start: int, stop: int) -> Iterable[tuple[int, int]]:
        """Say where row groups cut the rows [start, stop)."""
        return pairwise([start, *(cut for cut in self.file.starts if start < cut < stop), stop])

    def _pick(self, ranges: Sequence[tuple[int, int]], name: str) -> Any:
        """Read one stored column of the rows of several rising ranges, as one array."""
        column = self.file.wide(name)
        values = None if column is None else self.file.wide_values(column, ranges)
        if values is not None and not self.file.is_grouped(name):
            return values
        starts, known, found = self.file.starts, dict[int, Any](), list[Any]()
        for start, stop in ranges:
            group = bisect_right(starts, start) - 1
            while start < stop:
                array = known.get(group)
                if array is None:
                    array = known[group] = self.file.grouped(group, group + 1, name)[0]
                first, last = starts[group], min(stop, starts[group + 1])
                found.append(array[start - first : last - first])
                start, group = last, group + 1
        rest = found[0] if len(found) == 1 else pa.concat_arrays(found)
        return rest if values is None else join_column(rest, values)

    def _search(self, key: Any) -> tuple[int, bool]:
        """Count the rows with smaller keys, and say whether the next one has this key."""
        low, rows = self.fragment.low, self.fragment.rows
        if self.fragment.is_contiguous:
            position = min(max(key - int(low), 0), rows)
            return position, key >= low and position < rows
        group, starts = self.file.group_of(key), self.file.starts
        if group is None:  # only reading all keys tells
            start, stop = 0, rows
        elif group < len(starts) - 1:
            start, stop = starts[group], starts[group + 1]
        else:
            return rows, False
        keys: Sequence[Any] | None = self._keys.get(start)
        if keys is None:
            keys = self._keys[start] = self.keys(start, stop)
        position = bisect_left(keys, key)
        return start + position, position < len(keys) and keys[position] == key


def joined(values: list[Any], more: list[Any]) -> list[Any]:
    """Return the values of two lists, of which the caller needs neither any more: the longer a column, the dearer a copy of it."""
    if not values:
        return more
    values += more
    return values


__all__ = ["HIDDEN_COLUMN", "FragmentReader", "joined"]
