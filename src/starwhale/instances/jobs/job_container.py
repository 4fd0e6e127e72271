"""The container image of a job: from its request, else from the runtime that names one; looked for, and fetched, before anything runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from starwhale.domain.job import KUBERNETES
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.network.launch import ServerPlace
    from starwhale.execution.run_options import RunOptions
    from starwhale.settings import Settings
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

_LOOPBACK = ("127.", "localhost", "[::1]", "0.0.0.0")  # noqa: S104 - compared, not listened on


def enter_container(
    stores: Stores, settings: Settings, request: RunRequest, options: RunOptions, runtime: VersionRecord | None
) -> tuple[RunRequest, RunOptions]:
    """Pin the image of a job that runs in containers, and make sure that it is on this machine.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says of containers.
        request: What the job is.
        options: How this process runs it.
        runtime: The runtime of the job, or the model that carries it; None without one.

    Raises:
        ContainerError: Nothing here runs containers, or the image cannot be had.
        UsageError: Nothing names an image, or the runtime has packages that no image is known to have.
    """
    from starwhale.execution.executors.container_engine import find_engine

    request = name_image(stores, settings, request, runtime)
    image = request.image
    engine = find_engine(settings.containers)
    number = engine.image_id(image)
    if not number:
        if options.on_stage is not None:
            options.on_stage(f"fetching the image {image}")
        number = engine.pull(image)
    told = {"engine": engine.name, "image": image, "image_id": number, "network": settings.containers.network}
    record = {**options.record, "container": told, "python": settings.containers.python, "python_version": ""}
    containers = dataclasses.replace(settings.containers, engine=engine.program)
    return request, dataclasses.replace(options, record=record, container=containers, image=image)


def enter_cluster(
    stores: Stores, settings: Settings, request: RunRequest, options: RunOptions, runtime: VersionRecord | None
) -> tuple[RunRequest, RunOptions]:
    """Pin the image of a job that runs in Pods, and the address at which they reach the server; the cluster is not asked yet.

    Args:
        stores: Where runtimes lie.
        settings: What the environment says of the cluster.
        request: What the job is.
        options: How this process runs it.
        runtime: The runtime of the job, or the model that carries it; None without one.

    Raises:
        UsageError: The runtime has packages that no image is known to have, or Pods cannot reach the server.
    """
    request = name_image(stores, settings, request, runtime)
    cluster = settings.kubernetes
    told = {"engine": "kubernetes", "image": request.image}
    record = {**options.record, "container": told, "python": cluster.python, "python_version": ""}
    inner = options.find_server
    return request, dataclasses.replace(
        options,
        record=record,
        kubernetes=cluster,
        image=request.image,
        find_server=lambda: _reachable(None if inner is None else inner(), cluster.server),
    )


def _reachable(server: ServerPlace | None, said: str) -> ServerPlace | None:
    """Return the server with the address that Pods write.

    Raises:
        UsageError: It is on loopback, and nothing says where else.
    """
    if server is None or said:
        return None if server is None else dataclasses.replace(server, address=said)
    if any(f"//{each}" in server.address for each in _LOOPBACK):
        message = f"the server is at {server.address}, which Pods cannot reach"
        raise UsageError(
            message, hint="start it with --host 0.0.0.0, and set SW_KUBERNETES_SERVER to its address for Pods"
        )
    return server


def name_image(stores: Stores, settings: Settings, request: RunRequest, runtime: VersionRecord | None) -> RunRequest:
    """Return a request whose tasks run in containers with their image: its own, else that of its runtime, else that of the cluster; the runtime is pinned.

    Nothing but the catalog is asked, so that a server can refuse at once what it could not run.

    Raises:
        UsageError: Nothing names an image, or the runtime has packages that no image is known to have.
    """
    if runtime is not None:
        request = dataclasses.replace(
            request,
            image=_image_of(stores, runtime, given=request.image),
            runtime_uri=runtime.uri.full,
            runtime_version=runtime.version,
            runtime_digest=runtime.content_digest,
        )
    is_cluster = request.executor == KUBERNETES
    image = request.image or (settings.kubernetes.image if is_cluster else "")
    if not image:
        message = f"no image is named for the {'Pods' if is_cluster else 'containers'} of this job"
        more = ", or set SW_KUBERNETES_IMAGE for all" if is_cluster else ""
        raise UsageError(message, hint=f"add --image NAME, or --runtime with a runtime that names one{more}")
    return dataclasses.replace(request, image=image)


def _image_of(stores: Stores, runtime: VersionRecord, *, given: str) -> str:
    """Return the image to use with a runtime: the one that was given, else the one that the runtime names.

    Raises:
        UsageError: It has packages: they would have to be in the image, and nothing says that they are.
    """
    from starwhale.instances.environments import PACKAGED, bundled_files
    from starwhale.runtimes.manifest import read_manifest

    manifest = read_manifest(bundled_files(stores, runtime, prefix=PACKAGED if runtime.kind == "model" else ""))
    if manifest["environment"]["mode"] == "venv":
        said = (
            f"the runtime that model {runtime.name!r} carries"
            if runtime.kind == "model"
            else f"runtime {runtime.name!r}"
        )
        leave = "add --forbid-packaged-runtime" if runtime.kind == "model" else "leave --runtime out"
        message = f"{said} has packages of its own, and containers have those of their image"
        hint = f"put them into an image, name it with --image, and {leave}; --executor process needs no image"
        raise UsageError(message, hint=hint)
    return given or str(manifest["base_image"] or "")
