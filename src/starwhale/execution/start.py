"""Start a job: first worker → discovery → pinned datasets → plan → catalog → loop. (`resume` goes on with one.)"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, RunRequest
from starwhale.domain.version import check_job_id
from starwhale.errors import HandlerError, UsageError
from starwhale.execution import plan
from starwhale.execution.attempt_stores import AttemptStores
from starwhale.execution.debug_run import check_debug, pick_row
from starwhale.execution.drive import drive, this_driver
from starwhale.execution.executors.protocol import DISCOVERY
from starwhale.execution.fit import fit_job
from starwhale.execution.head_start import HeadStart, Pin
from starwhale.execution.interrupts import leave_interrupt_to_worker
from starwhale.execution.outcome import JobOutcome
from starwhale.execution.place import open_place
from starwhale.execution.provenance import RecordFacts, describe_job, without_secrets
from starwhale.execution.run_options import RunOptions

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores


def discover_handlers(
    request: RunRequest, stores: Stores, options: RunOptions | None = None
) -> dict[str, HandlerRecord]:
    """Import the modules of a request in a worker process and return their handlers by name.

    Raises:
        UserCodeError: A module does not import.
    """
    with open_place(request, stores, AttemptStores(), options or RunOptions(), job_id=DISCOVERY) as executor:
        return executor.discover()


def start_job(request: RunRequest, stores: Stores, *, pin: Pin, options: RunOptions | None = None) -> JobOutcome:
    """Plan a job and run it to its end.

    Args:
        request: What the user asks for.
        stores: Where everything is kept.
        pin: Resolves dataset URIs.
        options: How this process runs it.

    Raises:
        StarwhaleError: Something was found wrong before anything ran; no job is left behind then. What happens afterwards is in the
            outcome.
    """
    options = options or RunOptions()
    plan.check_request(request)
    check_debug(request)
    if not request.is_debug:
        return _start(request, stores, pin, options)
    with leave_interrupt_to_worker() as should_stop:
        return _start(request, stores, pin, dataclasses.replace(options, should_stop=should_stop, on_progress=None))


def _start(request: RunRequest, stores: Stores, pin: Pin, options: RunOptions) -> JobOutcome:
    job_id = check_job_id(request.job_id) if request.job_id else stores.catalog.make_id()
    attempts = AttemptStores()
    with open_place(request, stores, attempts, options, job_id=job_id) as executor:
        facts = RecordFacts(request, options.argv)
        with HeadStart(request, stores, pin) as ahead:
            handlers = executor.discover()
        if not Path(request.workdir).is_dir():
            message = f"there is no directory {request.workdir}"
            raise UsageError(message, hint="name the model's directory with --workdir DIR")
        job = plan_request(request, handlers, lambda uris: _pin_all(uris, request, stores, ahead.pin), job_id)
        _check_metric_columns(job, stores)
        job = fit_job(job, executor, options.notices)
        if request.row and job.handler not in {step.name for step in job.steps} and options.on_warning is not None:
            options.on_warning(f"{job.handler} is left out: it would say nothing of one row")
        record = {
            **facts.wait(),
            **describe_job(job),
            **({"debug": True} if request.is_debug else {}),
            **options.record,
        }
        stores.catalog.jobs.create(without_secrets(job), record, this_driver())
        try:
            return drive(job, executor, stores, attempts, options)
        finally:
            if request.is_debug:  # `latest` stays the job that people work on
                stores.catalog.jobs.remove(job.id)


def _check_metric_columns(job: Job, stores: Stores) -> None:
    """Refuse metrics of columns that are misspelt, before predict is called."""
    asking = [each for each in job.steps if each.record.metrics]
    if not asking:
        return
    from starwhale.results.metric_rows import check_sources

    opened = (stores.datasets.open_version(each.dataset_id, each.manifest_digest) for each in job.datasets)
    features = list(dict.fromkeys(name for each in opened for name in each.columns))
    for each in asking:
        check_sources(each, features)


def _pin_all(uris: Sequence[str], request: RunRequest, stores: Stores, pin: Pin) -> Sequence[DatasetInput]:
    found = [pin(uri) for uri in uris]
    if not request.row:
        return found
    return pick_row(
        request.row, found, lambda each: stores.datasets.open_version(each.dataset_id, each.manifest_digest)
    )


def plan_request(
    request: RunRequest,
    handlers: dict[str, HandlerRecord],
    pin_all: Callable[[Sequence[str]], Sequence[DatasetInput]],
    job_id: str,
) -> Job:
    """Plan what a request asks for, once its handlers are known.

    Args:
        request: What the user asks for.
        handlers: What its modules have.
        pin_all: Resolves the datasets that it names, or its handlers do.
        job_id: Id of the new job.

    Raises:
        HandlerError: The modules have none.
        UsageError: An option is nobody's, or makes no sense.
    """
    from starwhale.handlers.argument import check_loose_options, check_values
    from starwhale.handlers.discover import select

    if not handlers:
        message = f"no handlers in {', '.join(request.modules)}"
        raise HandlerError(
            message, hint="decorate a function with @evaluation.predict, @evaluation.evaluate or @handler"
        )
    check_loose_options(
        request.loose_options, list(handlers.values())
    )  # what nobody has is told before what came of it
    chosen = select(handlers, request.handler) if not request.step else request.step
    names = plan.plan_names(request, handlers, chosen)
    check_loose_options(request.loose_options, [handlers[name] for name in names])
    check_values(request.handler_arguments, [handlers[name] for name in names])
    uris = request.datasets or tuple(dict.fromkeys(uri for name in names for uri in handlers[name].datasets))
    return plan.plan_job(request, handlers, chosen, pin_all(uris), job_id=job_id)
