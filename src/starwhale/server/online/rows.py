"""Rows of datasets to try a model with: what a page steps through, in the shape in which a row is sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from starwhale.errors import NotFoundError
from starwhale.server.online.state import Here
from starwhale.serving.values import to_json

router = APIRouter()
MOST_ROWS = 20
"""Rows of one answer: they carry their content."""


@router.get("/datasets")
def list_datasets(here: Here, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> JSONResponse:
    """List the datasets of the current project, the newest version of each."""
    found = here.opened().datasets.list()[:limit]
    return JSONResponse(
        {"datasets": [{"name": each.name, "uri": each.uri.full, "version": each.version} for each in found]}
    )


@router.get("/rows")
def show_rows(
    here: Here,
    dataset: Annotated[str, Query(max_length=500, description="URI of a dataset; a name means its newest version.")],
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 1,
) -> JSONResponse:
    """Show rows in key order, with their content: each can be sent to a predict handler as it is, or changed before."""
    from starwhale.datasets.damaged import read_forgiving

    instance = here.opened()
    found = instance.datasets.resolve(dataset)
    reader = instance.datasets.reader(found)
    if offset and offset >= reader.row_count:
        raise NotFoundError(f"dataset {found.name!r} has {reader.row_count} rows, and none at {offset}")
    rows = read_forgiving(reader, offset, min(offset + limit, reader.row_count), None)
    shown = [
        {
            "key": key,
            "row": {name: to_json(cells[at]) for name, cells in rows.columns.items() if cells[at] is not None},
        }
        for at, key in enumerate(rows.keys)
    ]
    return JSONResponse(
        {
            "dataset": found.name,
            "version": found.version,
            "row_count": reader.row_count,
            "offset": offset,
            "rows": shown,
        }
    )
