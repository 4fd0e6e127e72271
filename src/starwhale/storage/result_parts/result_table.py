"""One logged table over all its parts: ordered by id, equal ids merged."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from starwhale.storage.columns.encode import decode_batch, escape_name, unescape_name
from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.protocols import ERRORS, RETRIED_ERRORS, Key, TableQuery, Value, key_order
from starwhale.storage.result_parts.part_codec import ID_COLUMN
from starwhale.storage.result_parts.stored_parts import StoredParts
from starwhale.storage.result_parts.table_ids import copied, order_alike, sort_ids

Columns = dict[str, list[Value]]
STORED_ID = escape_name(ID_COLUMN)
"""The ids' column in a file."""
ALIKE_FROM = 10_000
"""From so many rows on ids are held as Arrow arrays, where they are alike."""
_LATEST = {ERRORS, RETRIED_ERRORS}
"""Tables in which a row stands as it was written last; nothing of one failure is told of another."""


class TableView:
    """The rows of one table in the given parts. The ids are held; values are read when a page asks for them.

    Args:
        store: Where the parts lie.
        owner: Whose they are.
        name: Name of the table.
        parts: The parts, in the order of their commits.
        is_looked_up: Whether most rows are going to be asked for by id, for which a dict is worth its memory.
    """

    def __init__(
        self, store: StoredParts, owner: str, name: str, parts: Sequence[PartRecord], *, is_looked_up: bool = False
    ) -> None:
        self._store = store
        self._owner = owner
        self._stretches: list[tuple[int, PartTable]] = []
        self._first: dict[Key, int] = {}
        self._later: dict[Key, list[int]] = {}
        self._names: dict[str, None] = {}
        offset = 0
        for table in (each for part in parts for each in part.tables if each.table_name == name):
            self._stretches.append((offset, table))
            offset += table.row_count
        self._places: Any = None  # Any: an array of int64
        if offset >= ALIKE_FROM and not is_looked_up:
            self._order_alike()
        if self._places is None:
            for start, table in self._stretches:
                self._add_ids(start, table)
            self.ids: Sequence[Key] = sort_ids(self._first)
            """All ids, in order."""

    def __contains__(self, id: Key) -> bool:
        return id in (self._first if self._places is None else self.ids)

    def _order_alike(self) -> None:
        arrays: list[Any] = []
        for _, table in self._stretches:
            batch = self._store.batch(self._owner, table)
            self._names.update((unescape_name(name), None) for name in batch.schema.names if name != STORED_ID)
            arrays.append(copied(batch.column(STORED_ID)))
        found = order_alike(arrays)
        if found is not None:
            self.ids, self._places = found

    def batches(self) -> Iterator[Any]:  # Any: pyarrow record batches
        """Give all stretches of the table, undecoded, in the order of their commits."""
        for _, table in self._stretches:
            yield self._store.batch(self._owner, table)

    def only_places(self) -> Sequence[int] | None:
        """Return the place of each id among the rows of all stretches; None where an id was logged several times."""
        if self._places is not None:
            return self._places
        return None if self._later else [self._first[key] for key in self.ids]

    def bounds(self, query: TableQuery) -> tuple[int, int]:
        """Return the positions [first, last) of the rows that a query asks for."""
        first = 0 if query.start is None else bisect_left(self.ids, key_order(query.start), key=key_order)
        if query.end is None:
            return first, len(self.ids)
        find = bisect_right if query.end_inclusive else bisect_left
        return first, max(first, find(self.ids, key_order(query.end), key=key_order))

    def rows(self, ids: Sequence[Key]) -> Columns:
        """Read rows by id: every column as long as `ids`, later parts over earlier ones, None where a row has nothing.

        Args:
            ids: Such as the table has.
        """
        return self._read(((place, slot) for slot, key in enumerate(ids) for place in self._places_of(key)), len(ids))

    def rows_between(self, start: int, stop: int) -> tuple[Sequence[Key], Columns]:
        """Read the rows at some places of the table's order, with their ids."""
        ids = self.ids[start:stop]
        if self._places is None:
            return ids, self.rows(ids)
        return ids, self._read(zip(self._places[start:stop].tolist(), range(len(ids)), strict=True), len(ids))

    def _places_of(self, key: Key) -> tuple[int, ...]:
        if self._places is None:
            return (self._first[key], *self._later.get(key, ()))
        at = self.ids.index(key)
        return (int(self._places[at]),)

    def _read(self, places: Iterable[tuple[int, int]], count: int) -> Columns:
        """Read rows by their places among all stretches, each into a slot of the columns."""
        wanted = sorted(places)
        columns: Columns = {}
        starts = [offset for offset, _ in self._stretches]
        for number, group in groupby(wanted, key=lambda each: bisect_right(starts, each[0]) - 1):
            offset, table = self._stretches[number]
            places = list(group)
            self._fill(columns, count, table, [(place - offset, slot) for place, slot in places])
        for name in self._names:
            columns.setdefault(name, [None] * count)
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
