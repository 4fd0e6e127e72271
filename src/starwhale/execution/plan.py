"""From a request and what discovery found to a job with its steps and tasks. Pure: every mistake is found before anything runs."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence

from starwhale.domain.error_budget import parse_error_budget
from starwhale.domain.graph import StepGraph
from starwhale.domain.job import THREADS, DatasetInput, HandlerRecord, Job, RunRequest, Step, Task
from starwhale.domain.machine import ACCELERATOR, Demand
from starwhale.domain.wanted_metrics import METRICS_STEP
from starwhale.errors import HandlerError, NotBuiltYetError, UsageError, nearest

Handlers = Mapping[str, HandlerRecord]
"""What discovery found, by full name."""
MOST_TASKS = 10_000
"""Tasks of a step, at most: each is kept in memory and in the catalog, and no cluster has room for more."""


def plan_job(
    request: RunRequest, handlers: Handlers, handler: str, datasets: Sequence[DatasetInput], *, job_id: str
) -> Job:
    """Plan the job that a request asks for.

    Args:
        request: What the user asks for.
        handlers: What discovery found.
        handler: Full name of the handler that was selected.
        datasets: Pinned versions with all their rows, in the order of the request.
        job_id: Id of the new job.

    Raises:
        GraphError: Steps need each other in a circle, or something that is not there.
        UsageError: A step needs a dataset and there is none, or `--step` and `--task-index` name what is not there.
    """
    names = plan_names(request, handlers, handler)
    chosen = [handlers[name] for name in names]
    _check_datasets(chosen, datasets)
    _check_task_index(request, chosen)
    _check_seeding(request, chosen)
    check_concurrency(request.concurrency, chosen)
    steps: list[Step] = []
    for record in chosen:
        steps.append(_plan_step(record, request, [step for step in steps if step.consumes_rows]))
    return Job(
        id=job_id,
        request=request,
        handler=handler,
        steps=tuple(steps),
        datasets=draw_sample(
            cut_datasets(datasets, head=request.dataset_head, limit=request.limit), request.sample, request.sample_seed
        ),
    )


def check_request(request: RunRequest) -> None:
    """Refuse numbers that mean nothing; the command line does so by itself, a call from Python does not.

    Raises:
        UsageError: Names the number.
    """
    time_limit: object = request.time_limit_s
    if not isinstance(time_limit, int | float) or isinstance(time_limit, bool) or not 0 <= time_limit < math.inf:
        message = f"time_limit_s is {time_limit!r}"
        raise UsageError(message, hint="use a number of seconds; 0 for no limit")
    least = {
        "limit": 0,
        "dataset_head": 0,
        "replicas": 1,
        "concurrency": 1,
        "seed": None,
        "sample": 0,
        "sample_seed": None,
    }
    for name, floor in least.items():
        found: object = getattr(request, name)
        if found is None and name in {"replicas", "concurrency"}:
            continue
        if not isinstance(found, int) or isinstance(found, bool) or (floor is not None and found < floor):
            message = f"{name} is {found!r}"
            raise UsageError(message, hint="use a whole number" + ("" if floor is None else f", at least {floor}"))
    for name in ("replicas", "task_count"):
        _check_count(name, getattr(request, name) or 0)
    if request.max_errors:
        parse_error_budget(request.max_errors)


def _check_count(what: str, count: int) -> None:
    if count > MOST_TASKS:
        raise UsageError(f"{what} is {count:,}", hint=f"a step has {MOST_TASKS:,} tasks at most")


def plan_names(request: RunRequest, handlers: Handlers, handler: str) -> list[str]:
    """Return the handlers that must run for `handler`, needs first; only `request.step` where that is given.

    Where a single row or a sample is asked for, those that see rows and what they need: an evaluation of few rows says nothing.

    Raises:
        GraphError: Steps need each other in a circle, or something that is not there.
        UsageError: `request.step` names no handler.
    """
    if not handlers:
        message = f"no handlers in {', '.join(request.modules) or 'no modules'}"
        raise HandlerError(
            message, hint="decorate a function with @evaluation.predict, @evaluation.evaluate or @handler"
        )
    if request.step:
        if request.step not in handlers:
            message = f"no step {request.step!r}"
            raise UsageError(message, hint=nearest(request.step, handlers))
        return [request.step]
    graph = StepGraph({name: record.needs for name, record in handlers.items()})
    names = graph.closure(handler)
    if not request.row and not request.sample:
        own = [f"{name}{METRICS_STEP}" for name in names]  # what a predict says is to be called with its rows
        return [*names, *(name for name in own if name in handlers and name not in names)]
    wanted = {each for name in names if handlers[name].kind == "predict" for each in graph.closure(name)}
    if not wanted:
        option = f"--row {request.row}" if request.row else f"--sample {request.sample}"
        message = f"nothing that {handler!r} runs takes rows, so that {option} says nothing"
        raise UsageError(message, hint=f"leave {option.partition(' ')[0]} out")
    return [name for name in names if name in wanted]


def plan_tasks(job: Job, step: Step, attempts: Mapping[int, int] | None = None) -> tuple[Task, ...]:
    """Return the tasks of a step that are to run.

    Args:
        job: The planned job.
        step: One of its steps.
        attempts: Task index → number of the try; 1 where it is missing.
    """
    request = job.request
    indices = range(step.replicas) if request.task_index < 0 else [request.task_index]
    demand = plan_demand(job, step)
    return tuple(
        Task(
            id=task_id(job, step, index),
            job_id=job.id,
            step=step,
            index=index,
            total=step.replicas,
            attempt=(attempts or {}).get(index, 1),
            request=request,
            datasets=job.datasets,
            demand=demand,
        )
        for index in indices
    )


def plan_demand(job: Job, step: Step) -> Demand:
    """Return what each task of a step asks for; where a step of the job asks for accelerators, no task sees those of others."""
    is_confined = any(each.get("type") == ACCELERATOR for other in job.steps for each in other.record.resources)
    return Demand.of(step.record.resources, is_confined=is_confined)


def task_id(job: Job, step: Step, index: int) -> str:
    """Return the id of one task of a step."""
    return f"{job.id}/{job.steps.index(step)}/{index}"


def cut_datasets(datasets: Sequence[DatasetInput], *, head: int, limit: int) -> tuple[DatasetInput, ...]:
    """Leave the first `head` rows of each dataset and the first `limit` of all; 0 leaves everything.

    A version that was given twice is consumed once, and two versions of one name are told apart in the ids.
    """
    unique = list({each.version: each for each in datasets}.values())
    counts: dict[tuple[str, str], int] = {}
    for each in unique:
        counts[each.project, each.name] = counts.get((each.project, each.name), 0) + 1
    left = limit if limit > 0 else sum(each.row_count for each in unique)
    kept: list[DatasetInput] = []
    for each in unique:
        rows = min(each.row_count, head if head > 0 else each.row_count, left)
        left -= rows
        suffix = f"@{each.version[:12]}" if counts[each.project, each.name] > 1 else ""
        kept.append(dataclasses.replace(each, row_count=rows, id_suffix=suffix))
    return tuple(kept)


def draw_sample(datasets: Sequence[DatasetInput], count: int, seed: int) -> tuple[DatasetInput, ...]:
    """Draw rows at random, each with the same chance, from all datasets together; 0 draws none and leaves everything.

    Example:
        The same seed draws the same rows of the same versions, whatever machine and Python run it.
    """
    if not count:
        return tuple(datasets)
    total = sum(each.row_count for each in datasets)
    drawn = sorted(random.Random(f"sample:{seed}").sample(range(total), min(count, total)))
    found: list[DatasetInput] = []
    first = 0
    for each in datasets:
        ranks = tuple(rank - first for rank in drawn if first <= rank < first + each.row_count)
        found.append(dataclasses.replace(each, chosen=ranks))
        first += each.row_count
    return tuple(found)


def _plan_step(record: HandlerRecord, request: RunRequest, before: Sequence[Step]) -> Step:
    """Make the step of one handler; `before` are the steps that consume rows and stand in front of it."""
    consumes_rows = record.kind == "predict"
    replicas = request.replicas if consumes_rows and request.replicas else max(record.replicas, 1)
    if request.task_index >= 0 and request.task_count > 0:
        replicas = request.task_count
    if request.is_debug and consumes_rows:
        replicas = 1
    _check_count(f"replicas of {record.name!r}", replicas)
    id_step = ""
    if consumes_rows and before:
        taken = {step.id_step for step in before} | {before[0].record.func_name}
        short = record.func_name or record.name
        id_step = record.name if short in taken else short
    return Step(
        name=record.name,
        record=record,
        needs=() if request.step else record.needs,
        replicas=replicas,
        concurrency=1 if request.is_debug else calls_in_flight(record, request.concurrency),
        consumes_rows=consumes_rows,
        id_step=id_step,
    )


def calls_in_flight(record: HandlerRecord, wanted: int | None) -> int:
    """Return how many calls a task of a handler has in flight, where the user wants so many; None leaves it to the handler."""
    if record.kind != "predict" or not record.is_async:
        return 1
    return wanted or record.concurrency


def check_concurrency(wanted: int | None, records: Sequence[HandlerRecord]) -> None:
    """Refuse a number of calls in flight where nothing that runs could have more than one.

    Raises:
        UsageError: None of the handlers is an async predict.
    """
    if wanted is None or any(each.kind == "predict" and each.is_async for each in records):
        return
    names = ", ".join(repr(each.name) for each in records if each.kind == "predict")
    message = f"--concurrency {wanted} is for an async def predict, and {names or 'no step'} is none"
    raise UsageError(message, hint="write async def, or run more tasks: --replicas N")


def _check_datasets(chosen: Sequence[HandlerRecord], datasets: Sequence[DatasetInput]) -> None:
    for record in chosen:
        if record.require_dataset and not datasets:
            message = f"the step {record.name!r} needs a dataset, and none was given"
            raise UsageError(message, hint="name one with --dataset URI")


def _check_seeding(request: RunRequest, chosen: Sequence[HandlerRecord]) -> None:
    for record in chosen:
        tasks = 1 if request.is_debug or request.fits_replicas else request.replicas or record.replicas
        if record.seed_globals and request.executor in THREADS and tasks > 1:
            message = f"the step {record.name!r} seeds the global random generators, which {tasks} threads would share"
            raise UsageError(message, hint="add --executor process, or --replicas 1")


def _check_task_index(request: RunRequest, chosen: Sequence[HandlerRecord]) -> None:
    if request.task_index < 0:
        return
    if not request.step:
        message = f"--task-index {request.task_index} says nothing without a step"
        raise UsageError(message, hint="name the step with --step")
    record = chosen[0]
    total = request.task_count or (
        request.replicas if record.kind == "predict" and request.replicas else record.replicas
    )
    if request.task_index >= max(total, 1):
        message = (
            f"--task-index {request.task_index} is not below the number of tasks of {record.name!r}, which is {total}"
        )
        raise UsageError(message, hint="count tasks from 0, or raise --override-task-num")
    if total > 1 and record.kind == "predict":
        message = (
            f"running task {request.task_index} of {total} of {record.name!r} in a process of its own is not built yet"
        )
        raise NotBuiltYetError(message, hint="run the whole step: its tasks share the rows")
