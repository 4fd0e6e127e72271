"""Go on with a job from the rows that are not done: catalog → first worker → discovery → loop, without what is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import OF_AN_IMAGE, HandlerRecord, Job, ResumeChanges, RunRequest, Step
from starwhale.domain.status import Status
from starwhale.domain.usage import TASKS
from starwhale.errors import StatusError, UsageError
from starwhale.execution import plan
from starwhale.execution.attempt_stores import AttemptStores
from starwhale.execution.drive import drive, let_go, this_driver
from starwhale.execution.executors import check_executor
from starwhale.execution.fit import fit_job
from starwhale.execution.outcome import JobOutcome
from starwhale.execution.place import open_place
from starwhale.execution.provenance import RecordFacts, declared_names, describe_env, with_secrets
from starwhale.execution.resumable import changed_source, check_resumable, has_work
from starwhale.execution.retry import retry_failed
from starwhale.execution.run_options import RunOptions
from starwhale.execution.supervise import WAITS

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores


Prepare = Callable[["JobRecord", RunOptions], RunOptions]
"""Makes ready what a job needs to go on, once it is known that there is something to do, and returns the options with it."""


def resume_job(
    job_id: str,
    stores: Stores,
    changes: ResumeChanges | None = None,
    *,
    options: RunOptions | None = None,
    prepare: Prepare | None = None,
) -> JobOutcome:
    """Go on with a job from the rows that are not done; one that has succeeded is left as it is.

    With `changes.failed`, rows that were recorded as failed are tried again as well, and steps behind them run anew; a job that has succeeded
    although some failed is gone on with then.

    Args:
        job_id: Whole id.
        stores: Where everything is kept.
        changes: What is to be different from now on.
        options: How this process runs it.
        prepare: Brings back its model's files and its environment; not called where nothing is left to do.

    Raises:
        ConflictError: A living process runs it.
        StatusError: There is nothing to go on with.
        UsageError: A secret is missing that the job was given as an argument.
    """
    options = options or RunOptions()
    changes = changes or ResumeChanges()
    plan.check_request(changed_request(RunRequest(workdir="", modules=()), changes))
    if changes.executor:
        check_executor(changes.executor)  # also of a job that has nothing left to do
    found = stores.catalog.jobs.get(job_id)
    if found.request.is_debug:
        message = f"job {job_id[:12]} was a debug run, of which nothing is kept"
        raise StatusError(message, hint="run it again with swcli model run --debug")
    if not has_work(found, stores, changes):
        if options.on_warning is not None:
            what = "none of its rows has failed" if changes.failed else "there was nothing left to do"
            options.on_warning(f"job {job_id[:12]} has succeeded already; {what}")
        return JobOutcome(job_id=found.id, status=Status.SUCCESS, had_work=False)
    if prepare is not None:
        options = prepare(found, options)
    return _go_on(found, stores, changes, options)


def _go_on(found: JobRecord, stores: Stores, changes: ResumeChanges, options: RunOptions) -> JobOutcome:
    """Take a job over that has something left to do, and drive it."""
    catalog = stores.catalog
    steps = [each.step.record for each in catalog.jobs.steps(found.id)]
    plan.check_concurrency(changes.concurrency, steps)
    request = with_secrets(changed_request(found.request, changes), changes.arguments, steps)
    if not Path(request.workdir).is_dir():
        message = f"the work directory {request.workdir} of job {found.id[:12]} is gone"
        raise UsageError(message, hint="bring it back, or start a new job")
    last = catalog.wishes.last(found.id)  # before the claim: a later wish is for this process
    claimed = catalog.jobs.claim_driver(found.id, this_driver())
    attempts = AttemptStores()
    try:
        check_resumable(claimed, stores, changes)
        catalog.access.revoke_all(found.id)  # before its leases end: whoever has a right may take the next one
        catalog.ledger.release_all(found.id)
        if (warning := changed_source(found)) and options.on_warning is not None:
            options.on_warning(warning)
        with open_place(request, stores, attempts, options, job_id=found.id) as placed:
            facts = RecordFacts(request, options.argv)
            job = _with_extras(_job_of(found, request, stores, changes), placed.discover())
            job = fit_job(job, placed, options.notices)
            retried = retry_failed(job, stores, options.crash_point) if changes.failed else 0
            told = {**changes.told(), **({"retried_rows": retried} if retried else {})}
            catalog.jobs.add_to_record(
                found.id, lambda record: _resumed(record, {**facts.wait(), **options.record}, job, told)
            )
            return drive(job, placed, stores, attempts, options, last_event=last)
    except BaseException:
        let_go(found.id, stores)
        raise


def changed_request(request: RunRequest, changes: ResumeChanges) -> RunRequest:
    """Return what a job is asked for from now on."""
    limit = changes.time_limit_s
    return dataclasses.replace(
        request,
        executor=changes.executor or request.executor,
        image=_image_of(request, changes),
        replicas=request.replicas if changes.replicas is None else changes.replicas,
        fits_replicas=changes.fits_replicas or (request.fits_replicas and changes.replicas is None),
        concurrency=request.concurrency if changes.concurrency is None else changes.concurrency,
        max_errors=changes.max_errors or request.max_errors,
        time_limit_s=request.time_limit_s if limit is None else limit,
    )


def _image_of(request: RunRequest, changes: ResumeChanges) -> str:
    """Return the image of a job that goes on; one that leaves its containers has none."""
    is_inside = (changes.executor or request.executor) in OF_AN_IMAGE
    return changes.image or (request.image if is_inside else "")


def _job_of(found: JobRecord, request: RunRequest, stores: Stores, changes: ResumeChanges) -> Job:
    """Make the job anew from what the catalog knows of it."""
    steps = [_changed_step(each.step, changes) for each in stores.catalog.jobs.steps(found.id)]
    return Job(
        id=found.id,
        request=request,
        handler=found.handler,
        steps=tuple(steps),
        datasets=found.datasets,
        status=found.status,
    )


def _changed_step(step: Step, changes: ResumeChanges) -> Step:
    if changes.replicas and step.consumes_rows:
        step = dataclasses.replace(step, replicas=changes.replicas)
    if changes.concurrency and step.record.is_async:
        step = dataclasses.replace(step, concurrency=plan.calls_in_flight(step.record, changes.concurrency))
    return step


def _with_extras(job: Job, handlers: dict[str, HandlerRecord]) -> Job:
    """Take from the user's module what it has registered a function with: the catalog has it without secrets."""

    def whole(step: Step) -> Step:
        new = handlers.get(step.name)
        if new is None:
            return step
        record = dataclasses.replace(step.record, extra_args=new.extra_args, extra_kwargs=new.extra_kwargs)
        return dataclasses.replace(step, record=record)

    return dataclasses.replace(job, steps=tuple(map(whole, job.steps)))


def _resumed(
    record: Mapping[str, Any], facts: Mapping[str, Any], job: Job, told: Mapping[str, Any]
) -> dict[str, Any]:  # Any: JSON objects
    """Add to a record what differs now that its job goes on: what was asked for, another machine, other packages, changed sources."""
    names = declared_names(job.request, [step.record for step in job.steps])
    now = {**facts, "env": describe_env(names)}
    if record.get(WAITS):  # it was submitted, and begins now
        return {**now, WAITS: False}
    changed = {name: value for name, value in now.items() if name != "argv" and record.get(name) != value}
    tasks = {step.name: step.replicas for step in job.steps}
    return {"resumes": [*record.get("resumes", []), {"argv": facts.get("argv", []), TASKS: tasks, **told, **changed}]}
