"""The container image of a job: from its request, else from the runtime that names one; looked for, and fetched, before anything runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.run_options import RunOptions
    from starwhale.settings import Settings
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores


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

    image = request.image
    if runtime is not None:
        image = _image_of(stores, runtime, given=image)
        request = dataclasses.replace(
            request,
            runtime_uri=runtime.uri.full,
            runtime_version=runtime.version,
            runtime_digest=runtime.content_digest,
        )
    if not image:
        message = "no image is named for the containers of this job"
        raise UsageError(message, hint="add --image NAME, or --runtime with a runtime that names one")
    engine = find_engine(settings.containers)
    number = engine.image_id(image)
    if not number:
        if options.on_stage is not None:
            options.on_stage(f"fetching the image {image}")
        number = engine.pull(image)
    told = {"engine": engine.name, "image": image, "image_id": number, "network": settings.containers.network}
    record = {**options.record, "container": told, "python": settings.containers.python, "python_version": ""}
    containers = dataclasses.replace(settings.containers, engine=engine.program)
    options = dataclasses.replace(options, record=record, container=containers, image=image)
    return dataclasses.replace(request, image=image), options


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
