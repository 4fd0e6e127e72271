"""Some rows of a table, chosen by an expression: page by page, never the whole table in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

from starwhale.domain.row_id import head_of, key_at, make_row_id
from starwhale.domain.status import Status
from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.read import job_scope, table_names
from starwhale.results.where import Where, parse_where
from starwhale.storage.protocols import ERRORS, HIDDEN_COLUMNS, RETRIED_ERRORS, TableQuery, Value, shown_cells

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.result_parts.result_rows import ResultScope
    from starwhale.storage.stores import Stores

RESULTS = "results"
SUMMARY = "summary"
FEW = 200
"""Up to so many rows are read whole, one by one, after a search that reads no inputs it need not."""
Row = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a search has found."""

    table: str
    """Name of the table."""
    rows: tuple[Row, ...]
    """The rows, in the table's order, without the system's own columns and without empty cells."""
    has_more: bool
    """Whether more rows fit."""


def scan(  # noqa: PLR0913 - the options of one command
    stores: Stores,
    job: JobRecord,
    table: str = "",
    *,
    where: str = "",
    limit: int | None = 20,
    offset: int = 0,
    failed: bool = False,
) -> Scan:
    """Return the first rows of a table that fit.

    A search by columns that are no inputs reads no input but those of the rows that it returns.

    Args:
        stores: Where it lies.
        job: Whose it is.
        table: Its name, in any case; empty for `results`.
        where: An expression of `results.where`; empty for all rows.
        limit: At most so many; None for all.
        offset: Leave out so many of the first that fit.
        failed: The rows that failed, in row order: the table `errors`, and last the row that ended the job.

    Raises:
        NotFoundError: The job has no such table.
        UsageError: The expression breaks, or names a column that no row has; or a number is below its least.
    """
    if offset < 0 or (limit is not None and limit < 1):
        message = f"limit is {limit} and offset {offset}"
        raise UsageError(message, hint="a limit is at least 1, an offset at least 0")
    wanted = parse_where(where) if where.strip() else None
    if failed and table.casefold() not in {"", RESULTS, ERRORS}:
        message = f"failed rows are in the table {ERRORS!r}, not in {table!r}"
        raise UsageError(message, hint="leave the table out, or failed")
    name = check_table(stores, job, ERRORS if failed else table or RESULTS)
    stop = None if limit is None else offset + limit + 1
    rows = _search(stores, job, name, wanted, stop, in_row_order=name in {ERRORS, RETRIED_ERRORS})
    ending = ending_row(stores, job) if failed and (stop is None or len(rows) < stop) else None
    if ending is not None and (wanted is None or wanted.matches(ending)):
        rows.append(ending)
    found = rows[offset : None if limit is None else offset + limit]
    return Scan(table=name, rows=tuple(found), has_more=limit is not None and len(rows) > offset + limit)


def ending_row(stores: Stores, job: JobRecord) -> Row | None:
    """Return the row at which a job stopped, as the table of failed rows would have it; None where it was none.

    It is in no table: the row is not done, and `resume` tries it again.
    """
    error = job.error
    if job.status is not Status.FAILED or error is None or not error.row:
        return None
    failed = (each.step.id_step for each in stores.catalog.jobs.steps(job.id) if each.status is Status.FAILED)
    step = next(failed, "")
    for each in job.datasets:
        if (key := key_at(error.row, each)) is not None:
            told = {name: value for name, value in error.columns().items() if value is not None}
            return {"id": make_row_id(each, key, step), **told}
    return None


def check_table(stores: Stores, job: JobRecord, table: str) -> str:
    """Return the name of a table as it was logged. `results` and `errors` may be empty, every other must have rows.

    Raises:
        NotFoundError: The job has no such table; names those it has.
    """
    names = [*table_names(stores, job), SUMMARY]
    for name in (*names, RESULTS, ERRORS):
        if name == table:
            return name
    for name in (*names, RESULTS, ERRORS):
        if name.casefold() == table.casefold():
            return name
    raise NotFoundError(f"job {job.id[:12]} has no table {table!r}", hint=nearest(table, {*names, RESULTS}))


def row_order(row: Row) -> tuple[str, bool, Any]:  # Any: keys of one dataset are of one type
    """Order failed rows as their datasets do; their ids are texts, among which 10 comes before 2."""
    key = row.get("_index")
    return head_of(row["id"]), isinstance(key, str), 0 if key is None else key


