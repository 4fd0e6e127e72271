"""Rows of datasets to try a model with, in the shape in which a row is sent, with what jobs have said of them; and datasets made of what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from starwhale.errors import NotFoundError
from starwhale.instances.online_dataset import build_from_job
from starwhale.server.online.state import Here
from starwhale.serving.values import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starwhale.domain.json_shape import Json
    from starwhale.instances import Instance
    from starwhale.storage.catalog.records import VersionRecord

router = APIRouter()
MOST_ROWS = 20
"""Rows of one answer: they carry their content."""
MOST_JOBS = 8
"""Jobs of one answer whose predictions are shown."""
DatasetName = Annotated[str, Query(max_length=500, description="URI of a dataset; a name means its newest version.")]
JobNames = Annotated[
    list[str] | None, Query(alias="job", max_length=MOST_JOBS, description="Jobs whose predictions are wanted too.")
]


class BuildBody(BaseModel):
    """What is to become a version."""

    model_config = ConfigDict(extra="forbid")
    job: str = Field(min_length=1, max_length=200)
    name: str = Field(min_length=1, max_length=200)


@router.get("/datasets")
def list_datasets(here: Here, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> JSONResponse:
    """List the datasets of the current project, the newest version of each."""
    found = here.opened().datasets.list()[:limit]
    return JSONResponse(
        {"datasets": [{"name": each.name, "uri": each.uri.full, "version": each.version} for each in found]}
    )


@router.post("/datasets")
def build_dataset(here: Here, body: BuildBody) -> JSONResponse:
    """Make a version of what a job has kept so far; what people said is right becomes the label."""
    instance = here.opened()
    if here.record is not None:
        here.record.flush()
    made = build_from_job(instance, body.job, body.name)
    return JSONResponse({"name": made.name, "uri": made.uri, "version": made.version, "row_count": made.rows})


@router.get("/evaluations")
def list_evaluations(here: Here, dataset: DatasetName) -> JSONResponse:
    """List the jobs that tried rows of a version of a dataset, the newest first."""
    instance = here.opened()
    jobs = instance.jobs.on_dataset(instance.datasets.resolve(dataset))
    return JSONResponse(
        {
            "jobs": [
                {
                    "id": each.id,
                    "name": each.name,
                    "handler": each.handler,
                    "model": each.request.model_name,
                    "status": each.status.value,
                    "created_at": each.created_at,
                }
                for each in jobs
            ]
        }
    )


@router.get("/rows")
def show_rows(
    here: Here,
    dataset: DatasetName,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 1,
    jobs: JobNames = None,
) -> JSONResponse:
    """Show rows in key order, with their content: each can be sent to a predict handler as it is, or changed before."""
    from starwhale.datasets.damaged import read_forgiving

    instance = here.opened()
    found = instance.datasets.resolve(dataset)
    reader = instance.datasets.reader(found)
    if offset and offset >= reader.row_count:
        raise NotFoundError(f"dataset {found.name!r} has {reader.row_count} rows, and none at {offset}")
    rows = read_forgiving(reader, offset, min(offset + limit, reader.row_count), None)
    said = _predictions(instance, found, jobs or (), rows.keys)
    shown = [
        {
            "key": key,
            "row": {name: to_json(cells[at]) for name, cells in rows.columns.items() if cells[at] is not None},
            "predictions": said[key],
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


def _predictions(
    instance: Instance, version: VersionRecord, jobs: Sequence[str], keys: Sequence[Any]
) -> dict[Any, list[Json]]:  # Any: keys of rows
    """Return, by the key of each row, what jobs kept of it."""
    found: dict[Any, list[Json]] = {key: [] for key in keys}  # Any: as above
    for name in jobs:
        job = instance.jobs.get(name)
        for each in instance.jobs.predictions(job, version, keys):
            told = {"error": each.error} if each.error else {"output": to_json(each.output)}
            found[each.key].append({"job": job.id, **told})
    return found
