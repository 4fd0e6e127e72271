"""Run a job again from its record: find what it ran on, or say why nobody can tell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.status import Status
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CannotTellError, NotFoundError, StatusError, UsageError

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.start import JobOutcome
    from starwhale.results.reproduction import Reproduction
    from starwhale.storage.catalog.records import JobRecord
    from starwhale.storage.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceOptions:
    """How a job is run again."""

    sample: int = 0
    """Try only so many rows, drawn at random; 0 means all."""
    seed: int = 0
    """From which the rows of the sample are drawn."""
    allow_changed: bool = False
    """Whether a work directory may have changed since."""
    arguments: tuple[str, ...] = ()
    """Options of the handlers whose values no record keeps, because they are secrets, with their values."""
    is_caller: bool = False
    """Whether this process may have the functions of a notebook or script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What came of running a job again."""

    outcome: JobOutcome
    """How the new job ended."""
    found: Reproduction | None = None
    """What it found compared with the first; None where it did not succeed."""


def repeat_request(stores: Stores, job: JobRecord, options: ReproduceOptions) -> RunRequest:
    """Return the request that runs a job again, on what it ran on.

    Raises:
        CannotTellError: The model, a dataset or the source is gone, or has changed.
        StatusError: The job has not succeeded, so that there is nothing to compare with.
        UsageError: A secret is missing; or the job is a sample itself.
    """
    from starwhale.execution.start import with_secrets

    _check_job(job, options)
    _check_datasets(stores, job)
    _check_runtime(stores, job)
    if job.request.model_uri:
        _check_model(stores, job)
    else:
        _check_source(job, options)
    sample, seed = (options.sample, options.seed) if options.sample else (job.request.sample, job.request.sample_seed)
    records = [each.step.record for each in stores.catalog.jobs.steps(job.id)]
    return dataclasses.replace(
        with_secrets(job.request, options.arguments, records),
        workdir="" if job.request.model_uri else job.request.workdir,
        datasets=tuple(each.uri for each in job.datasets),
        project=job.project,
        name="",
        job_id="",
        keeps_snapshot=False,
        reproduces=job.id,
        sample=sample,
        sample_seed=seed,
    )


def _check_job(job: JobRecord, options: ReproduceOptions) -> None:
    short = job.id[:SHORT_VERSION]
    if job.status is not Status.SUCCESS:
        message = f"job {short} is {job.status}: there is nothing whole to compare with"
        raise StatusError(message, hint=f"swcli job info {short} says why; swcli job resume {short} goes on with it")
    if job.request.is_debug:
        message = f"job {short} was a debug run, of which nothing is kept"
        raise StatusError(message, hint="run it with swcli model run first")
    if options.sample < 0:
        message = f"sample is {options.sample}"
        raise UsageError(message, hint="use a whole number of at least 1, or 0 for all rows")
    if options.sample and job.request.sample:
        message = f"job {short} tried a sample itself"
        raise UsageError(message, hint="leave the sample out: the same rows are drawn again")


def _check_datasets(stores: Stores, job: JobRecord) -> None:
    from starwhale.instances.pinning import pin_dataset

    for each in job.datasets:
        try:
            now = pin_dataset(stores, each.uri, project=job.project)
        except NotFoundError as error:
            message = f"the dataset version {each.uri} that job {job.id[:SHORT_VERSION]} read is gone"
            hint = (
                f"bring it back: swcli dataset recover {each.name}/version/{each.version[:SHORT_VERSION]}, or import it"
            )
            raise CannotTellError(message, hint=hint) from error
        if now.manifest_digest != each.manifest_digest:
            message = (
                f"the dataset version {each.uri} is not what job {job.id[:SHORT_VERSION]} read: its digest differs"
            )
            raise CannotTellError(message, hint=f"look at it with: swcli dataset verify {each.uri}")


def _check_model(stores: Stores, job: JobRecord) -> None:
    request, short = job.request, job.id[:SHORT_VERSION]
    try:
        now = stores.catalog.versions.resolve("model", request.model_uri, default_project=job.project)
    except NotFoundError as error:
        message = f"the model version {request.model_uri} that job {short} ran is gone"
        version = f"{request.model_name}/version/{request.model_version[:SHORT_VERSION]}"
        raise CannotTellError(message, hint=f"bring it back: swcli model recover {version}, or import it") from error
    if request.model_digest and now.content_digest != request.model_digest:
        message = f"the model version {request.model_uri} is not what job {short} ran: its digest differs"
        raise CannotTellError(message, hint="import the version again")


def _check_runtime(stores: Stores, job: JobRecord) -> None:
    """Look for the runtime of a job that ran in one; it may lie in a model that carries it."""
    request, short = job.request, job.id[:SHORT_VERSION]
    if not request.runtime_version:
        return
    try:
        found = stores.catalog.versions.get(request.runtime_version)
    except NotFoundError as error:
        message = f"the runtime {request.runtime_uri} that job {short} ran in is gone"
        hint = "import it: swcli runtime import; or the job again, exported with --with-runtime"
        raise CannotTellError(message, hint=hint) from error
    if found.is_removed:
        message = f"the {found.kind} {found.uri.full} that job {short} ran in was removed"
        raise CannotTellError(message, hint=f"bring it back: swcli {found.kind} recover {found.uri.full}")
    if request.runtime_digest and found.content_digest != request.runtime_digest:
        message = f"the {found.kind} {found.uri.full} is not what job {short} ran in: its digest differs"
        raise CannotTellError(message, hint="import the version again")


def _check_source(job: JobRecord, options: ReproduceOptions) -> None:
    from starwhale.execution.provenance import source_digest

    request, short = job.request, job.id[:SHORT_VERSION]
    if any(each.partition(":")[0] == "__main__" for each in request.modules) and not options.is_caller:
        message = f"the functions of job {short} were defined in a notebook or script, and no other process has them"
        raise CannotTellError(message, hint=f"call Job.get({short!r}).reproduce() there")
    folder = Path(request.workdir)
    if not folder.is_dir():
        message = f"the work directory {request.workdir} of job {short} is gone"
        raise CannotTellError(message, hint="bring it back; models that were built with swcli model build cannot go")
    before, modules = job.record.get("source_digest"), ", ".join(request.modules)
    if options.allow_changed or source_digest(folder, request.modules) == before:
        return
    message = f"the source of {modules} in {request.workdir} has changed since job {short} ran"
    raise CannotTellError(message, hint=f"{_way_back(job)}to compare all the same, add --allow-changed")


def _way_back(job: JobRecord) -> str:
    git = job.record.get("git") or {}
    if not git.get("commit"):
        return ""
    changes = ", with changes that were not committed" if git.get("is_dirty") else ""
    return f"it was commit {git['commit'][:SHORT_VERSION]}{changes}; "


def compare_and_note(stores: Stores, before: JobRecord, outcome: JobOutcome) -> Repeated:
    """Compare what the new job found with the first, and write the verdict into its record."""
    from starwhale.results.reproduction import compare_jobs

    if outcome.status is not Status.SUCCESS:
        return Repeated(outcome=outcome)
    found = compare_jobs(stores, before, stores.catalog.jobs.get(outcome.job_id))
    said = {"of": before.id, "verdict": str(found.verdict or "unknown")}
    counts = {each.name: {str(name): count for name, count in each.counts.items()} for each in found.tallies}
    stores.catalog.jobs.add_to_record(outcome.job_id, lambda _: {"reproduction": {**said, "counts": counts}})
    return Repeated(outcome=outcome, found=found)
