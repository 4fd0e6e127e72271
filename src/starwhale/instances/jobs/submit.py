"""Jobs that wait for a server to run them: planned and written down at once, from what the catalog knows of the model; nothing of the user's is imported.

A submitted job is one that was never begun: the server's supervisor goes on with it as with any other (`resume`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import CALLER, OF_AN_IMAGE
from starwhale.domain.redaction import REDACTED
from starwhale.domain.status import Status
from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri
from starwhale.domain.version import SHORT_VERSION, check_job_id
from starwhale.errors import AlreadyExistsError, UsageError
from starwhale.execution.supervise import SUBMITTED, WAITS

if TYPE_CHECKING:
    from starwhale.domain.job import DatasetInput, RunRequest
    from starwhale.settings import Settings
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

_OURS = frozenset({"SW_TOKEN", "SW_TASK_TOKEN"})
"""Environment variables with tokens of this program."""


def submit_job(stores: Stores, settings: Settings, request: RunRequest) -> JobRecord:
    """Write a job down that the server is to run, and return it; the same id and request again changes nothing.

    Args:
        stores: Where model, datasets and runtime lie, and the job is kept.
        settings: What the environment of the server says.
        request: What the user asks for, with `project`.

    Raises:
        UsageError: It runs no packaged model, has secrets in its arguments, or its options make no sense.
        NotFoundError: There is no such model, dataset, runtime or project; the nearest names are said.
        AlreadyExistsError: There is another job of that id.
    """
    from starwhale.execution.plan import check_request
    from starwhale.execution.provenance import declared_names, describe_job, without_secrets
    from starwhale.execution.start import plan_request
    from starwhale.instances.jobs.snapshots import has_job, pin_model, snapshot_folder
    from starwhale.models.describe import read_handlers

    check_request(request)
    _check(request)
    job_id = check_job_id(request.job_id) if request.job_id else stores.catalog.make_id()
    if request.job_id and has_job(stores, job_id):
        return _earlier(stores.catalog.jobs.get(job_id), request)
    projects = stores.catalog.projects
    named = parse_project_uri(request.project).project
    project = (projects.ensure(named) if named == DEFAULT_PROJECT else projects.get(named)).name
    request = dataclasses.replace(request, project=project)
    asked = {"model": request.model_uri, "datasets": list(request.datasets)}
    request, model = pin_model(stores, request)
    request = _with_runtime(stores, settings, request)
    request = dataclasses.replace(request, job_id=job_id, workdir=str(snapshot_folder(stores, job_id)))
    job = plan_request(request, read_handlers(model), lambda uris: _pin(stores, uris, project), job_id)
    kept = without_secrets(job)
    if any(REDACTED in each for each in kept.request.handler_arguments):
        message = "an argument of the handlers is a secret, which no record of a job may keep"
        raise UsageError(message, hint="declare an environment variable, and set it for the server")
    if asked_for := _OURS.intersection(declared_names(request, [each.record for each in job.steps])):
        message = (
            f"the handlers ask for {', '.join(sorted(asked_for))}, which lets into servers and is for nobody's code"
        )
        raise UsageError(message, hint="declare a variable of your own, and set it for the server")
    record = {**describe_job(kept), SUBMITTED: stores.catalog.clock(), WAITS: True, "asked": asked}
    stores.catalog.jobs.create(kept, record, None)
    return stores.catalog.jobs.set_status(job_id, Status.QUEUED)


def _check(request: RunRequest) -> None:
    from starwhale.execution.executors import check_executor
    from starwhale.instances.jobs.job_runtime import check_image

    check_executor(request.executor)
    check_image(request)
    if not request.model_uri:
        message = "a server runs packaged models, and this names none"
        raise UsageError(
            message, hint="swcli model run --run-project builds one of a work directory, and copies it first"
        )
    check_submission(request)


def check_submission(request: RunRequest) -> None:
    """Refuse what only this machine can do; asked before anything is built or sent, and again where it arrives.

    Raises:
        UsageError: It needs a terminal, functions of this process, or is no whole job.
    """
    if request.executor == CALLER or request.is_debug:
        message = "a debug run needs your terminal" if request.is_debug else "a server has no functions of your process"
        raise UsageError(message, hint="run it on this machine: leave --run-project out")
    if request.step or request.task_index >= 0:
        raise UsageError("a server runs whole jobs, and no single steps", hint="leave --step and --task-index out")


def _earlier(found: JobRecord, request: RunRequest) -> JobRecord:
    """Return a job that was submitted before, where the request is the same."""
    asked: dict[str, Any] = found.record.get("asked", {})  # Any: JSON
    if asked != {"model": request.model_uri, "datasets": list(request.datasets)}:
        raise AlreadyExistsError(f"there is another job {found.id[:SHORT_VERSION]}", hint="leave the id to the system")
    return found


def _pin(stores: Stores, uris: Sequence[str], project: str) -> list[DatasetInput]:
    from starwhale.instances.jobs.pinning import pin_dataset

    return [pin_dataset(stores, each, project=project) for each in uris]


def _with_runtime(stores: Stores, settings: Settings, request: RunRequest) -> RunRequest:
    """Pin the runtime, and the image where tasks run in containers; neither is made or fetched: that is for whoever runs the job."""
    from starwhale.instances.jobs.job_container import name_image
    from starwhale.instances.jobs.job_runtime import find_runtime

    found: VersionRecord | None = find_runtime(stores, settings, request, is_settled=False)
    if request.executor in OF_AN_IMAGE:
        return name_image(stores, settings, request, found)
    if found is None:
        return request
    return dataclasses.replace(
        request, runtime_uri=found.uri.full, runtime_version=found.version, runtime_digest=found.content_digest
    )
