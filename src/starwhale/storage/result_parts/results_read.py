"""Reading results: pages of a table in its order, bounded in rows and bytes, as of the moment of the first page."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starwhale.errors import CorruptedError, ResultsError, StarwhaleError
from starwhale.media.weight import weigh
from starwhale.storage.part import PartRecord
from starwhale.storage.protocols import TablePage, TableQuery, Value
from starwhale.storage.result_parts.result_columns import Columns, columns_of
from starwhale.storage.result_parts.result_rows import (
    FIRST,
    PAGE_BYTES,
    PAGE_ROWS,
    PREDICTIONS,
    RESULTS,
    ResultPosition,
    ResultScope,
    RowsView,
)
from starwhale.storage.result_parts.result_table import TableView
from starwhale.storage.result_parts.stored_parts import StoredParts

SUMMARY = "summary"
"""Table of the summary: one row."""
TRIES = 5
"""A page is tried so often while compactions move its rows away."""
VIEWS = 8
"""Views that are kept for the next page."""
VIEW_ROWS = 2_000_000
"""Ids of logged tables that these hold together, where there are several: a table that grows has a view for every commit."""


@dataclass(frozen=True, slots=True)
class _View:
    """A table as of one moment."""

    scope: ResultScope
    parts: list[PartRecord]
    rows: RowsView | TableView


class ResultReader:
    """Reads the results of any owner; safe to use from several threads."""

    def __init__(self, store: StoredParts) -> None:
        self._store = store
        self._views: OrderedDict[tuple[str, str, int], _View] = OrderedDict()
        self._lock = threading.Lock()

    def table_names(self, scope: ResultScope) -> list[str]:
        """Return the names of the tables that have rows, without the summary, sorted."""
        names = {table.table_name for part in self._store.visible(scope.owner) for table in part.tables}
        return sorted({RESULTS if name == PREDICTIONS else name for name in names} - {SUMMARY})

    def read_page(
        self, scope: ResultScope, query: TableQuery, cursor: str | None = None, *, max_rows: int = PAGE_ROWS
    ) -> TablePage:
        """Read some rows of a table, beginning where a page before ended.

        Every page sees the parts that were committed when the first one was asked for. An unknown table has no rows.

        Raises:
            CorruptedError: A part is damaged; names the file and what is still readable.
            ResultsError: The cursor is none of ours.
        """
        place = _read_cursor(cursor) if cursor else None
        for is_last_try in (False,) * (TRIES - 1) + (True,):
            try:
                return self._read_page(scope, query, place, max_rows)
            except FileNotFoundError as error:
                # A compaction has moved the rows since the view was made; the catalog knows where to.
                self._forget(scope.owner)
                if is_last_try:
                    message = f"a file of the results of {scope.owner!r} is missing: {error.filename}"
                    raise CorruptedError(message, path=str(error.filename), hint=self._readable(scope)) from error
            except CorruptedError as error:
                raise CorruptedError(error.message, path=error.path, hint=self._readable(scope)) from error
        raise AssertionError

    def columns(self, scope: ResultScope, table: str, moment: int | None = None) -> tuple[int, Columns]:
        """Return whole columns of a table, and the moment that they are of: a number to ask for the same rows again.

        Args:
            scope: Whose.
            table: Its name.
            moment: Of an earlier answer; None for now.

        Raises:
            CorruptedError: A file of the results is missing or damaged.
        """
        for is_last_try in (False,) * (TRIES - 1) + (True,):
            try:
                taken, view = self._view(scope, table, moment)
                return taken, columns_of(view)
            except FileNotFoundError as error:
                self._forget(scope.owner)
                if is_last_try:
                    message = f"a file of the results of {scope.owner!r} is missing: {error.filename}"
                    raise CorruptedError(message, path=str(error.filename), hint=self._readable(scope)) from error
        raise AssertionError

    def moment(self, scope: ResultScope, table: str) -> int:
        """Return the number of now: that of the last commit which has rows of a table."""
        names = {PREDICTIONS, RESULTS} if table == RESULTS else {table}
        parts = self._store.visible(scope.owner)
        return max((part.id for part in parts if any(each.table_name in names for each in part.tables)), default=0)

    @staticmethod
    def first_cursor(moment: int) -> str:
        """Return where a table begins, as of a moment."""
        return json.dumps([moment, *FIRST])

    def read_at(self, scope: ResultScope, table: str, moment: int, place: ResultPosition, max_rows: int) -> TablePage:
        """Read some rows of a table as of a moment, from a place on that `columns` gave."""
        cursor = json.dumps([moment, *place])
        return self.read_page(scope, TableQuery(table=table), cursor, max_rows=max_rows)

    def pages(self, scope: ResultScope, query: TableQuery) -> Iterator[TablePage]:
        """Read a table to its end."""
        page = self.read_page(scope, query)
        yield page
        while page.next_cursor is not None:
            page = self.read_page(scope, query, page.next_cursor)
            yield page

    def rows(self, scope: ResultScope, query: TableQuery) -> Iterator[dict[str, Value]]:
        """Read a table to its end, row by row, with None where a row has nothing."""
        for page in self.pages(scope, query):
            names = list(page.columns)
            for values in zip(*page.columns.values(), strict=True):
                yield dict(zip(names, values, strict=True))

    def summary(self, scope: ResultScope) -> dict[str, Value]:
        """Return the merged summary without its id and without empty cells; `{}` when there is none."""
        return _merged(self.rows(scope, TableQuery(table=SUMMARY)))

    def summaries(self, owners: Sequence[str]) -> Iterator[tuple[str, dict[str, Value] | StarwhaleError]]:
        """Give the summaries of many owners, asking the catalog once for all; in place of one that cannot be read, why.

        Raises:
            CorruptedError: What the catalog says of a part is not what was written.
        """
        parts = self._store.visible_with(SUMMARY, owners)
        for owner in owners:
            try:
                yield owner, self._summary(owner, parts.get(owner, ()))
            except StarwhaleError as error:
                yield owner, error

    def _summary(self, owner: str, parts: Sequence[PartRecord]) -> dict[str, Value]:
        try:
            view = TableView(self._store, owner, SUMMARY, parts)
            columns = view.rows(view.ids)
        except FileNotFoundError:  # a compaction has moved it meanwhile
            return self.summary(ResultScope(owner=owner))
        return _merged(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))

    def _read_page(
        self, scope: ResultScope, query: TableQuery, place: tuple[int, ResultPosition] | None, max_rows: int
    ) -> TablePage:
        snapshot, view = self._view(scope, query.table, None if place is None else place[0])
        if isinstance(view, RowsView):
            first, end = view.bounds(query)
            columns, count, following = view.page(first if place is None else place[1], end, max_rows)
        else:
            low, high = view.bounds(query)
            start = low if place is None else max(low, place[1].rank)
            stop = min(high, start + max_rows)
            columns, count = _read_rows(view, start, stop)
            following = ResultPosition(FIRST.position, start + count) if start + count < high else None
        cursor = None if following is None else json.dumps([snapshot, *following])
        return TablePage(columns=columns, row_count=count, next_cursor=cursor)

    def _view(self, scope: ResultScope, table: str, snapshot: int | None) -> tuple[int, RowsView | TableView]:
        if snapshot is not None:
            with self._lock:
                found = self._views.get((scope.owner, table, snapshot))
            if found is not None and found.scope == scope:
                return snapshot, found.rows
        names = {PREDICTIONS, RESULTS} if table == RESULTS else {table}
        parts = [
            part
            for part in self._store.visible(scope.owner)
            if (snapshot is None or part.id <= snapshot) and any(each.table_name in names for each in part.tables)
        ]
        taken = (parts[-1].id if parts else 0) if snapshot is None else snapshot
        with self._lock:
            found = self._views.get((scope.owner, table, taken))
        if found is not None and found.parts == parts and found.scope == scope:
            return taken, found.rows
        view = self._make_view(scope, table, parts)
        with self._lock:
            self._views[scope.owner, table, taken] = _View(scope, parts, view)
            self._views.move_to_end((scope.owner, table, taken))
            while len(self._views) > 1 and (len(self._views) > VIEWS or self._held_rows() > VIEW_ROWS):
                self._views.popitem(last=False)
        return taken, view

    def _held_rows(self) -> int:
        views = [each.rows for each in self._views.values()]
        return sum(len(each.ids) for each in views if isinstance(each, TableView))

    def _make_view(self, scope: ResultScope, table: str, parts: Sequence[PartRecord]) -> RowsView | TableView:
        if table == RESULTS:
            return RowsView(self._store, scope, parts)
        return TableView(self._store, scope.owner, table, parts)

    def _forget(self, owner: str) -> None:
        with self._lock:
            for key in [key for key in self._views if key[0] == owner]:
                del self._views[key]

    def _readable(self, scope: ResultScope) -> str:
        """Say what is lost and how much is still readable."""
        lost = [each.lost for each in self._store.verify(scope.owner)]
        tables = sum(len(part.tables) for part in self._store.visible(scope.owner))
        shown = "; ".join(lost[:3]) + (f"; and {len(lost) - 3} more" if len(lost) > 3 else "")
        return f"lost: {shown or 'unknown'}; still readable: {tables - len(lost)} of {tables} stored pieces of {scope.owner}"


def _merged(rows: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    merged: dict[str, Value] = {}
    for row in rows:
        merged.update((name, value) for name, value in row.items() if name != "id" and value is not None)
    return merged


def _read_rows(view: TableView, start: int, stop: int) -> tuple[dict[str, list[Value]], int]:
    """Read rows of a logged table, fewer than asked for when they are large."""
    if start >= stop:
        return {}, 0
    _, sample = view.rows_between(start, min(stop, start + 8))
    weight = sum(max(map(weigh, values), default=0) for values in sample.values())
    stop = min(stop, start + max(PAGE_BYTES // max(weight, 1), 1))
    ids, columns = view.rows_between(start, stop)
    return {"id": list(ids), **columns}, len(ids)


def _read_cursor(cursor: str) -> tuple[int, ResultPosition]:
    try:
        snapshot, position, rank, step = json.loads(cursor)
        return int(snapshot), ResultPosition(int(position), int(rank), int(step))
    except (ValueError, TypeError) as error:
        message = f"{cursor!r} is not a cursor of a table"
        raise ResultsError(message, hint="begin again without one") from error