def _search(
    stores: Stores, job: JobRecord, table: str, where: Where | None, stop: int | None, *, in_row_order: bool
) -> list[Row]:
    """Return the first `stop` rows that fit."""
    scope = job_scope(stores, job)
    seen: dict[str, None] = {}
    if where is not None and table == RESULTS and stop is not None and stop <= FEW:
        narrow = _narrow(scope, where, seen)
        if narrow is not None:
            ids = (row["id"] for row in _rows(stores, narrow, table, where, seen))
            found = [row for each in islice(ids, stop) if (row := whole_row(stores, scope, table, each)) is not None]
            _check_columns(stores, narrow, table, where, seen)
            return found
    rows = _rows(stores, scope, table, where, seen)
    if in_row_order:
        found = sorted(rows, key=row_order) if stop is None else nsmallest(stop, rows, key=row_order)
    else:
        found = list(islice(rows, stop))
    if where is not None:
        _check_columns(stores, scope, table, where, seen)
    return found


def _rows(stores: Stores, scope: ResultScope, table: str, where: Where | None, seen: dict[str, None]) -> Iterator[Row]:
    """Read what fits, and note the columns on the way."""
    for page in stores.results.reader.pages(scope, TableQuery(table=table)):
        names = [name for name in page.columns if name not in HIDDEN_COLUMNS]
        seen.update(dict.fromkeys(names))
        for values in zip(*(page.columns[name] for name in names), strict=True):
            row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if where is None or where.matches(row):
                yield row


def _narrow(scope: ResultScope, where: Where, seen: dict[str, None]) -> ResultScope | None:
    """Return a scope that joins only the inputs that an expression looks at; None where rows cannot be found by id again."""
    try:
        for dataset in scope.datasets:
            for name in () if scope.open_dataset is None else scope.open_dataset(dataset).columns:
                seen.setdefault(f"input/{name}")
        return narrow_scope(scope, where.columns)
    except (NotFoundError, FileNotFoundError):
        return None


def narrow_scope(scope: ResultScope, columns: Iterable[str]) -> ResultScope:
    """Return a scope that joins only the inputs that some columns are, or lie in.

    Raises:
        NotFoundError: A dataset is gone.
    """
    folded = [each.casefold() for each in columns]
    wanted: set[str] = set()
    for dataset in scope.datasets:
        for name in () if scope.open_dataset is None else scope.open_dataset(dataset).columns:
            column = f"input/{name}".casefold()
            if any(each == column or each.startswith(f"{column}/") for each in folded):
                wanted.add(name)
    steps = [
        dataclasses.replace(step, record=dataclasses.replace(step.record, log_features=_chosen(step, wanted)))
        for step in scope.steps
    ]
    return dataclasses.replace(scope, steps=tuple(steps))


def _chosen(step: Any, wanted: set[str]) -> tuple[str, ...]:  # Any: a domain Step
    allowed: tuple[str, ...] | None = step.record.log_features
    return tuple(sorted(wanted)) if allowed is None else tuple(name for name in allowed if name in wanted)


def whole_row(stores: Stores, scope: ResultScope, table: str, row_id: Any) -> Row | None:  # Any: a key
    """Return the row with an id, without the system's own columns and without empty cells; None where there is none."""
    query = TableQuery(table=table, start=row_id, end=row_id, end_inclusive=True)
    row = next(iter(stores.results.reader.rows(scope, query)), None)
    if row is None or row.get("id") != row_id:
        return None
    return shown_cells(row)


def _check_columns(stores: Stores, scope: ResultScope, table: str, where: Where, seen: dict[str, None]) -> None:
    """Refuse a name that no row has; where rows are left unread, they are asked too."""
    missing = _missing(where, seen)
    if missing:
        for page in stores.results.reader.pages(scope, TableQuery(table=table)):
            seen.update(dict.fromkeys(name for name in page.columns if name not in HIDDEN_COLUMNS))
            missing = _missing(where, seen)
            if not missing:
                return
    if missing and seen:  # an empty table has no columns, and nothing is wrong with the expression
        message = f"table {table!r} of job {scope.owner[:12]} has no column {missing[0]!r}"
        raise UsageError(message, hint=nearest(missing[0], seen))


def _missing(where: Where, seen: Iterable[str]) -> list[str]:
    """Return the names that are neither a column nor lie within one."""
    known = {name.casefold() for name in seen}

    def is_known(name: str) -> bool:
        parts = name.casefold().split("/")
        return any("/".join(parts[: count + 1]) in known for count in range(len(parts)))

    return [name for name in where.columns if not is_known(name)]
