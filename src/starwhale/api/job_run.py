"""How a job of the SDK runs: with a line that says how far it is, and with its end as a value or an error."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import sys
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starwhale.api.instance import default_instance
from starwhale.api.job_again import CODE, changes_of, code_digest, find_interrupted, is_interactive
from starwhale.api.notebook.job_progress import ProgressLine
from starwhale.domain.job import CALLER, THREAD, ResumeChanges, RunRequest
from starwhale.domain.uri import as_instance
from starwhale.errors import ExecutionError, InterruptedJobError, StarwhaleError, UsageError, UserCodeError

if TYPE_CHECKING:
    from starwhale.execution.outcome import JobOutcome
    from starwhale.execution.run_options import RunOptions
    from starwhale.instances import Instance
    from starwhale.results.reproduction import Reproduction

logger = logging.getLogger(__name__)


def run_job(request: RunRequest, *, raises: bool = True, record: Mapping[str, str] | None = None) -> str:
    """Run a job to its end and return its id.

    Args:
        request: What to run.
        record: What the job's record says beside what is found.
        raises: Whether a job that failed or was stopped raises; otherwise its status says so.

    Raises:
        UsageError: The project is on a server.
        StarwhaleError: Something was found wrong before anything ran; or the job failed or was stopped, `job_id` says which.
    """
    __tracebackhide__ = True  # a notebook shows the user's frames instead of these
    _refuse_elsewhere(request.project)
    is_here = request.executor == CALLER
    with _watched(is_here=is_here) as options:
        outcome = default_instance().jobs.run(request, dataclasses.replace(options, record=dict(record or {})))
    return finish(outcome, is_here=is_here) if raises else outcome.job_id


def run_or_go_on(request: RunRequest, *, resume: bool | None) -> str:
    """Run a job to its end and return its id; one that was interrupted and asked for the same goes on instead.

    Args:
        request: What to run.
        resume: Whether such a one is looked for; None does where somebody types.

    Raises:
        StarwhaleError: As `run_job`.
    """
    __tracebackhide__ = True
    _refuse_elsewhere(request.project)
    code = code_digest(request)
    found = find_interrupted(request, code) if resume or (resume is None and is_interactive()) else None
    if found is None:
        return run_job(request, record={CODE: code} if code else None)
    note = f"going on with job {found.id[:12]}, which was interrupted; Job.run(…, resume=False) begins anew"
    resume_job(found.id, changes_of(request), note=note)
    return found.id


def _refuse_elsewhere(project: str) -> None:
    """Refuse the project of a server for a job that would run here.

    Raises:
        UsageError: It names one.
        NotFoundError: It names a server that is not known.
    """
    names_instance = "/" in project
    if names_instance and default_instance().at(project).login is not None:
        message = f"project {project!r} is on a server, and this would run on this machine"
        hint = (
            "let the server run it: Job.create(project, model, handler, datasets=…), or swcli model run --run-project"
        )
        raise UsageError(message, hint=hint)


def resume_job(job_id: str, changes: ResumeChanges, *, note: str = "") -> None:
    """Go on with a job to its end.

    Args:
        job_id: Whole id.
        changes: What is to be different.
        note: What the user is told before.

    Raises:
        StarwhaleError: It failed or was stopped again; or there is nothing to go on with.
    """
    __tracebackhide__ = True
    jobs = default_instance().jobs
    is_here = jobs.get(job_id).request.executor == CALLER
    if is_here and changes.executor == THREAD:
        changes = dataclasses.replace(changes, executor=None)
    with _watched(is_here=is_here) as options:
        if note and options.on_note is not None:
            options.on_note(note)
        outcome = jobs.resume(job_id, changes, options=options)
    finish(outcome, is_here=is_here)


def submit_job(request: RunRequest) -> str:
    """Submit a job to the server that its project names, and return its URI.

    Raises:
        UsageError: It names none, or the job's functions are of this process alone.
        NotFoundError: Something of it is neither here nor there.
    """
    from starwhale.instances.jobs.server_jobs import submit_there

    here = default_instance()
    there = here.at(request.project)
    if there.login is None:
        message = f"project {request.project!r} is on this machine"
        raise UsageError(message, hint="name a server: cloud://<alias>/project/<name>; Job.create_local runs it here")
    if request.executor == CALLER:
        message = "a server has no functions of this process"
        raise UsageError(message, hint="keep them in a file, and name the file or its folder as the model")
    row = submit_there(here, there, request, on_stage=_say)
    return f"{as_instance(there.name)}/project/{row['project']}/job/{row['id']}"


def _say(text: str) -> None:
    logger.info("%s", text)


def resume_there(there: Instance, job_id: str, changes: ResumeChanges) -> None:
    """Have the server that has a job go on with it.

    Raises:
        UsageError: Something is to be different that only holds on this machine.
    """
    if changes != ResumeChanges(failed=changes.failed, replicas=changes.replicas, max_errors=changes.max_errors):
        message = "a job on a server goes on where and as it was submitted"
        raise UsageError(message, hint="of the arguments, failed, replicas and max_errors can be given")
    there.server_jobs.resume(job_id, failed=changes.failed, replicas=changes.replicas, max_errors=changes.max_errors)


def reproduce_job(job: str, *, sample: int, seed: int, allow_changed: bool, arguments: tuple[str, ...]) -> Reproduction:
    """Run a job again to its end, and compare what both found.

    Raises:
        UsageError: It is on a server.
        StarwhaleError: Nobody can tell what would come of it; or the new job failed or was stopped.
    """
    __tracebackhide__ = True
    from starwhale.instances.jobs.reproduce import ReproduceOptions

    jobs = default_instance().at(job).jobs
    is_here = jobs.get(job).request.executor == CALLER
    wanted = ReproduceOptions(
        sample=sample, seed=seed, allow_changed=allow_changed, arguments=arguments, is_caller=is_here
    )
    with _watched(is_here=is_here) as options:
        done = jobs.reproduce(job, wanted, options)
    if done.found is None:
        finish(done.outcome, is_here=is_here)
        message = f"job {done.outcome.job_id[:12]} did not succeed"
        raise ExecutionError(message)
    return done.found


@contextmanager
def _watched(*, is_here: bool) -> Generator[RunOptions]:
    """Say how a job is run from the SDK: with a line that says how far it is, and what an interrupt does."""
    from starwhale.execution.interrupts import listen_for_interrupt
    from starwhale.execution.run_options import RunOptions

    options = RunOptions(argv=tuple(sys.argv), on_warning=_warn)
    with ProgressLine(is_wanted=default_instance().settings.progress) as line:
        options = dataclasses.replace(
            options, on_progress=line.on_progress, on_stage=line.on_stage, on_note=line.note, is_caller=is_here
        )
        if not is_here:  # while workers import their modules an interrupt ends the call at once
            yield options
            return
        with listen_for_interrupt() as is_asked:
            yield dataclasses.replace(options, should_stop=lambda: is_asked() and line.stopping())


def _warn(text: str) -> None:
    """Warn at the line of the user's that called, however far below it this is."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "starwhale":
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


