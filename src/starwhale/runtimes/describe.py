"""Versions of runtimes as plain JSON objects, in the shapes that scripts read."""

from __future__ import annotations

import time

from starwhale.domain.json_shape import Json
from starwhale.storage.catalog.records import VersionRecord


def describe_runtime(version: VersionRecord, *, path: str = "") -> Json:
    """Return the row of `list`; `path` is where the list of its files lies."""
    return {
        "name": version.name,
        "version": version.version,
        "project": version.project,
        "path": path,
        "tags": list(version.tags),
        "created_at": time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(version.created_at)),
        "removed": version.is_removed,
        "size": version.size_bytes,
        "python": version.manifest["environment"]["python"],
    }


def describe_basic(version: VersionRecord, *, workdir: str, path: str) -> Json:
    """Return what `info` begins with; `workdir` is where its environments are."""
    return {
        "name": version.name,
        "uri": version.uri.full,
        "tags": list(version.tags),
        "snapshot_workdir": workdir,
        "bundle_path": path,
    }
