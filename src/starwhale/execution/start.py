"""Start a job, or go on with one: the verbs that instances call.

start_job: first worker → discovery → pinned datasets → plan → catalog → loop
resume_job: catalog → first worker → discovery → loop, without what is done
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import DatasetInput, HandlerRecord, Job, ResumeChanges, RunRequest, Step
from starwhale.domain.redaction import fill_in
from starwhale.domain.status import Status
from starwhale.domain.usage import TASKS
from starwhale.domain.version import check_job_id
from starwhale.errors import HandlerError, NoSpaceError, StarwhaleError, StatusError, UsageError
from starwhale.execution import plan
from starwhale.execution.debug_run import check_debug, leave_interrupt_to_worker, pick_row
from starwhale.execution.executors import Executor, ExecutorOptions, check_executor, open_executor
from starwhale.execution.executors.worker_process import is_ours
from starwhale.execution.fit import Told, fit_job
from starwhale.execution.provenance import (
    Facts,
    declared_names,
    describe_env,
    describe_job,
    without_secrets,
)
from starwhale.execution.resumable import changed_source, check_resumable, has_work
from starwhale.execution.retry import retry_failed
from starwhale.execution.run import Desk, JobOutcome, JobProgress, JobRun, OnProgress, StepView
from starwhale.execution.stops import Stops
from starwhale.settings import declared_values
from starwhale.storage.carriers.pipe import PipeServer
from starwhale.storage.task_side import CrashPoint, JobSide, JobStores, no_crash

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import Driver, JobRecord

logger = logging.getLogger(__name__)

CALLER = "caller"
"""The executor whose tasks are threads of this process."""
Pin = Callable[[str], DatasetInput]
"""Resolves a dataset URI to an immutable version with all its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is not part of the request: how this process runs it."""

    python: str = sys.executable
    """Interpreter of the workers."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What workers find in their environment beside what this process has."""
    argv: tuple[str, ...] = ()
    """What the user typed, for the record."""
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON
    """What the record of the job says beside what is found here: of its runtime."""
    hold: object = None
    """Whatever has to be kept until the job has ended: the hold of an environment."""
    is_verbose: bool = False
    """Whether output of user code is echoed to the standard error stream."""
    on_progress: OnProgress | None = None
    """Called several times a second."""
    on_stage: Callable[[str], None] | None = None
    """Called with what is being done before the job begins: while the environment of its runtime is made."""
    on_warning: Callable[[str], None] | None = None
    """Called with what the user should know."""
    on_note: Callable[[str], None] | None = None
    """Called with what was chosen for the user, and why."""
    should_stop: Callable[[], bool] | None = None
    """Whether to stop at the next batch boundaries; None listens to Ctrl-C, where this is the main thread."""
    is_caller: bool = False
    """Whether this process has the user's functions itself, so that tasks may be its threads: a notebook or a script."""
    crash_point: CrashPoint = no_crash
    """For tests: called at each step of a commit."""


def discover_handlers(
    request: RunRequest, stores: JobStores, options: RunOptions | None = None
) -> dict[str, HandlerRecord]:
    """Import the modules of a request in a worker process and return their handlers by name.

    Raises:
        UserCodeError: A module does not import.
    """
    with _executor(request, stores, Desk(), options or RunOptions(), job_id="discovery") as executor:
        return executor.discover()


def start_job(request: RunRequest, stores: JobStores, *, pin: Pin, options: RunOptions | None = None) -> JobOutcome:
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


def _start(request: RunRequest, stores: JobStores, pin: Pin, options: RunOptions) -> JobOutcome:
    job_id = check_job_id(request.job_id) if request.job_id else stores.catalog.make_id()
    desk = Desk()
    with _executor(request, stores, desk, options, job_id=job_id) as executor:
        facts = Facts(request, options.argv)
        with _importing("starwhale.storage.dataset_rows.dataset_store"):
            handlers = executor.discover()
        job = _plan(request, handlers, lambda uris: _pin_all(uris, request, stores, pin), job_id)
        job = fit_job(job, executor, _told(options))
        if request.row and job.handler not in {step.name for step in job.steps} and options.on_warning is not None:
            options.on_warning(f"{job.handler} is left out: it would say nothing of one row")
        record = {
            **facts.wait(),
            **describe_job(job),
            **({"debug": True} if request.is_debug else {}),
            **options.record,
        }
        stores.catalog.jobs.create(without_secrets(job), record, _this_driver())
        try:
            return _run(job, executor, stores, desk, options)
        finally:
            if request.is_debug:  # `latest` stays the job that people work on
                stores.catalog.jobs.remove(job.id)


