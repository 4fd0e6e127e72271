"""Rows of a job's tables, filtered and sorted, from millions: an order is found once, and its pages are read from where the rows are."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starwhale.errors import CorruptedError, NotFoundError, UsageError, nearest
from starwhale.results.read import job_scope, table_names
from starwhale.results.row_sorting import sort_numbers, sortable
from starwhale.results.scan import RESULTS, SUMMARY, check_table, narrow_scope, row_order, whole_row
from starwhale.results.where import Where, cell_of, parse_where
from starwhale.results.where_columns import heads, is_within, list_item, matching
from starwhale.storage.protocols import ERRORS, HIDDEN_COLUMNS, RETRIED_ERRORS, TableQuery, Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from starwhale.results.row_counts import Histogram, Series
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.result_parts.result_columns import Columns
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores

    Numbers = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
KEPT_BYTES = 48 << 20
"""Orders and columns that are kept for the next page, of all tables together."""
MOST_TABLES = 100
"""Tables in which a row is looked for."""
Row = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsWanted:
    """Which rows of a table, and in which order."""

    table: str = RESULTS
    """Its name, in any case."""
    where: str = ""
    """An expression of `results.where`; empty for all rows."""
    sort: str = ""
    """Column to sort by; empty for the table's own order."""
    descending: bool = False
    """Whether the largest come first; rows without a value come last either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsFound:
    """Some rows of a table."""

    table: str
    """Name of the table."""
    columns: Mapping[str, str]
    """Column → kind of its values."""
    rows: Sequence[Row]
    """The rows; a cell that cannot be read is the error that says why."""
    total: int
    """Rows that fit."""
    moment: int
    """Number to ask for pages of the same rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table of a job."""

    name: str
    """Its name."""
    rows: int
    """Its rows."""
    columns: Mapping[str, str]
    """Column → kind of its values; empty where rows have several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTable:
    """A table as of one moment."""

    scope: ResultScope
    """Whose it is."""
    table: str
    """Its name."""
    moment: int
    """Number to ask for the same rows again."""
    columns: Columns
    """Its columns."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is kept under."""
        return self.scope.owner, self.table, self.moment


