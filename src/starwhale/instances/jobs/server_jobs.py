"""What a server does with its jobs when it is asked from elsewhere, as JSON as its routes give it. And what a submission needs there: its model first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.object_uri import is_object_uri
from starwhale.domain.status import Status, is_active
from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri, parse_uri
from starwhale.errors import JobTimeoutError
from starwhale.instances.jobs.job_runtime import check_image
from starwhale.instances.jobs.submit import check_submission
from starwhale.instances.own_tokens import OwnTokens
from starwhale.storage.catalog.catalog import new_id

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.domain.json_shape import Json
    from starwhale.instances.instance import Instance
    from starwhale.storage.remote.connection import ServerConnection

POLL_S = 0.5
"""Time between two looks at a job that is followed."""


class ServerJobs:
    """Verbs of the jobs of one server. A job is named by its whole id: other words mean something in a project alone, which no route is told."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def submit(self, request: RunRequest, *, executor: str = "") -> Json:
        """Let the server run a job when it is its turn, and return its row.

        Args:
            request: What is asked for, of versions that the server has; with `project`, by its name there.
            executor: Where tasks run; empty for what the server is set to.

        Raises:
            NotFoundError: The server has no such model, dataset, runtime or project.
            UsageError: What is asked for makes no sense; the message says why.
        """
        from starwhale.wire.jobs import JobSubmission

        request = dataclasses.replace(request, job_id=request.job_id or new_id())  # sent again, it is the same job
        body = dataclasses.asdict(JobSubmission.of(request, executor=executor))
        return self._connection.ask("POST", f"/projects/{request.project}/jobs", body)

    def get(self, job: str) -> Json:
        """Return all that is told of a job.

        Raises:
            NotFoundError: There is no such job.
        """
        return self._connection.ask("GET", f"/jobs/{job}")

    def stop(self, job: str, verb: str, *, force: bool = False, timeout_s: float | None = None) -> str:
        """Pause or cancel a job, and return its id when it has stopped.

        Args:
            job: Its id.
            verb: `pause` or `cancel`.
            force: Do not wait for the batches under way.
            timeout_s: Wait so long at most; None until it has stopped.

        Raises:
            StatusError: It has ended otherwise; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        body = {"force": force, "wait_s": 0.0}
        row: Json = self._connection.ask("POST", f"/jobs/{job}/{verb}", body)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while is_active(Status(row["status"])):
            if deadline is not None and time.monotonic() >= deadline:
                message = f"job {row['id'][:12]} is still {row['status']} after {timeout_s:g} s"
                raise JobTimeoutError(message, hint="it stops at its next batch; cancel --force does not wait for it")
            time.sleep(POLL_S)
            row = self.get(row["id"])["job"]
        return row["id"]

    def change(self, job: str, verb: str, body: Json | None = None) -> None:
        """Change what is kept of a job: `remove`, `recover`, `tags` or `note`; what is so already is left as it is.

        Raises:
            ConflictError: It is running, and cannot be hidden.
            UsageError: The words are too long, or too many.
        """
        self._connection.ask("POST", f"/jobs/{job}/{verb}", body)

    def resume(self, job: str, *, failed: bool = False, replicas: int | None = None, max_errors: str = "") -> Json:
        """Go on with a job there, and return its row.

        Args:
            job: Its id.
            failed: Try the rows that failed again too.
            replicas: Another number of tasks; None keeps it.
            max_errors: Another number of rows that may fail, as `10` or `1%`; empty keeps it.

        Raises:
            NotFoundError: There is no such job.
            StatusError: There is nothing to go on with.
        """
        body = {"failed": failed, "replicas": replicas, "max_errors": max_errors}
        return self._connection.ask("POST", f"/jobs/{job}/resume", body)


def submit_there(
    here: Instance, there: Instance, request: RunRequest, *, executor: str = "", on_stage: Callable[[str], None]
) -> Json:
    """Submit what a user asks for on this machine to a server: a work directory is made a model there first.

    Names of model, datasets and runtime mean versions of the server; URIs of this instance are copied there.

    Args:
        here: This machine's instance.
        there: The server's.
        request: What is asked for; its project names the server.
        executor: Where tasks run; empty for what the server is set to.
        on_stage: Told what is being done before the job can be submitted.

    Raises:
        NotFoundError: Something of it is neither here nor there.
        UsageError: It can only run on this machine.
    """
    check_submission(request)
    if executor:  # else the server says where
        check_image(dataclasses.replace(request, executor=executor))
    OwnTokens(here.settings).refuse_in_words((*request.handler_arguments, request.name))
    project = (
        parse_project_uri(request.project, instances=there.stores.names).project if request.project else there.project
    )
    _check_names(there, request, project)  # before anything is built or copied
    place = f"{there.name if '://' in there.name else f'cloud://{there.name}'}/project/{project}"

    def brought(kind: str, uri: str) -> str:
        """Return a URI as the server reads it, of a version that it has then."""
        if "/project/" not in uri or is_object_uri(uri):
            return uri
        if here.at(uri) is there:
            return dataclasses.replace(parse_uri(uri, kind=kind, instances=there.stores.names), instance="local").full
        on_stage(f"copying {kind} {uri} to {there.name}")
        name = parse_uri(uri, kind=kind, instances=here.at(uri).names).name
        copied = here.copy(kind, uri, f"{place}/{kind}/{name}")
        return f"{copied.version.name}/version/{copied.version.version}"

    datasets = tuple(brought("dataset", each) for each in request.datasets)
    runtime = brought("runtime", request.runtime_uri) if request.runtime_uri else ""
    model = brought("model", request.model_uri) if request.model_uri else _built(here, request, place, on_stage)
    request = dataclasses.replace(request, project=project, model_uri=model, datasets=datasets, runtime_uri=runtime)
    return there.server_jobs.submit(request, executor=executor)


def _check_names(there: Instance, request: RunRequest, project: str) -> None:
    """Refuse a project, or a plain name of a dataset, that the server does not have."""
    catalog = there.stores.catalog
    if project != DEFAULT_PROJECT:
        catalog.projects.get(project)
    for each in request.datasets:
        if "/project/" not in each and not is_object_uri(each):
            catalog.versions.resolve("dataset", parse_uri(each, kind="dataset", default_project=project))


def _built(here: Instance, request: RunRequest, place: str, on_stage: Callable[[str], None]) -> str:
    """Make a version of a work directory, copy it, and return its URI there."""
    on_stage(f"building a model of {request.workdir}")
    built = here.models.build(Path(request.workdir), modules=request.modules, name=request.model_name)
    on_stage(f"copying model {built.name} version {built.version[:12]} to {place}")
    source = f"local/project/{built.project}/model/{built.name}/version/{built.version}"
    there = here.copy(
        "model", source, f"{place}/model/{built.name}"
    ).version  # an older one, where that has the same files
    return f"{there.name}/version/{there.version}"
