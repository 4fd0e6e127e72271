"""Run a job again from its record: find what it ran on, or say why nobody can tell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.domain.status import Status
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CannotTellError, NotFoundError, StatusError, UsageError
from starwhale.instances.jobs.ran_on import RanOn, find_ran_on

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.outcome import JobOutcome
    from starwhale.instances.jobs.pinning import StoresAt
    from starwhale.results.reproduction import Reproduction
    from starwhale.storage.catalog.job_records import JobRecord
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


def repeat_request(
    stores: Stores, job: JobRecord, options: ReproduceOptions, stores_at: StoresAt | None = None
) -> RunRequest:
    """Return the request that runs a job again, on what it ran on.

    Raises:
        CannotTellError: The model, a dataset or the source is gone, or has changed.
        StatusError: The job has not succeeded, so that there is nothing to compare with.
        UsageError: A secret is missing; or the job is a sample itself.
    """
    from starwhale.execution.provenance import with_secrets

    _check_job(job, options)
    datasets, packaged = _datasets(stores, job, stores_at), _packaged(stores, job)
    if not packaged.model_uri:
        _check_source(job, options)
    sample, seed = (options.sample, options.seed) if options.sample else (job.request.sample, job.request.sample_seed)
    records = [each.step.record for each in stores.catalog.jobs.steps(job.id)]
    return dataclasses.replace(
        with_secrets(packaged, options.arguments, records),
        datasets=datasets,
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


def _datasets(stores: Stores, job: JobRecord, stores_at: StoresAt | None) -> tuple[str, ...]:
    """Return the URIs that the datasets of a job have here; those on an object store or a server keep theirs.

    Raises:
        CannotTellError: One is not here, or is another one.
    """
    from starwhale.instances.jobs.pinning import pin_dataset

    found: list[str] = []
    for each in job.datasets:
        if not is_elsewhere(each.dataset_id):
            wanted = RanOn(kind="dataset", uri=each.uri, version=each.version, digest=each.manifest_digest)
            found.append(find_ran_on(stores, job, wanted).uri.full)
            continue
        short = job.id[:SHORT_VERSION]
        try:
            now = pin_dataset(stores, each.uri, project=job.project, stores_at=stores_at)
        except NotFoundError as error:
            message = f"the dataset {each.uri} that job {short} read is gone"
            raise CannotTellError(message, hint="copy the version back to that place") from error
        if now.manifest_digest != each.manifest_digest:
            message = f"the dataset {each.uri} is not the one that job {short} read: its digest differs"
            raise CannotTellError(message, hint=f"look at it with: swcli dataset verify {each.uri}")
        found.append(each.uri)
    return tuple(found)


def _packaged(stores: Stores, job: JobRecord) -> RunRequest:
    """Return the request of a job, with the URIs that its model and its runtime have here.

    Raises:
        CannotTellError: One is not here, or is another one.
    """
    request = job.request
    if request.model_uri:
        wanted = RanOn(kind="model", uri=request.model_uri, version=request.model_version, digest=request.model_digest)
        model = find_ran_on(stores, job, wanted)
        request = dataclasses.replace(request, model_uri=model.uri.full, model_version=model.version, workdir="")
    if request.runtime_version:
        wanted = RanOn(
            kind="runtime", uri=request.runtime_uri, version=request.runtime_version, digest=request.runtime_digest
        )
        runtime = find_ran_on(stores, job, wanted)
        request = dataclasses.replace(request, runtime_uri=runtime.uri.full, runtime_version=runtime.version)
    return request


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
