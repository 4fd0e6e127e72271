"""Which runtime is meant: by its URI, by the shell that is active, or by the model that carries one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.uri import parse_uri
from starwhale.instances.environments import PACKAGED

if TYPE_CHECKING:
    from starwhale.models.package import Packaged
    from starwhale.settings import Settings
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.storage.stores import Stores


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
