"""Fit a planned job to the machine that is to run it: refuse what can never run, and choose the number of tasks where that is wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from starwhale.domain.job import THREADS, Job, Step
from starwhale.domain.machine import MOST_TASKS, Demand, Fit, Machine, check_demand, fit_tasks
from starwhale.execution.executors import Executor
from starwhale.execution.plan import plan_demand

Tell = Callable[[str], None]
_NOTHING = Demand()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Whom to tell what was found."""

    warning: Tell | None = None
    """What is probably not meant."""
    note: Tell | None = None
    """What was chosen, and why."""


def fit_job(job: Job, executor: Executor, notices: Notices | None = None) -> Job:
    """Return the job with as many tasks per step as fit, where the request leaves that to the machine.

    Args:
        job: The planned job.
        executor: What will run it; asked what there is only where that matters.
        notices: Whom to tell.

    Raises:
        UsageError: A task of a step asks for more than there is.
    """
    notices = notices or Notices()
    demands = {step.name: plan_demand(job, step) for step in job.steps}
    if not job.request.fits_replicas and all(each == _NOTHING for each in demands.values()):
        return job
    machine = executor.machine
    steps: list[Step] = []
    for step in job.steps:
        check_demand(step.name, demands[step.name], machine)
        fitted = _fit_step(job, step, demands[step.name], machine, executor.worker_bytes)
        if fitted is None:
            _warn_of_queue(step, demands[step.name], machine, notices)
            steps.append(step)
            continue
        if notices.note is not None:
            notices.note(f"{_short(step)}: {_tasks(fitted.count)} ({fitted.reason})")
        steps.append(dataclasses.replace(step, replicas=fitted.count))
    return dataclasses.replace(job, steps=tuple(steps))


def _fit_step(job: Job, step: Step, demand: Demand, machine: Machine, worker_bytes: int) -> Fit | None:
    """Say how many tasks a step gets; None where that is not for us to choose."""
    request = job.request
    if not request.fits_replicas or not step.consumes_rows or request.is_debug or request.task_index >= 0:
        return None
    if step.record.seed_globals and request.executor in THREADS:
        return Fit(count=1, reason="it seeds the global random generators, which threads share")
    size = max(step.record.batch_size, 1)
    batches = sum(-(-each.row_count // size) for each in job.datasets)
    return fit_tasks(demand, machine, worker_bytes=worker_bytes, batches=batches)


def _warn_of_queue(step: Step, demand: Demand, machine: Machine, notices: Notices) -> None:
    """Say that tasks will wait for one another: rows are shared, so that they are of no use."""
    if demand == _NOTHING or step.replicas == 1 or notices.warning is None:
        return
    most = fit_tasks(demand, machine, batches=MOST_TASKS)
    if most.count < min(step.replicas, MOST_TASKS) and (demand.accelerators or demand.cpu or demand.memory_bytes):
        notices.warning(
            f"{_short(step)} has {step.replicas} tasks, of which {most.count} can run at a time ({most.reason}); "
            "--replicas auto takes as many as fit"
        )


def _short(step: Step) -> str:
    return step.name.rpartition(":")[2]


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"
