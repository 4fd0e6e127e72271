"""Logs of a job: which there are, and their lines by place, of millions if need be."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from starwhale.instances.jobs.job_logs import LogChoice
from starwhale.instances.jobs.log_lines import LinesWanted
from starwhale.server.routes.jobs import JobAddress, find_job
from starwhale.server.state import Here
from starwhale.wire import Page
from starwhale.wire.jobs import LogLine, LogLines, LogView

router = APIRouter(prefix="/jobs/{job}/logs", tags=["logs"])


@router.get("")
def list_job_logs(here: Here, job: JobAddress) -> Page[LogView]:
    """List the logs of all attempts that printed something, in the order in which they started; worker processes last."""
    found = here.instance.jobs.list_logs(find_job(here, job).id)
    items = [
        LogView(step=each.step, task=each.task, attempt=each.attempt, status=each.status, size_bytes=each.size_bytes)
        for each in found
    ]
    return Page(items=items, next=None, total=len(items))


@router.get("/lines")
def read_log_lines(
    here: Here,
    job: JobAddress,
    *,
    step: Annotated[
        str, Query(max_length=400, description="Step, in full or its function; empty for a worker process.")
    ] = "",
    task: Annotated[
        int, Query(ge=0, le=1_000_000, description="Position of the task, or number of the worker process.")
    ] = 0,
    attempt: Annotated[int, Query(ge=0, le=1_000_000, description="Try of the task; 0 for the last.")] = 0,
    start: Annotated[
        int | None, Query(alias="from", ge=0, le=1 << 60, description="Offset to read from, forwards.")
    ] = None,
    before: Annotated[
        int | None, Query(ge=0, le=1 << 60, description="Offset to read up to: the lines before it.")
    ] = None,
    search: Annotated[str, Query(max_length=400, description="Only lines that hold this text, in any case.")] = "",
    limit: Annotated[int, Query(ge=1, le=5000, description="Lines, at most.")] = 500,
) -> LogLines:
    """Read lines of one log: from an offset, before an offset, or, with neither, the last ones. `end` is where to go on."""
    choice = LogChoice(step=step, task=task, attempt=attempt or None)
    wanted = LinesWanted(start=start, before=before, search=search, limit=limit)
    found = here.instance.jobs.log_lines(find_job(here, job).id, choice, wanted)
    return LogLines(
        lines=[LogLine(offset=offset, text=text) for offset, text in found.lines],
        start=found.start,
        end=found.end,
        size_bytes=found.size_bytes,
        is_searched=found.is_searched,
    )
