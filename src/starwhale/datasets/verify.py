"""Read a whole version, and say what is damaged, what is lost with it, and which versions need the same files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.datasets.stores import DatasetStores
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CorruptedError, RootError
from starwhale.storage.catalog.records import VersionRecord
from starwhale.storage.protocols import Damage

OnBytes = Callable[[int, int], None]
"""Told how many bytes of how many were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What reading a version came to."""

    version: VersionRecord
    """The version."""
    damages: tuple[Damage, ...]
    """What is damaged; nothing when all is whole."""
    hit: tuple[tuple[VersionRecord, ...], ...]
    """For each damage the versions that need the file, the newest first."""

    @property
    def is_whole(self) -> bool:
        """Whether every byte is what was written."""
        return not self.damages

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return everything as a JSON object."""
        return {
            "uri": self.version.uri.full,
            "whole": self.is_whole,
            "rows": self.version.row_count or 0,
            "bytes": self.version.size_bytes,
            "damages": [
                {
                    "path": damage.path,
                    "reason": damage.reason,
                    "lost": damage.lost,
                    "cells": [{"key": key, "column": name} for key, name in damage.cells],
                    "versions": [each.uri.full for each in hit],
                }
                for damage, hit in zip(self.damages, self.hit, strict=True)
            ],
        }


def verify_version(stores: DatasetStores, version: VersionRecord, on_bytes: OnBytes | None = None) -> Verified:
    """Read every byte of a version; what is in memory already says nothing about the files and is not asked.

    Args:
        stores: Opened stores.
        version: What is read.
        on_bytes: Told after each file how many bytes of how many were read.
    """
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if on_bytes is not None:
            on_bytes(done, version.size_bytes)

    try:
        damages = stores.open_reader(version).verify(count)
    except CorruptedError as error:  # its list of files
        damages = [Damage(path=error.path, reason=error.message, lost="the whole version")]
    hit = _hit(stores, version, [each.path for each in damages]) if damages else ()
    return Verified(version=version, damages=tuple(damages), hit=hit)


def _hit(stores: DatasetStores, version: VersionRecord, paths: Sequence[str]) -> tuple[tuple[VersionRecord, ...], ...]:
    """Find the versions, removed ones too, that need each file."""
    found: list[list[VersionRecord]] = [[] for _ in paths]
    for each in stores.versions.history(version.bundle_id, with_removed=True):
        try:
            needs = stores.rows.files_of(each.bundle_id, each.content_digest)
        except (CorruptedError, RootError):
            needs = frozenset({f"manifests/{each.content_digest}.json"})
        for versions, path in zip(found, paths, strict=True):
            if any(path.endswith(f"/{name}") for name in needs):
                versions.append(each)
    return tuple(map(tuple, found))


def say_versions(versions: Sequence[VersionRecord]) -> str:
    """Name versions for people: short ids with their tags."""
    return ", ".join(f"{each.version[:SHORT_VERSION]} ({', '.join(each.tags)})" for each in versions)


__all__ = ["OnBytes", "Verified", "say_versions", "verify_version"]
