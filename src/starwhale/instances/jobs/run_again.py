"""Ask for the same as a job did, as a new job: the same datasets and model, and the code as it stands now where it lies in a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.dataset_place import is_elsewhere
from starwhale.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from starwhale.domain.job import DatasetInput, RunRequest
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores


def again_request(stores: Stores, job: JobRecord) -> RunRequest:
    """Return the request of a job as one of a new job that has an id already.

    Raises:
        UsageError: A process of its own cannot run it, or a secret is missing that the job was given as an argument.
        NotFoundError: The folder of its code is gone.
    """
    from starwhale.execution.provenance import with_secrets

    if not can_run_again(job):
        raise UsageError(
            "this job ran functions of a notebook or a debugger, or on another machine",
            hint="run it again where these functions are",
        )
    if not job.request.model_uri and not Path(job.request.workdir).is_dir():
        raise NotFoundError(
            f"the folder {job.request.workdir} of its code is gone", hint="bring it back, or package the model"
        )
    records = [each.step.record for each in stores.catalog.jobs.steps(job.id)]
    return dataclasses.replace(
        with_secrets(job.request, (), records),
        datasets=tuple(_named(each, job.project) for each in job.datasets) or job.request.datasets,
        project=job.project,
        job_id=stores.catalog.make_id(),
        keeps_snapshot=False,
        reproduces="",
    )


def _named(dataset: DatasetInput, project: str) -> str:
    """Name the version that was read: in short where it is one of the job's own project."""
    is_here = dataset.project == project and not is_elsewhere(dataset.dataset_id)
    return f"{dataset.name}/version/{dataset.version}" if is_here else dataset.uri


def can_run_again(job: JobRecord) -> bool:
    """Whether a process of its own may do what a job did."""
    from starwhale.execution.place import CALLER

    return not job.is_imported and not job.request.is_debug and job.request.executor != CALLER