def finish(outcome: JobOutcome, *, is_here: bool) -> str:
    """Return the id of a job that succeeded, and raise why another did not.

    Raises:
        InterruptedJobError: It was stopped; the message says how to go on.
        StarwhaleError: Why it failed.
    """
    __tracebackhide__ = True
    call = f"Job.get({outcome.job_id[:12]!r}).resume()"
    error: StarwhaleError | None = outcome.error
    if error is None and not outcome.was_interrupted:
        return outcome.job_id
    if error is None:
        where = (
            " or by running the cell again, here and while its functions are defined; what swcli is to resume belongs in a file: "
            "%%writefile evaluation.py"
            if is_here
            else f", or with: swcli job resume {outcome.job_id[:12]}"
        )
        message = f"job {outcome.job_id[:12]} was {outcome.status}; what was done is kept"
        error = InterruptedJobError(message, hint=f"go on with {call}{where}")
    else:
        mend = "mend the function, run its cell again, and go on" if is_here else "mend it and go on"
        error.hint = error.hint or f"{mend} with {call}"
        if isinstance(error, UserCodeError) and error.details:
            error.add_note(error.details.rstrip())
    error.job_id = outcome.job_id
    raise error


def dataset_uris(datasets: Any) -> tuple[str, ...]:  # Any: a URI or a Dataset, or several
    """Return the URIs of what was given as datasets.

    Raises:
        UsageError: A dataset has changes that were not committed, or no version yet.
    """
    from starwhale.datasets.dataset import Dataset

    given = [datasets] if isinstance(datasets, str | Dataset) or not isinstance(datasets, Iterable) else datasets
    uris: list[str] = []
    for each in given:
        if isinstance(each, Dataset) and (each.changed or not each.uri.version):
            message = f"dataset {each.name!r} has changes that were not committed"
            raise UsageError(message, hint="call its commit() before the job")
        if each is not None:
            uris.append(each.uri.full if isinstance(each, Dataset) else str(getattr(each, "full_uri", each)))
    return tuple(uris)
