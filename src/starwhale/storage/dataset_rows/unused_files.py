"""Which files of a dataset no version needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starwhale.errors import CorruptedError, RootError
from starwhale.storage.dataset_rows.manifest import load_manifest
from starwhale.storage.dataset_rows.places import LocalPlaces
from starwhale.storage.dataset_rows.version_files import names_of, statistics_name

_FOLDERS = ("fragments", "packs", "statistics", "manifests")
"""Manifests last: until its files are gone, one that was to be deleted says which they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedFiles:
    """Files of one dataset that can go."""

    dead: Mapping[str, tuple[Path, ...]]
    """Version that is deleted → files that only such versions need; a file that several of them need is the first one's."""
    orphans: tuple[Path, ...]
    """Files that no version names: of writers that have not committed, or never will."""


def unused_files(folder: Path, live: Iterable[str], dead: Mapping[str, str]) -> UnusedFiles:
    """Sort the files of a dataset.

    Args:
        folder: The dataset's.
        live: Manifest digests of the versions that stay.
        dead: Version → manifest digest of the versions that are deleted.

    Raises:
        CorruptedError: The manifest of a version that stays is damaged, so that nobody knows what it needs.
        RootError: A newer program wrote it.
    """
    taken: set[str] = set()
    for digest in live:
        taken |= _needs(folder, digest)
    by_version: dict[str, tuple[Path, ...]] = {}
    there = [folder / name / path.name for name in _FOLDERS for path in _files(folder / name)]
    for version, digest in dead.items():
        try:
            needs = _needs(folder, digest) - taken
        except (CorruptedError, RootError):  # what else it needed is found among the orphans, once it is old enough
            needs = {f"manifests/{digest}.json", statistics_name(digest)} - taken
        by_version[version] = tuple(path for path in there if f"{path.parent.name}/{path.name}" in needs)
        taken |= needs
    orphans = tuple(path for path in there if f"{path.parent.name}/{path.name}" not in taken)
    return UnusedFiles(dead=by_version, orphans=orphans)


def _needs(folder: Path, digest: str) -> set[str]:
    manifest = load_manifest(LocalPlaces(folder), digest)
    return {*names_of(manifest, digest), statistics_name(digest)}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


__all__ = ["UnusedFiles", "unused_files"]