def resume_job(
    job_id: str, stores: JobStores, changes: ResumeChanges | None = None, *, options: RunOptions | None = None
) -> JobOutcome:
    """Go on with a job from the rows that are not done; one that has succeeded is left as it is.

    With `changes.failed`, rows that were recorded as failed are tried again as well, and steps behind them run anew; a job that has succeeded
    although some failed is gone on with then.

    Args:
        job_id: Whole id.
        stores: Where everything is kept.
        changes: What is to be different from now on.
        options: How this process runs it.

    Raises:
        ConflictError: A living process runs it.
        StatusError: There is nothing to go on with.
        UsageError: A secret is missing that the job was given as an argument.
    """
    options = options or RunOptions()
    changes = changes or ResumeChanges()
    plan.check_request(_changed(RunRequest(workdir="", modules=()), changes))
    if changes.executor:
        check_executor(changes.executor)  # also of a job that has nothing left to do
    catalog = stores.catalog
    found = catalog.jobs.get(job_id)
    if found.request.is_debug:
        message = f"job {job_id[:12]} was a debug run, of which nothing is kept"
        raise StatusError(message, hint="run it again with swcli model run --debug")
    if found.status is Status.SUCCESS and not has_work(found, stores, changes):
        if options.on_warning is not None:
            what = "none of its rows has failed" if changes.failed else "there was nothing left to do"
            options.on_warning(f"job {job_id[:12]} has succeeded already; {what}")
        return JobOutcome(job_id=found.id, status=Status.SUCCESS)
    steps = [each.step.record for each in catalog.jobs.steps(found.id)]
    plan.check_concurrency(changes.concurrency, steps)
    request = with_secrets(_changed(found.request, changes), changes.arguments, steps)
    if not Path(request.workdir).is_dir():
        message = f"the work directory {request.workdir} of job {job_id[:12]} is gone"
        raise UsageError(message, hint="bring it back, or start a new job")
    last = catalog.wishes.last(found.id)  # before the claim: a later wish is for this process
    claimed = catalog.jobs.claim_driver(found.id, _this_driver())
    desk = Desk()
    try:
        check_resumable(claimed, stores, changes)
        catalog.ledger.release_all(found.id)
        if (warning := changed_source(found)) and options.on_warning is not None:
            options.on_warning(warning)
        with _executor(request, stores, desk, options, job_id=found.id) as placed:
            facts = Facts(request, options.argv)
            job = _with_extras(_job_of(found, request, stores, changes), placed.discover())
            job = fit_job(job, placed, _told(options))
            retried = retry_failed(job, stores, options.crash_point) if changes.failed else 0
            told = {**changes.told(), **({"retried_rows": retried} if retried else {})}
            catalog.jobs.add_to_record(found.id, lambda record: _resumed(record, facts.wait(), job, told))
            return _run(job, placed, stores, desk, options, last_event=last)
    except BaseException:
        _let_go(found.id, stores)
        raise


@contextmanager
def _importing(module: str) -> Generator[None]:
    """Import a module of ours, which takes some time, while this thread waits for something else."""

    def load() -> None:
        with suppress(Exception):  # whoever needs it will say what is wrong
            importlib.import_module(module)

    thread = threading.Thread(target=load, name="imports", daemon=True)
    thread.start()
    yield
    thread.join()


def _pin_all(uris: Sequence[str], request: RunRequest, stores: JobStores, pin: Pin) -> Sequence[DatasetInput]:
    found = [pin(uri) for uri in uris]
    if not request.row:
        return found
    return pick_row(
        request.row, found, lambda each: stores.datasets.open_version(each.dataset_id, each.manifest_digest)
    )


def _plan(
    request: RunRequest,
    handlers: dict[str, HandlerRecord],
    pin_all: Callable[[Sequence[str]], Sequence[DatasetInput]],
    job_id: str,
) -> Job:
    from starwhale.handlers.argument import check_loose_options, check_values
    from starwhale.handlers.discover import select

    if not Path(request.workdir).is_dir():
        message = f"there is no directory {request.workdir}"
        raise UsageError(message, hint="name the model's directory with --workdir DIR")
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


def _run(
    job: Job, executor: Executor, stores: JobStores, desk: Desk, options: RunOptions, *, last_event: int = 0
) -> JobOutcome:
    desk.side = JobSide(stores, job.steps, job.datasets, crash_point=options.crash_point)
    try:
        run = JobRun(job, executor, desk, on_progress=options.on_progress)
        wishes = stores.catalog.wishes
        if options.should_stop is not None:
            return run.run(Stops(job, options.should_stop, wishes, last=last_event).find)
        with listen_for_interrupt() as should_stop:
            return run.run(Stops(job, should_stop, wishes, last=last_event).find)
    except NoSpaceError as error:
        executor.close(kill=True)
        _let_go(job.id, stores)
        return JobOutcome(job_id=job.id, status=Status.INTERRUPTED, error=error)
    except BaseException:
        executor.close(kill=True)
        _let_go(job.id, stores)
        raise


