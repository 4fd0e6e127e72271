"""One logged table over all its parts: ordered by id, equal ids merged."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from starwhale.storage.columns.encode import decode_batch, escape_name, unescape_name
from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.protocols import ERRORS, RETRIED_ERRORS, Key, TableQuery, Value, key_order
from starwhale.storage.result_parts.part_codec import ID_COLUMN
from starwhale.storage.result_parts.part_files import PartFiles

Columns = dict[str, list[Value]]
STORED_ID = escape_name(ID_COLUMN)
"""The ids' column in a file."""
_LATEST = {ERRORS, RETRIED_ERRORS}
"""Tables in which a row stands as it was written last; nothing of one failure is told of another."""


class TableView:
    """The rows of one table in the given parts. The ids are held; values are read when a page asks for them."""

    def __init__(self, store: PartFiles, owner: str, name: str, parts: Sequence[PartRecord]) -> None:
        self._store = store
        self._owner = owner
        self._stretches: list[tuple[int, PartTable]] = []
        self._first: dict[Key, int] = {}
        self._later: dict[Key, list[int]] = {}
        self._names: dict[str, None] = {}
        offset = 0
        for part in parts:  # in the order of their commits
            for table in part.tables:
                if table.table_name == name:
                    self._stretches.append((offset, table))
                    self._add_ids(offset, table)
                    offset += table.row_count
        self.ids = sort_ids(self._first)
        """All ids, in order."""

    def __contains__(self, id: Key) -> bool:
        return id in self._first

    def batches(self) -> Iterator[Any]:  # Any: pyarrow record batches
        """Give all stretches of the table, undecoded, in the order of their commits."""
        for _, table in self._stretches:
            yield self._store.batch(self._owner, table)

    def only_places(self) -> list[int] | None:
        """Return the place of each id among the rows of all stretches; None where an id was logged several times."""
        return None if self._later else [self._first[key] for key in self.ids]

    def bounds(self, query: TableQuery) -> tuple[int, int]:
        """Return the positions [first, last) of the rows that a query asks for."""
        first = 0 if query.start is None else bisect_left(self.ids, key_order(query.start), key=key_order)
        if query.end is None:
            return first, len(self.ids)
        find = bisect_right if query.end_inclusive else bisect_left
        return first, max(first, find(self.ids, key_order(query.end), key=key_order))

    def rows(self, ids: Sequence[Key]) -> Columns:
        """Read rows by id: every column as long as `ids`, later parts over earlier ones, None where a row has nothing."""
        wanted = sorted(
            (place, slot) for slot, key in enumerate(ids) for place in (self._first[key], *self._later.get(key, ()))
        )
        columns: Columns = {}
        starts = [offset for offset, _ in self._stretches]
        for number, group in groupby(wanted, key=lambda each: bisect_right(starts, each[0]) - 1):
            offset, table = self._stretches[number]
            places = list(group)
            self._fill(columns, len(ids), table, [(place - offset, slot) for place, slot in places])
        for name in self._names:
            columns.setdefault(name, [None] * len(ids))
        return columns

    def _fill(self, columns: Columns, length: int, table: PartTable, places: list[tuple[int, int]]) -> None:
        batch = self._store.batch(self._owner, table)
        low, high = places[0][0], places[-1][0] + 1
        if high - low == len(places):
            batch = batch.slice(low, len(places))
        else:
            import pyarrow as pa

            batch = batch.take(pa.array([row for row, _ in places], pa.int64()))
        slots = [slot for _, slot in places]
        is_whole = slots == list(range(length))
        for name, values in decode_batch(batch).items():
            if name == ID_COLUMN:
                continue
            if is_whole and name not in columns:
                columns[name] = values
                continue
            column = columns.setdefault(name, [None] * length)
            for slot, value in zip(slots, values, strict=True):
                if value is not None:
                    column[slot] = value

    def _add_ids(self, offset: int, table: PartTable) -> None:
        batch = self._store.batch(self._owner, table)
        self._names.update((unescape_name(name), None) for name in batch.schema.names if name != STORED_ID)
        ids = batch.column(STORED_ID).to_pylist()
        first = self._first
        for place, key in enumerate(ids, offset):
            if first.setdefault(key, place) != place:
                if table.table_name in _LATEST:
                    first[key] = place
                else:
                    self._later.setdefault(key, []).append(place)


def sort_ids(ids: Mapping[Key, object]) -> list[Key]:
    """Order ids by value: numbers by size before texts by code point."""
    return sorted(ids, key=key_order)


def join_columns(pages: Sequence[tuple[Columns, int]]) -> Columns:
    """Put pages of columns one under the other; a column that one lacks is None there."""
    if len(pages) == 1:
        return pages[0][0]
    joined: Columns = {}
    above = 0
    for columns, count in pages:
        for name, values in columns.items():
            column = joined.setdefault(name, [])
            if len(column) < above:
                column.extend([None] * (above - len(column)))
            column.extend(values)
        above += count
    for column in joined.values():
        column.extend([None] * (above - len(column)))
    return joined
