"""A dataset version as an archive, and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from starwhale.datasets.commit import SUMMARY_KEYS, make_manifest
from starwhale.datasets.copy import Copied, CopyPlan, travelling_tags
from starwhale.domain.version import check_name
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import DatasetCommit
from starwhale.transfer.archive import (
    ArchiveIndex,
    OnBytes,
    Packed,
    Source,
    Unpacked,
    read_index,
    unpacked_archive,
    write_archive,
)
from starwhale.transfer.places import Place, check_kind, find_version, free_id, make_index, origin


def pack_dataset(place: Place, version: VersionRecord) -> Packed:
    """Gather a version with its message, info and tags; every byte of it is verified.

    Raises:
        CorruptedError: A file of the version is damaged.
    """
    reader = place.rows.open_version(version.bundle_id, version.content_digest)
    folder = place.rows.root / version.bundle_id
    names = sorted(place.rows.files_of(version.bundle_id, version.content_digest))
    damages = reader.verify()
    if damages:
        raise CorruptedError(
            damages[0].reason, path=damages[0].path, hint="see what is lost with: swcli dataset verify"
        )
    place.rows.keep(version.bundle_id)
    files = tuple((name, (folder / name).stat().st_size) for name in names)
    return Packed(index=make_index(version, files), sources=[Source(path=folder / name) for name in names])


def export_dataset(place: Place, version: VersionRecord, target: Path, on_bytes: OnBytes | None = None) -> int:
    """Write a version as one file, and return its bytes.

    Raises:
        CorruptedError: A file of the version is damaged; nothing is written then.
        NoSpaceError: The disk is full.
    """
    return write_archive(target, pack_dataset(place, version), on_bytes)


def import_dataset(place: Place, path: Path, plan: CopyPlan, on_bytes: OnBytes | None = None) -> Copied:
    """Make a version of an archive, with the id that it had where that is free; whatever fails leaves nothing behind.

    Args:
        place: Where it goes.
        path: The archive.
        plan: Name and project; an empty name is the one that it had. By force the files of a version that is there already are written
            again where they are damaged.
        on_bytes: Told how far it is.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged.
        UsageError: It holds something else than a dataset.
        AlreadyExistsError: A tag points at another version there, or the version was removed.
        NoSpaceError: The disk is full.
    """
    index = read_index(path)
    check_kind(index, "dataset", path)
    plan = dataclasses.replace(plan, name=check_name("dataset", plan.name or index.name))
    known = find_version(place, index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    with unpacked_archive(path, place.tmp, on_bytes) as found:
        return take_dataset(place, found, plan)


def take_dataset(place: Place, found: Unpacked, plan: CopyPlan) -> Copied:
    """Make a version of what an archive held; see `import_dataset`."""
    index = found.index
    plan = dataclasses.replace(plan, name=check_name("dataset", plan.name or index.name))
    known = find_version(place, index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    bundle = place.stores.bundles.ensure(plan.project, "dataset", plan.name)
    if known is not None:
        place.rows.take_in(found.folder, index.content_digest, bundle.id, [])
        return Copied(version=known, is_new=False)
    return Copied(version=_commit(place, found.folder, bundle, index, plan), is_new=True)


def _commit(place: Place, folder: Path, bundle: BundleRecord, index: ArchiveIndex, plan: CopyPlan) -> VersionRecord:
    stores = place.stores
    tags = travelling_tags(stores, index.tags, index.content_digest, bundle, plan)
    others = [each.content_digest for each in stores.versions.history(bundle.id, with_removed=True)]
    kept = place.rows.take_in(folder, index.content_digest, bundle.id, others)
    written = DatasetCommit(
        manifest_digest=index.content_digest,
        row_count=kept.row_count,
        size_bytes=kept.size_bytes,
        **_counts(index),
    )
    draft = VersionDraft(
        version=free_id(stores, index.version),
        content_digest=index.content_digest,
        manifest={**make_manifest(written, index.message), "imported_from": origin(index)},
        message=index.message,
        size_bytes=kept.size_bytes,
        row_count=kept.row_count,
        tags=tags,
    )
    return stores.versions.add(bundle, draft)


def _counts(index: ArchiveIndex) -> dict[str, int]:
    """Counts of the commit that made the version, which its files do not tell."""
    said: Any = index.manifest.get("dataset_summary")  # Any: JSON of anybody
    found = said if isinstance(said, dict) else {}
    return {name: found[name] if type(found.get(name)) is int else 0 for name in SUMMARY_KEYS if name != "rows"}


__all__ = ["Place", "export_dataset", "import_dataset", "pack_dataset", "take_dataset"]
