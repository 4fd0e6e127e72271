"""A version of any kind as an archive file, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from starwhale.domain.version import check_name
from starwhale.storage.catalog.copies import Copied, CopyPlan
from starwhale.storage.in_use import hold
from starwhale.transfer.archive import OnBytes, read_index, unpacked_archive, write_archive
from starwhale.transfer.dataset_archive import pack_dataset, take_dataset
from starwhale.transfer.listed_archive import pack_listed, take_listed
from starwhale.transfer.places import ArchivePlace, check_kind, find_version

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.storage.catalog.records import VersionRecord
    from starwhale.transfer.archive import ArchiveIndex, Unpacked


def export_version(place: ArchivePlace, version: VersionRecord, target: Path, on_bytes: OnBytes | None = None) -> int:
    """Write a version as one file, and return its bytes.

    Raises:
        CorruptedError: A file of the version is damaged or gone; nothing is written then.
        NoSpaceError: The disk is full.
    """
    if version.kind == "dataset":
        return write_archive(target, pack_dataset(place, version), on_bytes)
    with hold(place.blobs.root):
        return write_archive(target, pack_listed(place, version), on_bytes)


def import_version(
    place: ArchivePlace, path: Path, kind: str, plan: CopyPlan, on_bytes: OnBytes | None = None
) -> Copied:
    """Make a version of an archive, with the id that it had where that is free; whatever fails leaves no version behind.

    Args:
        place: Where it goes.
        path: The archive.
        kind: `dataset`, `model` or `runtime`.
        plan: Name and project; an empty name is the one that it had. By force, files of a version that is there already are written again
            where they are damaged.
        on_bytes: Told how far it is.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged, or a path in it leads out of the model.
        UsageError: It holds something else.
        AlreadyExistsError: A tag points at another version there, or the version was removed.
        NoSpaceError: The disk is full.
    """
    index = read_index(path)
    check_kind(index, kind, path)
    _, known = _find(place, index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    with unpacked_archive(path, place.tmp, on_bytes) as found:
        return take_version(place, found, plan)


def take_version(place: ArchivePlace, found: Unpacked, plan: CopyPlan) -> Copied:
    """Make a version of what an archive held; see `import_version`."""
    plan, known = _find(place, found.index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    take = take_dataset if found.index.kind == "dataset" else take_listed
    return Copied(version=take(place, found, plan, known), is_new=known is None)


def _find(place: ArchivePlace, index: ArchiveIndex, plan: CopyPlan) -> tuple[CopyPlan, VersionRecord | None]:
    """Return the plan with the name that the version gets, and the version where it is there already."""
    plan = dataclasses.replace(plan, name=check_name(index.kind, plan.name or index.name))
    return plan, find_version(place, index, plan)


__all__ = ["export_version", "import_version", "take_version"]
