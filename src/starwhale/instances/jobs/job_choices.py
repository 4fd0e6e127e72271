"""What may be asked of a job as it stands, and what is not the same in how several were run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starwhale.domain.json_shape import Json
from starwhale.domain.status import Status, is_active, is_resumable
from starwhale.instances.jobs.run_again import can_run_again
from starwhale.results.reproduction import record_differences

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

_REQUESTED = (
    "handler",
    "model_name",
    "model_version",
    "datasets",
    "arguments",
    "dataset_head",
    "limit",
    "max_errors",
    "seed",
)
"""What users ask for that makes runs differ; the rest of a request says how it was carried out."""


def possible(stores: Stores, job: JobRecord) -> tuple[str, ...]:
    """Return the verbs that a job allows as it stands: `pause`, `cancel`, `resume`, `resume_failed`, `run_again`, `remove`, `recover`."""
    if job.is_removed:
        return ("recover",)
    is_driven = stores.catalog.jobs.is_driven(job)
    found: list[str] = []
    if is_driven and is_active(job.status):
        found += ["pause", "cancel"]
    elif not is_driven and job.status in {Status.CREATED, Status.PAUSED, Status.INTERRUPTED}:
        found += ["cancel"]
    if not is_driven and not job.is_imported and _runs_elsewhere(job):
        found += ["resume"] if is_resumable(job.status) else []
        failed = sum(each.failed for each in stores.catalog.ledger.progress(job.id))
        found += ["resume_failed"] if failed else []
    found += ["run_again"] if can_run_again(job) else []
    if not is_active(job.status):
        found += ["remove"]
    return tuple(found)


def differences(jobs: Sequence[JobRecord]) -> list[Json]:
    """Return what is not the same in all of some jobs: `{"name", "values": {<job id>: …}}`, what was asked for first."""
    found: dict[str, Json] = {}
    for name in _REQUESTED:
        values = {each.id: _asked(each, name) for each in jobs}
        if any(value != values[jobs[0].id] for value in values.values()):
            found[name] = values
    for other in jobs[1:]:
        for each in record_differences(jobs[0], other):
            values = found.setdefault(each["what"], {jobs[0].id: each["before"]})
            values[other.id] = each["now"]
    return [
        {"name": name, "values": {job.id: values.get(job.id, values.get(jobs[0].id)) for job in jobs}}
        for name, values in found.items()
    ]


def _asked(job: JobRecord, name: str) -> Any:  # Any: a JSON value
    if name == "handler":
        return job.handler
    if name == "datasets":
        return [f"{each.name}@{each.version[:12]}" for each in job.datasets]
    if name == "arguments":
        return list(job.request.handler_arguments)
    return getattr(job.request, name)


def _runs_elsewhere(job: JobRecord) -> bool:
    """Whether a process of its own can go on with it: one of a notebook lives in the notebook."""
    from starwhale.domain.job import CALLER

    return job.request.executor != CALLER
