"""Versions as plain JSON objects, in the shapes that scripts read."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from typing import Any

from starwhale.storage.catalog.records import VersionRecord


def show_time(seconds: float) -> str:
    """Write a moment in the local zone.

    Example:
        >>> len(show_time(0.0)) > 19
        True
    """
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def describe_version(version: VersionRecord, path: str = "") -> dict[str, Any]:
    """Everything about a version: the row of `list` with `uri` and `manifest`; `path` is the dataset's folder. It is the caller's."""
    created_at = show_time(version.created_at)
    manifest = {**copy.deepcopy({**version.manifest}), "version": version.version, "created_at": created_at}
    return {
        "name": version.name,
        "version": version.version,
        "project": version.project,
        "path": path,
        "tags": list(version.tags),
        "created_at": created_at,
        "is_removed": version.is_removed,
        "size": version.size_bytes,
        "rows": version.row_count or 0,
        "uri": version.uri.full,
        "manifest": manifest,
    }


def describe_history(versions: Iterable[VersionRecord]) -> list[dict[str, Any]]:
    """Name, version, size, time, tags, path and message of each version."""
    return [
        {
            "name": version.name,
            "version": version.version,
            "size": version.size_bytes,
            "created_at": show_time(version.created_at),
            "tags": list(version.tags),
            "path": "",
            "message": version.message,
        }
        for version in versions
    ]
