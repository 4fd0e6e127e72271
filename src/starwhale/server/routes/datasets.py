"""Datasets: versions with their rows, media, statistics and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from starwhale.domain.uri import Uri
from starwhale.errors import NotFoundError, nearest
from starwhale.server.cells import Shown
from starwhale.server.media_answers import cell_answer
from starwhale.server.paging import read_cursor, write_cursor
from starwhale.server.routes.versions import Base, Version, add_version_routes, base_of, show_version
from starwhale.server.state import ITEMS, After, Here, Limit, Served
from starwhale.wire.rows import RowsView, RowView
from starwhale.wire.versions import ColumnView, DatasetView, StatisticsView

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.protocols import DatasetReader, Key

router = APIRouter(prefix="/projects/{project}/datasets", tags=["datasets"])
add_version_routes(router, "dataset", lambda here: here.instance.datasets)
Columns = Annotated[list[str] | None, Query(max_length=200, description="Only these columns; all without any.")]
RowKey = Annotated[str, Query(max_length=4000, description="Key of the row.")]
Column = Annotated[str, Query(max_length=4000, description="Name of the column.")]
Place = Annotated[
    str, Query(max_length=200, description="Place within the cell, as its `href` has it; empty for the cell.")
]


@router.get("/{name}/versions/{version}")
def show_dataset(here: Here, project: str, name: str, version: Version) -> DatasetView:
    """Show a version with its columns."""
    found, reader = _open(here, project, name, version)
    shown = Shown("", {})
    return DatasetView(
        version=show_version(found),
        columns=[ColumnView(name=each, kind=kind) for each, kind in reader.columns.items()],
        key_type=reader.key_type,
        info={name: shown.cell(name, value) for name, value in reader.info.items()},
        manifest=dict(found.manifest),
        folder=here.instance.datasets.folder(found),
    )


@router.get("/{name}/versions/{version}/rows")
def list_dataset_rows(
    here: Here,
    project: str,
    name: str,
    version: Version,
    *,
    columns: Columns = None,
    offset: Annotated[int, Query(ge=0, description="Rows to leave out, in key order; not with `after`.")] = 0,
    after: After = "",
    limit: Limit = ITEMS,
) -> RowsView:
    """List rows in key order. A cell that cannot be read is an `error`, and the others are there."""
    from starwhale.datasets.damaged import read_forgiving

    found, reader = _open(here, project, name, version)
    wanted = _check_columns(reader, columns)
    start = _start(reader, after) if after else offset
    stop = min(start + limit, reader.row_count)
    rows = read_forgiving(reader, start, stop, wanted)
    address = _address(found)
    items = [
        {"__key": key, **Shown(address, {"key": str(key)}).row(_row_at(rows.columns, place))}
        for place, key in enumerate(rows.keys)
    ]
    kinds = reader.columns
    return RowsView(
        columns=[ColumnView(name=each, kind=kinds[each]) for each in (wanted or kinds)],
        items=items,
        offset=start,
        next=write_cursor((rows.keys[-1],)) if rows.keys and stop < reader.row_count else None,
        total=reader.row_count,
    )


@router.get("/{name}/versions/{version}/row")
def show_dataset_row(here: Here, project: str, name: str, version: Version, key: RowKey) -> RowView:
    """Show one row."""
    from starwhale.datasets.damaged import read_forgiving

    found, reader = _open(here, project, name, version)
    rank = _rank(reader, found, key)
    rows = read_forgiving(reader, rank, rank + 1, None)
    return {"__key": rows.keys[0], **Shown(_address(found), {"key": key}).row(_row_at(rows.columns, 0))}


@router.get("/{name}/versions/{version}/media", response_class=Response)
def read_dataset_media(
    request: Request, here: Here, project: str, name: str, version: Version, key: RowKey, column: Column, at: Place = ""
) -> Response:
    """Read the content of a cell, whole or by range. Nothing is fetched that lies elsewhere."""
    found, reader = _open(here, project, name, version)
    wanted = _check_columns(reader, [column]) or [column]
    rank = _rank(reader, found, key)
    return cell_answer(request, reader.read(rank, rank + 1, wanted).columns[wanted[0]][0], at)


@router.get("/{name}/versions/{version}/statistics")
def show_dataset_statistics(
    here: Here, project: str, name: str, version: Version, *, columns: Columns = None
) -> StatisticsView:
    """Say what is in each column; the first call reads them, and what it finds is kept beside the version."""
    uri = Uri(project=project, kind="dataset", name=name, version=version)
    found = here.instance.datasets.statistics(uri, columns)
    shown = Shown("", {})
    return StatisticsView(rows=found.rows, columns=[shown.row(each.to_json()) for each in found.columns])


@router.get("/{name}/versions/{version}/diff")
def show_dataset_diff(
    here: Here,
    project: str,
    name: str,
    version: Version,
    base: Base,
    *,
    limit: Annotated[
        int, Query(ge=0, le=500, description="Keys per list, and rows with their changed cells, at most.")
    ] = 20,
) -> dict[str, Any]:  # Any: a JSON object
    """Say what makes this version of another, as `swcli dataset diff --show-details -o json` does."""
    verbs = here.instance.datasets
    found = verbs.resolve(Uri(project=project, kind="dataset", name=name, version=version))
    return Shown("", {}).row(verbs.diff(base_of(found, base), found.uri, show_details=True, limit=limit).to_json())


def _open(here: Served, project: str, name: str, version: str) -> tuple[VersionRecord, DatasetReader]:
    found = here.instance.datasets.resolve(Uri(project=project, kind="dataset", name=name, version=version))
    return found, here.instance.datasets.reader(found)


def _address(version: VersionRecord) -> str:
    from urllib.parse import quote

    place = f"/api/v1/projects/{quote(version.project, safe='')}/datasets/{quote(version.name, safe='')}"
    return f"{place}/versions/{version.version}/media"


def _row_at(columns: Mapping[str, Sequence[Any]], place: int) -> dict[str, Any]:  # Any: cells of users
    return {name: values[place] for name, values in columns.items() if values[place] is not None}


def _check_columns(reader: DatasetReader, columns: list[str] | None) -> list[str] | None:
    """Return the names of columns as the version has them; None for all.

    Raises:
        NotFoundError: There is none of a name; the nearest are said.
    """
    if columns is None:
        return None
    folded = {each.casefold(): each for each in reader.columns}
    for each in columns:
        if each.casefold() not in folded:
            raise NotFoundError(f"no column {each[:80]!r}", hint=nearest(each, list(reader.columns)))
    return list(dict.fromkeys(folded[each.casefold()] for each in columns))


def _key(reader: DatasetReader, text: str) -> Key | None:
    if reader.key_type == "int":
        return int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 40 else None
    return text


def _rank(reader: DatasetReader, version: VersionRecord, text: str) -> int:
    key = _key(reader, text)
    rank = None if key is None else reader.rank(key)
    if rank is None:
        few = reader.read(0, min(3, reader.row_count), []).keys
        hint = f"keys are such as {', '.join(map(str, few))}" if few else "it has no rows"
        raise NotFoundError(f"no row {text[:80]!r} in {version.name}/version/{version.version[:12]}", hint=hint)
    return rank


def _start(reader: DatasetReader, after: str) -> int:
    from starwhale.server.paging import bad_cursor

    cursor = read_cursor(after)
    if len(cursor) != 1 or not isinstance(cursor[0], int if reader.key_type == "int" else str):
        raise bad_cursor(after)
    first, _ = reader.rank_range(cursor[0], None)
    rank = reader.rank(cursor[0])
    return first if rank is None else rank + 1
