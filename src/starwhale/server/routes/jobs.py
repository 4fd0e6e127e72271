"""Jobs: the list with their metrics, and one with its steps, tasks and events."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from starwhale.errors import NotFoundError
from starwhale.server.cells import Shown
from starwhale.server.paging import page_of, read_cursor, write_cursor
from starwhale.server.state import ITEMS, After, Here, Limit, Served
from starwhale.wire import Page
from starwhale.wire.jobs import AttemptView, EventView, JobRow, JobsView, JobView, StepView, TaskView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starwhale.instances.jobs.job_table import JobFacts
    from starwhale.results.reports.job_report import StepReport
    from starwhale.storage.catalog.job_records import AttemptRecord, JobRecord

router = APIRouter(tags=["jobs"])
JobAddress = Annotated[
    str, Path(description="Its id, a unique beginning of it, its name, `latest` or `latest~N`.", max_length=200)
]
"""Parameter of a route: which job."""


@router.get("/jobs")
def list_jobs(
    here: Here,
    *,
    project: Annotated[str, Query(max_length=200, description="Name of the project; empty for the current one.")] = "",
    where: Annotated[
        str, Query(max_length=4000, description='Which jobs, as `status == "success" and summary/accuracy > 0.9`.')
    ] = "",
    search: Annotated[
        str, Query(max_length=200, description="Text in id, name, handler, model, datasets, tags or note.")
    ] = "",
    sort: Annotated[
        str, Query(max_length=400, description="A column, such as `created_at`, `name` or `summary/accuracy`.")
    ] = "created_at",
    descending: bool = True,
    removed: Annotated[bool, Query(description="The removed ones instead of the others.")] = False,
    after: After = "",
    limit: Limit = ITEMS,
) -> JobsView:
    """List jobs with their metrics. Jobs without a value come last, whatever the direction."""
    from starwhale.instances.jobs.job_table import JobsWanted

    wanted = JobsWanted(project=project, where=where, search=search, sort=sort, descending=descending, removed=removed)
    found = here.jobs.find(wanted, after=read_cursor(after) if after else None, limit=limit)
    return JobsView(
        items=[show_row(each, here.jobs.intervals(each)) for each in found.rows],
        next=None if found.next is None else write_cursor(found.next),
        total=found.total,
        columns=list(found.columns),
        is_whole=found.is_whole,
    )


@router.get("/jobs/{job}")
def show_job(here: Here, job: JobAddress) -> JobView:
    """Show all that is told about a job, also about a removed one."""
    return view_job(here, find_job(here, job))


@router.get("/jobs/{job}/steps")
def list_job_steps(here: Here, job: JobAddress) -> Page[StepView]:
    """List the steps of a job, needs first; `needs` makes the graph of them."""
    found = find_job(here, job)
    steps = here.instance.jobs.step_reports(found)
    return Page(items=show_steps(here, found, steps), next=None, total=len(steps))


@router.get("/jobs/{job}/tasks")
def list_job_tasks(
    here: Here,
    job: JobAddress,
    *,
    step: Annotated[str, Query(max_length=400, description="Full name of the step; empty for all.")] = "",
    after: After = "",
    limit: Limit = ITEMS,
) -> Page[TaskView]:
    """List the tasks that have started, by step and position, each with its attempts."""
    found = find_job(here, job)
    places = {each.step.name: each.position for each in here.instance.catalog.jobs.steps(found.id)}
    by_task: dict[str, list[AttemptRecord]] = {}
    for each in here.instance.catalog.jobs.attempts(found.id):
        if not step or each.step == step:
            by_task.setdefault(each.task_id, []).append(each)
    tasks = sorted(by_task.values(), key=lambda tries: (places.get(tries[0].step, 0), tries[0].task_index))
    return page_of(tasks, lambda tries: (places.get(tries[0].step, 0), tries[0].task_index), after, limit, _show_task)


@router.get("/jobs/{job}/events")
def list_job_events(here: Here, job: JobAddress, *, after: After = "", limit: Limit = ITEMS) -> Page[EventView]:
    """List what happened to a job, the oldest first; `next` of the last page is null, and the page after the last id is empty until more happens."""
    found = find_job(here, job)
    cursor = read_cursor(after) if after else (0,)
    last = cursor[0] if len(cursor) == 1 and isinstance(cursor[0], int) else 0
    listed = here.instance.catalog.events.list(found.id, after=last, limit=limit + 1)
    shown = Shown("", {})
    items = [
        EventView(id=each.id, time=each.time, kind=each.kind, detail=shown.row(each.detail)) for each in listed[:limit]
    ]
    return Page(items=items, next=write_cursor((items[-1].id,)) if len(listed) > limit else None, total=None)


def find_job(here: Served, job: str) -> JobRecord:
    """Return a job by what stands in an address, also a removed one where no other fits.

    Raises:
        NotFoundError: Nothing fits; the nearest names are said.
    """
    from starwhale.domain.version import is_version

    if is_version(job):
        return here.instance.jobs.find(job)
    try:
        return here.instance.jobs.get(job)
    except NotFoundError:
        with contextlib.suppress(NotFoundError):
            return here.instance.jobs.get(job, removed=True)
        raise


def view_job(here: Served, found: JobRecord) -> JobView:
    """Return all that is told about a job."""
    report = here.instance.jobs.report(found)
    asked = [each.step.record.metrics for each in here.instance.catalog.jobs.steps(found.id)]
    wanted = next((each for each in asked if each), {})
    shown = Shown("", {})
    return JobView(
        job=show_row(here.jobs.one(found)),
        manifest=shown.row(report.manifest),
        report=shown.row(report.report),
        steps=show_steps(here, found, report.steps),
        inputs=list(report.inputs),
        dataset_uris=[each.uri for each in found.datasets],
        error=None if found.error is None else shown.row(found.error.to_json()),
        can=list(here.instance.jobs.possible(found)),
        commands=_commands(found),
        label=str(wanted.get("label") or ""),
        prediction=str(wanted.get("prediction") or ""),
    )


def show_row(facts: JobFacts, intervals: Mapping[str, tuple[float, float]] | None = None) -> JobRow:
    """Return a job as the list shows it."""
    shown = Shown("", {})
    return JobRow(
        id=facts.id,
        name=facts.name,
        project=facts.project,
        status=facts.status,
        handler=facts.handler,
        model=facts.model,
        datasets=list(facts.datasets),
        executor=facts.executor,
        created_at=facts.created_at,
        finished_at=facts.finished_at,
        done=facts.done,
        failed=facts.failed,
        rows=facts.rows,
        tags=list(facts.tags),
        note=facts.note,
        error=facts.error,
        is_removed=facts.is_removed,
        summary=shown.row(facts.summary),
        intervals={name: [*ends] for name, ends in (intervals or {}).items() if all(map(math.isfinite, ends))},
    )


def show_steps(here: Served, found: JobRecord, steps: tuple[StepReport, ...]) -> list[StepView]:
    """Return the steps of a job as the API shows them."""
    kinds = {each.step.name: each.step.record.kind for each in here.instance.catalog.jobs.steps(found.id)}
    shown = Shown("", {})
    return [
        StepView(
            name=each.name,
            needs=list(each.needs),
            tasks=each.tasks,
            status=each.status,
            kind=kinds.get(each.name, ""),
            done=each.done,
            failed=each.failed,
            total=each.total,
            retried=each.retried,
            recovered=each.recovered,
            started_at=each.started_at,
            finished_at=each.finished_at,
            usage=None if each.usage is None else shown.row(each.usage.to_json()),
        )
        for each in steps
    ]


def _show_task(tries: list[AttemptRecord]) -> TaskView:
    first, last = tries[0], tries[-1]
    shown = Shown("", {})
    return TaskView(
        id=first.task_id,
        step=first.step,
        index=first.task_index,
        status=str(last.status),
        attempts=[
            AttemptView(
                number=each.number,
                executor=each.executor,
                status=str(each.status),
                started_at=each.started_at,
                finished_at=each.finished_at,
                error=None if each.error is None else shown.row(each.error.to_json()),
                timings=dict(each.timings),
            )
            for each in tries
        ],
    )


def _commands(found: JobRecord) -> dict[str, str]:
    short = found.id[:12]
    return {
        "info": f"swcli job info {short}",
        "results": f"swcli job results {short}",
        "logs": f"swcli job logs {short}",
        "resume": f"swcli job resume {short}",
        "reproduce": f"swcli job reproduce {short}",
        "compare": f"swcli job compare OTHER {short}",
    }