class RowIndexes:
    """Orders of rows of the tables of jobs, kept for the next page; safe to use from several threads."""

    def __init__(self, stores: Stores, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._stores = stores
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()

    @staticmethod
    def get_ready() -> None:
        """Load what the first table would load otherwise, which takes a moment: Arrow, and what it looks for when it makes an array.

        Memory that is free by then is given back.
        """
        import pyarrow as pa

        pa.array([0])
        _give_back()

    def tables(self, job: JobRecord) -> list[TableFacts]:
        """Return the tables of a job that have rows, `results` first, without the summary."""
        names = table_names(self._stores, job)
        found: list[TableFacts] = []
        for name in sorted(names, key=lambda each: (each != RESULTS, each)):
            opened = self.open(job, name)
            found.append(TableFacts(name=name, rows=opened.columns.count, columns=opened.columns.kinds()))
        return found

    def open(self, job: JobRecord, table: str, moment: int | None = None) -> OpenedTable:
        """Open a table as of a moment, or now.

        Raises:
            NotFoundError: The job has no such table.
        """
        name = check_table(self._stores, job, table or RESULTS)
        if name == SUMMARY:
            raise NotFoundError(f"{SUMMARY!r} is one row", hint="it is in the report of the job")
        scope = job_scope(self._stores, job)
        reader = self._stores.results.reader
        if moment is not None:
            found = self._get((job.id, name, moment))
            if found is not None:
                return OpenedTable(scope=scope, table=name, moment=moment, columns=found)
        taken = reader.moment(scope, name) if moment is None else moment
        columns = self._get((job.id, name, taken))
        if columns is None:
            taken, columns = reader.columns(scope, name, moment)
            _give_back()
            self._keep((job.id, name, taken), columns, 12 * columns.count)
        return OpenedTable(scope=scope, table=name, moment=taken, columns=columns)

    def read(
        self,
        job: JobRecord,
        wanted: RowsWanted,
        *,
        start: int = 0,
        limit: int = 100,
        columns: Sequence[str] | None = None,
        moment: int | None = None,
    ) -> RowsFound:
        """Return some of the rows that fit, in the order that is asked for.

        Args:
            job: Whose they are.
            wanted: Which, and in which order.
            start: Rows that fit to leave out.
            limit: At most so many.
            columns: Only these columns, and `id`; None for all.
            moment: Of a page before, for the same rows; None for now.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or a column is named that no row has.
        """
        opened = self.open(job, wanted.table, moment)
        order = self.order(opened, wanted)
        total = opened.columns.count if order is None else len(order)
        chosen = (
            range(start, min(start + limit, total)) if order is None else [int(n) for n in order[start : start + limit]]
        )
        rows = [row for run in _runs(chosen) for row in self._rows(opened, run)]
        if columns is not None:
            names = {each.casefold() for each in columns} | {"id"}
            rows = [{name: value for name, value in row.items() if name.casefold() in names} for row in rows]
        kinds = {**opened.columns.kinds(), **opened.columns.input_kinds()}
        seen = dict.fromkeys(name for row in rows for name in row)
        return RowsFound(
            table=opened.table,
            columns={name: kinds.get(name, "") for name in (seen or kinds)},
            rows=rows,
            total=total,
            moment=opened.moment,
        )

    def one(self, job: JobRecord, table: str, id_text: str) -> tuple[str, Row]:
        """Return the name of a table and one of its rows, by its id; a number is meant where the table has no such text.

        Raises:
            NotFoundError: There is none.
        """
        name = check_table(self._stores, job, table or RESULTS)
        scope = job_scope(self._stores, job)
        ids: list[Any] = [id_text]
        if id_text.lstrip("-").isdecimal() and id_text.isascii() and len(id_text) < 40:
            ids.append(int(id_text))
        for each in ids:
            row = whole_row(self._stores, scope, name, each)
            if row is not None:
                return name, row
        message = f"no row {id_text[:80]!r} in table {name!r} of job {job.id[:12]}"
        raise NotFoundError(message, hint="see the ids with: swcli job results")

    def logged(self, job: JobRecord, id_text: str, *, but: str = RESULTS) -> list[tuple[str, Row]]:
        """Return the rows that other tables have under the id of a row, by the name of their table: what predict gave, what was logged of it.

        Args:
            job: Whose they are.
            id_text: The id; a text, as ids of rows of datasets are.
            but: A table that is left out.
        """
        scope = job_scope(self._stores, job)
        names = [each for each in table_names(self._stores, job) if each.casefold() != but.casefold()]
        found = [(name, whole_row(self._stores, scope, name, id_text)) for name in names[:MOST_TABLES]]
        return [(name, row) for name, row in found if row is not None]

    def cell(self, job: JobRecord, table: str, id_text: str, column: str) -> Value:
        """Return one cell.

        Raises:
            NotFoundError: There is no such row, or it has no such column.
        """
        name, row = self.one(job, table, id_text)
        found = next(
            (each for each in (column, *(n for n in row if n.casefold() == column.casefold())) if each in row), None
        )
        if found is None:
            raise NotFoundError(
                f"row {id_text[:80]!r} of table {name!r} has no column {column[:80]!r}", hint=nearest(column, row)
            )
        return row[found]

    def histogram(self, job: JobRecord, wanted: RowsWanted, column: str, bins: int) -> Histogram:
        """Count the values of a column: numbers in ranges of one width, everything else value by value.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or a column is named that no row has.
        """
        from starwhale.results.row_counts import count_values

        opened = self.open(job, wanted.table)
        name = self.name_of(opened, column)
        chosen = self.order(opened, wanted)
        values = self.column(opened, name)
        if values is None:
            listed = [cell_of(row, name) for row in self._narrow_rows(opened, [name])]
            values = listed if chosen is None else [listed[int(each)] for each in chosen]
        elif chosen is not None:
            import pyarrow as pa

            values = values.take(pa.array(chosen))
        counted = count_values(name, values, bins)
        del values
        _give_back()
        return counted

    def series(self, job: JobRecord, wanted: RowsWanted, columns: Sequence[str], limit: int) -> Series:
        """Return columns of the rows that fit, or of evenly chosen ones where there are more.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or a column is named that no row has.
        """
        import numpy as np

        from starwhale.results.row_counts import Series

        opened = self.open(job, wanted.table)
        names = [self.name_of(opened, each) for each in columns]
        order = self.order(opened, wanted)
        chosen = np.arange(opened.columns.count, dtype=np.int64) if order is None else order
        total = len(chosen)
        if total > limit:
            chosen = chosen[np.linspace(0, total - 1, limit).astype(np.int64)]
        wholes = {name: self.column(opened, name) for name in names}
        rest = [name for name, whole in wholes.items() if whole is None]
        rows: list[Row] = []
        if rest:
            wanted_numbers = set(chosen.tolist())
            found = {n: row for n, row in enumerate(self._narrow_rows(opened, rest)) if n in wanted_numbers}
            rows = [found[n] for n in chosen.tolist()]
        import pyarrow as pa

        places = pa.array(chosen)
        made = {
            name: [cell_of(row, name) for row in rows] if whole is None else whole.take(places).to_pylist()
            for name, whole in wholes.items()
        }
        return Series(columns=made, rows=len(chosen), total=total)

    def order(self, opened: OpenedTable, wanted: RowsWanted) -> Numbers | None:
        """Return the numbers of the rows that fit, in the order that is asked for; None for all of them in the table's own."""
        if not wanted.where.strip() and not wanted.sort and opened.table not in {ERRORS, RETRIED_ERRORS}:
            return None
        key = (*opened.key, wanted.where, wanted.sort, wanted.descending)
        found = self._get(key)
        if found is None:
            found = self._find(opened, wanted)
            self._keep(key, found, found.nbytes)
            _give_back()
        return found

    def column(self, opened: OpenedTable, name: str) -> Any:  # Any: an Arrow array
        """Return a whole column, or one item of a column of lists, kept for the next time; None where it is not simple."""
        key = (*opened.key, name)
        found = self._get(key)
        if found is None:
            item = list_item(opened.columns.kinds(), name)
            if item is None and is_within(opened.columns.kinds(), name):
                return None
            found = opened.columns.column(name) if item is None else opened.columns.item(*item)
            if found is None:
                return None
            self._keep(key, found, found.nbytes)
        return found

    def name_of(self, opened: OpenedTable, name: str) -> str:
        """Return a column's name as the table has it.

        Raises:
            UsageError: It has none of that name; the nearest are said.
        """
        known = [*opened.columns.kinds(), *opened.columns.input_kinds(), "_index", "_mode"]
        if name in known:
            return name
        found = next((each for each in known if each.casefold() == name.casefold()), None)
        if found is not None:
            return found
        parts = name.casefold().split("/")
        if any("/".join(parts[:count]) in {each.casefold() for each in known} for count in range(1, len(parts))):
            return name  # it lies within a column whose rows hold objects
        if not getattr(opened.columns, "is_plain", True):
            return name  # rows of the user's own may have it
        raise UsageError(f"table {opened.table!r} has no column {name[:80]!r}", hint=nearest(name, known))

    def _find(self, opened: OpenedTable, wanted: RowsWanted) -> Numbers:
        import numpy as np

        where = parse_where(wanted.where) if wanted.where.strip() else None
        if opened.columns.count == 0:
            return np.empty(0, np.int64)
        names = {each: self.name_of(opened, each) for each in (where.columns if where else ())}
        sort = self.name_of(opened, wanted.sort) if wanted.sort else ""
        mask = None if where is None else self._mask(opened, where, names)
        chosen = np.arange(opened.columns.count, dtype=np.int64) if mask is None else np.flatnonzero(mask)
        if not sort:
            return self._in_row_order(opened, chosen) if opened.table in {ERRORS, RETRIED_ERRORS} else chosen
        column = self.column(opened, sort)
        if column is None:
            return self._sorted_by_rows(opened, chosen, sort, is_falling=wanted.descending)
        return sort_numbers(column, chosen, is_falling=wanted.descending)

    def _in_row_order(self, opened: OpenedTable, chosen: Numbers) -> Numbers:
        """Order failed rows as their datasets do."""
        import numpy as np

        rows = list(self._narrow_rows(opened, ["id", "_index"]))
        return np.array(sorted(chosen.tolist(), key=lambda each: row_order(rows[each])), np.int64)

    def _mask(self, opened: OpenedTable, where: Where, names: Mapping[str, str]) -> Mask:
        """Return which rows fit: column by column where that has a meaning, else row by row."""
        import numpy as np

        found = matching(where.tree, lambda name: self.column(opened, names[name]), opened.columns.count)
        if found is not None:
            return found
        mask = np.zeros(opened.columns.count, np.bool_)
        for number, row in enumerate(self._narrow_rows(opened, list(names.values()))):
            mask[number] = where.matches(row)
        return mask

    def _sorted_by_rows(self, opened: OpenedTable, chosen: Numbers, name: str, *, is_falling: bool) -> Numbers:
        """Sort by a column whose values are of several kinds, or no numbers and texts."""
        import numpy as np

        values = [sortable(cell_of(row, name)) for row in self._narrow_rows(opened, [name])]
        with_value = [int(each) for each in chosen if values[each] is not None]
        without = [int(each) for each in chosen if values[each] is None]
        with_value.sort(key=lambda each: values[each] or (0, 0), reverse=is_falling)
        return np.array(with_value + without, np.int64)

    def _narrow_rows(self, opened: OpenedTable, names: Sequence[str]) -> Iterator[Row]:
        """Read all rows with some columns, in the table's order."""
        scope = opened.scope
        if opened.table == RESULTS:
            with contextlib.suppress(
                NotFoundError, FileNotFoundError
            ):  # a dataset is gone: there are no inputs to leave out
                scope = narrow_scope(opened.scope, names)
        reader = self._stores.results.reader
        folded = {each for name in names for each in heads(name.casefold())}
        page = reader.read_page(scope, TableQuery(table=opened.table), reader.first_cursor(opened.moment))
        count = 0
        while True:
            shown = [each for each in page.columns if each.casefold() in folded]
            columns = [page.columns[each] for each in shown]
            for place in range(page.row_count):
                if count == opened.columns.count:
                    return
                yield {
                    name: values[place]
                    for name, values in zip(shown, columns, strict=True)
                    if values[place] is not None
                }
                count += 1
            if page.next_cursor is None:
                return
            page = reader.read_page(scope, TableQuery(table=opened.table), page.next_cursor)

    def _rows(self, opened: OpenedTable, run: range) -> Iterator[Row]:
        """Read rows that follow each other; where one cannot be read, each is read for itself and the error stands in its place."""
        reader = self._stores.results.reader
        number = run.start
        while number < run.stop:
            try:
                page = reader.read_at(
                    opened.scope, opened.table, opened.moment, opened.columns.place(number), run.stop - number
                )
            except CorruptedError as error:
                if run.stop - run.start > 1:
                    yield from (
                        row for each in range(number, run.stop) for row in self._rows(opened, range(each, each + 1))
                    )
                    return
                yield self._without_inputs(opened, number, error)
                return
            names = [name for name in page.columns if name not in HIDDEN_COLUMNS]
            count = min(page.row_count, run.stop - number)
            for place in range(count):
                cells = ((name, page.columns[name][place]) for name in names)
                yield {name: value for name, value in cells if value is not None}
            if count == 0:
                return
            number += count

    def _without_inputs(self, opened: OpenedTable, number: int, error: CorruptedError) -> Row:
        """Read a row without what is joined from its dataset, where that is what is damaged; the error stands in its place."""
        reader = self._stores.results.reader
        try:
            scope = narrow_scope(opened.scope, []) if opened.table == RESULTS else opened.scope
            page = reader.read_at(scope, opened.table, opened.moment, opened.columns.place(number), 1)
        except (CorruptedError, NotFoundError, FileNotFoundError):
            return {"id": error}
        found = {name: values[0] for name, values in page.columns.items() if name not in HIDDEN_COLUMNS}
        return {**{name: value for name, value in found.items() if value is not None}, "input": error}

    def _get(self, key: tuple[Any, ...]) -> Any:  # Any: what was kept
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def _keep(self, key: tuple[Any, ...], value: Any, size: int) -> None:
        with self._lock:
            self._kept[key] = value, size
            while len(self._kept) > 1 and sum(each for _, each in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)


def _give_back() -> None:
    """Give memory back that whole columns have needed for a moment; Arrow keeps it for the next one otherwise."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _runs(numbers: Sequence[int]) -> Iterator[range]:
    """Cut numbers into runs of such as follow each other."""
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            if place > start:
                yield range(numbers[start], numbers[place - 1] + 1)
            start = place
