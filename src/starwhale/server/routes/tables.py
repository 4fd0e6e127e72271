"""The tables of a job: `results`, `errors` and what the user logged; filtered, sorted, and counted for charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from starwhale.results.row_index import RowsWanted
from starwhale.server.cells import Shown
from starwhale.server.media_answers import cell_answer
from starwhale.server.paging import bad_cursor, read_cursor, write_cursor
from starwhale.server.routes.datasets import Column, Columns, Place
from starwhale.server.routes.jobs import JobAddress, find_job
from starwhale.server.state import ITEMS, After, Here, Limit
from starwhale.wire import Page
from starwhale.wire.rows import BinView, HistogramView, RowsView, RowView, SeriesView, TableRowView, TableView
from starwhale.wire.versions import ColumnView

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord

router = APIRouter(prefix="/jobs/{job}", tags=["tables"])
Table = Annotated[
    str, Query(max_length=400, description="Name of the table, in any case; `results` holds what predict gave.")
]
Where = Annotated[
    str, Query(max_length=4000, description='Which rows, as `output != input/label and input/text contains "x"`.')
]
RowId = Annotated[str, Query(max_length=4000, description="`id` of the row.")]
Bins = Annotated[int, Query(ge=1, le=200, description="Bars, at most.")]


@router.get("/tables")
def list_job_tables(here: Here, job: JobAddress) -> Page[TableView]:
    """List the tables of a job that have rows, with their columns; `results` first."""
    tables = here.rows.tables(find_job(here, job))
    items = [
        TableView(
            name=each.name,
            rows=each.rows,
            columns=[ColumnView(name=name, kind=kind) for name, kind in each.columns.items()],
        )
        for each in tables
    ]
    return Page(items=items, next=None, total=len(items))


@router.get("/rows")
def list_job_rows(
    here: Here,
    job: JobAddress,
    *,
    table: Table = "results",
    where: Where = "",
    sort: Annotated[str, Query(max_length=400, description="Column to sort by; empty for the table's own order.")] = "",
    descending: bool = False,
    columns: Columns = None,
    offset: Annotated[int, Query(ge=0, description="Rows to leave out; not with `after`.")] = 0,
    after: After = "",
    limit: Limit = ITEMS,
) -> RowsView:
    """List rows of a table, of millions if need be. Pages of one `after` chain are of one moment; a cell that cannot be read is an `error`.

    Rows without a value come last. Values are ordered by kind (numbers, texts), then by value.
    """
    found = find_job(here, job)
    wanted = RowsWanted(table=table, where=where, sort=sort, descending=descending)
    moment, start = _place(after) if after else (None, offset)
    rows = here.rows.read(found, wanted, start=start, limit=limit, columns=columns, moment=moment)
    items = [_show(found, rows.table, each) for each in rows.rows]
    stop = start + len(items)
    has_more = bool(items) and stop < rows.total
    return RowsView(
        columns=[ColumnView(name=name, kind=kind) for name, kind in rows.columns.items()],
        items=items,
        offset=start,
        next=write_cursor((rows.moment, stop)) if has_more else None,
        total=rows.total,
    )


@router.get("/row")
def show_job_row(here: Here, job: JobAddress, id: RowId, *, table: Table = "results") -> RowView:
    """Show one row whole."""
    found = find_job(here, job)
    name, row = here.rows.one(found, table, id)
    return _show(found, name, row)


@router.get("/row/elsewhere")
def list_row_elsewhere(here: Here, job: JobAddress, id: RowId, *, table: Table = "results") -> Page[TableRowView]:
    """List the rows that other tables have under the same id: what predict gave, and what was logged of it."""
    found = find_job(here, job)
    items = [
        TableRowView(table=name, row=_show(found, name, row)) for name, row in here.rows.logged(found, id, but=table)
    ]
    return Page(items=items, next=None, total=len(items))


@router.get("/media", response_class=Response)
def read_job_media(
    request: Request,
    here: Here,
    job: JobAddress,
    id: RowId,
    column: Column,
    *,
    table: Table = "results",
    at: Place = "",
) -> Response:
    """Read the content of a cell, whole or by range. Nothing is fetched that lies elsewhere."""
    found = find_job(here, job)
    return cell_answer(request, here.rows.cell(found, table, id, column), at)


@router.get("/histogram")
def show_job_histogram(
    here: Here, job: JobAddress, column: Column, *, table: Table = "results", where: Where = "", bins: Bins = 30
) -> HistogramView:
    """Say how the values of a column spread: numbers in ranges, everything else value by value, the most frequent first."""
    found = here.rows.histogram(find_job(here, job), RowsWanted(table=table, where=where), column, bins)
    shown = Shown("", {})
    return HistogramView(
        column=found.column,
        bins=[
            BinView(value=shown.cell("", each.value), low=each.low, high=each.high, count=each.count)
            for each in found.bins
        ],
        other=found.other,
        missing=found.missing,
        total=found.total,
    )


@router.get("/series")
def show_job_series(
    here: Here,
    job: JobAddress,
    columns: Annotated[list[str], Query(min_length=1, max_length=12, description="The columns.")],
    *,
    table: Table = "results",
    where: Where = "",
    limit: Annotated[int, Query(ge=1, le=20_000, description="Rows, at most; of more, evenly chosen ones.")] = 2000,
) -> SeriesView:
    """Give columns of a table for a chart, in the table's order."""
    found = here.rows.series(find_job(here, job), RowsWanted(table=table, where=where), columns, limit)
    shown = Shown("", {})
    return SeriesView(
        columns={name: [shown.cell(name, each) for each in values] for name, values in found.columns.items()},
        rows=found.rows,
        total=found.total,
    )


def _show(job: JobRecord, table: str, row: RowView) -> RowView:
    words = {"id": str(row.get("id", "")), **({} if table == "results" else {"table": table})}
    return Shown(f"/api/v1/jobs/{quote(job.id)}/media", words).row(row)


def _place(after: str) -> tuple[int, int]:
    cursor = read_cursor(after)
    if len(cursor) != 2 or not all(type(each) is int and 0 <= each < 1 << 53 for each in cursor):
        raise bad_cursor(after)
    return cursor[0], cursor[1]
