"""The runtime of a job: which it is, and its environment for the workers. The loop of a job stays in the process of the program."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from starwhale.domain.job import CALLER, CONTAINER, OF_AN_IMAGE, RAY
from starwhale.errors import UsageError
from starwhale.instances.runtime_choice import choose_runtime

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.network.launch import ServerPlace
    from starwhale.execution.run_options import RunOptions
    from starwhale.settings import Settings
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)


def enter_runtime(
    stores: Stores, settings: Settings, request: RunRequest, options: RunOptions | None, *, is_begun: bool = False
) -> tuple[RunRequest, RunOptions]:
    """Pin the runtime of a request and make its environment; without one both come back as they were. How to find a server is added.

    It is the one that is asked for, else the one that this process was started in, else the one that the packaged model carries. A job that
    goes on or is repeated takes the one that it had, or none.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says.
        request: What the job is.
        options: How this process runs it.
        is_begun: Whether the job goes on.

    Raises:
        NotFoundError: There is no such runtime; the nearest names are said.
        RestoreError: Its environment cannot be made.
        UsageError: The job runs in the process of a notebook or script.
    """
    from starwhale.execution.run_options import RunOptions
    from starwhale.instances.environments import restore

    options = options or RunOptions()
    check_image(request)
    if options.address and request.executor != RAY:
        message = f"--address {options.address} is that of a Ray cluster, and this job runs with --executor {request.executor}"
        raise UsageError(message, hint="add --executor ray, or leave --address out")
    if request.executor == RAY:
        options = _enter_ray(stores, settings, options)
    options = dataclasses.replace(options, find_server=options.find_server or (lambda: _find_server(stores)))
    found = find_runtime(stores, settings, request, is_settled=is_begun or bool(request.reproduces))
    if request.executor in OF_AN_IMAGE:
        from starwhale.instances.jobs.job_container import enter_cluster, enter_container

        enter = enter_container if request.executor == CONTAINER else enter_cluster
        return enter(stores, settings, request, options, found)
    if found is None:
        return request, options
    if request.executor == CALLER:
        message = "a runtime is an environment of other processes, and this job runs in yours"
        raise UsageError(message, hint="put the functions in a file, and run it with executor='thread'")
    made = restore(stores, found, settings, options.on_warning or logger.warning, on_stage=options.on_stage)
    pinned = dataclasses.replace(
        request, runtime_uri=made.uri, runtime_version=found.version, runtime_digest=found.content_digest
    )
    record = {
        **options.record,
        "runtime": dict(made.record),
        "python": made.python,
        "python_version": made.python_version,
    }
    # The hold of the environment lives as long as the options: until the job has ended.
    return pinned, dataclasses.replace(
        options, python=made.python, environment=made.variables, record=record, hold=made.hold
    )


def check_image(request: RunRequest) -> None:
    """Refuse an image that nothing would be made of.

    Raises:
        UsageError: The job names one, and runs in no containers.
    """
    if request.image and request.executor not in OF_AN_IMAGE:
        message = f"--image {request.image} is for containers, and this job runs with --executor {request.executor}"
        raise UsageError(message, hint="add --in-container, or leave --image out")


def _enter_ray(stores: Stores, settings: Settings, options: RunOptions) -> RunOptions:
    """Say which cluster of Ray, and how its workers reach these stores."""
    from starwhale.instances.jobs.task_door import open_door

    named = dataclasses.replace(settings.ray, address=options.address or settings.ray.address)
    return dataclasses.replace(
        options, ray=named, open_door=options.open_door or (lambda host, log: open_door(stores, host, log))
    )


def _find_server(stores: Stores) -> ServerPlace | None:
    """Return the server that serves these stores, if one runs."""
    from starwhale.execution.network.launch import ServerPlace
    from starwhale.instances.running import find_running

    found = find_running(stores.layout.server) or find_running(stores.layout.console)
    return None if found is None else ServerPlace(address=found.address)


def find_runtime(stores: Stores, settings: Settings, request: RunRequest, *, is_settled: bool) -> VersionRecord | None:
    """Return the runtime of a request, or the model that carries it; None for the Python of this program.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says.
        request: What the job is.
        is_settled: Whether nothing is chosen any more: it has the one that was pinned, or none.

    Raises:
        NotFoundError: There is no such runtime; the nearest names are said.
    """
    versions = stores.catalog.versions
    if request.runtime_version or is_settled:
        return versions.get(request.runtime_version) if request.runtime_version else None
    is_inside = request.executor in OF_AN_IMAGE  # the environment that the shell has activated is outside
    if (request.runtime_uri or not is_inside) and (
        found := choose_runtime(stores, settings, request.runtime_uri, project=request.project)
    ) is not None:
        return found
    if request.model_version and not request.forbids_packaged_runtime:
        model = versions.get(request.model_version)
        return model if model.manifest.get("packaged_runtime") else None
    return None