def _let_go(job_id: str, stores: JobStores) -> None:
    """Leave a job that this process cannot run on as interrupted; one that it has let go already may be another's.

    Where even that cannot be written, because the disk is full, the end of this process says the same.
    """
    try:
        found = stores.catalog.jobs.get(job_id)
        if found.driver != _this_driver():
            return
        if found.status in {Status.CREATED, Status.RUNNING, Status.QUEUED, Status.CANCELLING}:
            stores.catalog.ledger.release_all(job_id)
            stores.catalog.jobs.set_status(job_id, Status.INTERRUPTED)
        stores.catalog.jobs.release_driver(job_id)
    except StarwhaleError as error:
        logger.warning("job=%s: cannot be written down as interrupted: %s", job_id, error)


@contextmanager
def listen_for_interrupt() -> Generator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop, and the second into a KeyboardInterrupt of whoever asks for the wish.

    It is raised there and not wherever the main thread happens to be: in the middle of a transaction it would be taken for an error of
    the catalog. A third one is raised at once.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) > 2:
            raise KeyboardInterrupt

    def is_asked() -> bool:
        if len(asked) > 1:
            raise KeyboardInterrupt
        return bool(asked)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _executor(
    request: RunRequest, stores: JobStores, desk: Desk, options: RunOptions, *, job_id: str
) -> Generator[Executor]:
    _check_place(request, options)
    executor = open_executor(
        request.executor,
        ExecutorOptions(
            python=options.python,
            workdir=request.workdir,
            modules=request.modules,
            log_folder=stores.layout.logs(job_id),
            serve=lambda sock: PipeServer(sock, desk.open),
            arguments=request.handler_arguments,
            environment={**_program_path(options.python, stores), **options.environment},
            open_stores=desk.open,
            is_verbose=options.is_verbose,
            is_debug=request.is_debug,
        ),
    )
    try:
        yield executor
    finally:
        executor.close()


def _program_path(python: str, stores: JobStores) -> dict[str, str]:
    """Let another interpreter find this program and nothing else: beside it may lie all packages of the environment that it is installed in."""
    if is_ours(python):
        return {}
    from starwhale.runtimes.ours import link_ours

    return {"PYTHONPATH": str(link_ours(stores.layout.runtimes / "ours"))}


def _check_place(request: RunRequest, options: RunOptions) -> None:
    """Refuse to look in another process for functions that only a notebook or a script has."""
    is_main = any(each.partition(":")[0] == "__main__" for each in request.modules)
    if is_main and not (request.executor == CALLER and options.is_caller):
        message = "the functions of this job were defined in a notebook or script, and no other process can import them"
        raise UsageError(
            message,
            hint=f"begin their cell with %%writefile evaluation.py, and call Job.run(model='evaluation.py', executor={_other(request)!r})",
        )
    if request.executor == CALLER and not options.is_caller:
        message = "the executor 'caller' runs tasks in the process of a notebook or script"
        raise UsageError(message, hint="use --executor thread or --executor process")


def _other(request: RunRequest) -> str:
    return "thread" if request.executor == CALLER else request.executor


def _changed(request: RunRequest, changes: ResumeChanges) -> RunRequest:
    limit = changes.time_limit_s
    return dataclasses.replace(
        request,
        executor=changes.executor or request.executor,
        replicas=request.replicas if changes.replicas is None else changes.replicas,
        fits_replicas=changes.fits_replicas or (request.fits_replicas and changes.replicas is None),
        concurrency=request.concurrency if changes.concurrency is None else changes.concurrency,
        max_errors=changes.max_errors or request.max_errors,
        time_limit_s=request.time_limit_s if limit is None else limit,
    )


def _job_of(found: JobRecord, request: RunRequest, stores: JobStores, changes: ResumeChanges) -> Job:
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


def with_secrets(request: RunRequest, arguments: Sequence[str], records: Iterable[HandlerRecord] = ()) -> RunRequest:
    """Put back what the record of a job leaves out: from the caller, else from declared environment variables.

    Args:
        request: As the catalog has it.
        arguments: Options with their values; only those that were left out.
        records: The handlers, which declare variables.

    Raises:
        UsageError: A value is missing.
    """
    values = declared_values(declared_names(request, records))
    words = fill_in(request.handler_arguments, arguments, {name: each for name, each in values.items() if each})
    count = len(request.loose_options)
    return dataclasses.replace(request, loose_options=words[:count], arguments=words[count:])


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
    changed = {name: value for name, value in now.items() if name != "argv" and record.get(name) != value}
    tasks = {step.name: step.replicas for step in job.steps}
    return {"resumes": [*record.get("resumes", []), {"argv": facts.get("argv", []), TASKS: tasks, **told, **changed}]}


def _told(options: RunOptions) -> Told:
    return Told(warning=options.on_warning, note=options.on_note)


def _this_driver() -> Driver:
    from starwhale.storage.catalog.driver import this_driver

    return this_driver()


__all__ = [
    "JobOutcome",
    "JobProgress",
    "RunOptions",
    "StepView",
    "discover_handlers",
    "listen_for_interrupt",
    "resume_job",
    "start_job",
    "with_secrets",
]
