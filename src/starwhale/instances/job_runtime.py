"""The runtime of a job: which it is, and its environment for the workers. The loop of a job stays in the process of the program."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.uri import parse_uri
from starwhale.errors import UsageError
from starwhale.instances.environments import PACKAGED
from starwhale.settings import Settings

if TYPE_CHECKING:
    from starwhale.domain.job import RunRequest
    from starwhale.execution.start import RunOptions
    from starwhale.models.package import Packaged
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)


def enter_runtime(
    stores: Stores, settings: Settings, request: RunRequest, options: RunOptions | None, *, is_begun: bool = False
) -> tuple[RunRequest, RunOptions]:
    """Pin the runtime of a request and make its environment; without one both come back as they were.

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
    from starwhale.execution.start import CALLER, RunOptions
    from starwhale.instances.environments import restore

    options = options or RunOptions()
    found = _find(stores, settings, request, is_settled=is_begun or bool(request.reproduces))
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


def find_runtime(stores: Stores, uri: str, *, project: str) -> VersionRecord:
    """Find the version that the URI of a runtime means.

    Raises:
        NotFoundError: There is none; the nearest names are said.
    """
    return stores.catalog.versions.resolve("runtime", uri, default_project=project)


def choose_runtime(stores: Stores, settings: Settings, uri: str, *, project: str) -> VersionRecord | None:
    """Find the runtime that a URI means; with an empty one, the runtime that is active, if there is one.

    Active is the runtime that this process was started in, or whose environment the shell has activated.

    Raises:
        NotFoundError: There is none; the nearest names are said.
    """
    if uri:
        return find_runtime(stores, uri, project=project)
    if not settings.runtimes.active:
        return _activated(stores, settings)
    active = parse_uri(settings.runtimes.active)
    return stores.catalog.versions.resolve(active.kind, active)


def _activated(stores: Stores, settings: Settings) -> VersionRecord | None:
    """Find the newest version whose environment the shell has activated by its script; None where it is another's environment."""
    prefix = Path(settings.runtimes.virtual_env)
    if not prefix.name or prefix.parent.resolve() != (stores.layout.runtimes / "environments").resolve():
        return None
    from starwhale.runtimes.environment import read_marker

    content = (read_marker(prefix) or {}).get("content")
    manifests = stores.catalog.references.manifests
    runtimes = [version for version, each in manifests("runtime").items() if each["content"] == content]
    models = [
        version
        for version, each in manifests("model").items()
        if (each.get("packaged_runtime") or {}).get("content") == content
    ]
    for versions in (runtimes, models):
        found = [each for each in map(stores.catalog.versions.get, versions) if not each.is_removed]
        if found:
            return max(found, key=lambda each: each.created_at)
    return None


def carry_runtime(packaged: Packaged, runtime: VersionRecord, blobs: LocalBlobStore) -> Packaged:
    """Add the files of a runtime, or of the runtime that another model carries, to those of a model; they are shared."""
    from starwhale.models.listing import Listing, read_listing

    own = [each for each in packaged.listing.entries if not each.path.startswith(PACKAGED)]
    added = read_listing(blobs, runtime.content_digest).entries
    if runtime.kind == "model":
        moved = [each for each in added if each.path.startswith(PACKAGED)]
    else:
        moved = [dataclasses.replace(each, path=f"{PACKAGED}{each.path}") for each in added]
    listing = Listing(entries=tuple(sorted([*own, *moved], key=lambda each: each.path)))
    return dataclasses.replace(packaged, listing=listing, content_digest=blobs.put(listing.to_bytes()))


def describe_carried(runtime: VersionRecord) -> dict[str, Any]:  # Any: JSON
    """Return what the manifest of a model says of the runtime that it carries."""
    if runtime.kind == "model":
        return dict(runtime.manifest["packaged_runtime"])
    return {
        "name": runtime.name,
        "uri": runtime.uri.full,
        "version": runtime.version,
        "hash": runtime.content_digest,
        "path": PACKAGED,
        "content": runtime.manifest["content"],
        "python": runtime.manifest["environment"]["python"],
    }


def _find(stores: Stores, settings: Settings, request: RunRequest, *, is_settled: bool) -> VersionRecord | None:
    versions = stores.catalog.versions
    if request.runtime_version or is_settled:
        return versions.get(request.runtime_version) if request.runtime_version else None
    if (found := choose_runtime(stores, settings, request.runtime_uri, project=request.project)) is not None:
        return found
    if request.model_version and not request.forbids_packaged_runtime:
        model = versions.get(request.model_version)
        return model if model.manifest.get("packaged_runtime") else None
    return None
