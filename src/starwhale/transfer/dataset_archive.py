"""A dataset version as an archive, and back."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from starwhale.datasets.commit import SUMMARY_KEYS, make_manifest
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.copies import CopyPlan, tags_to_copy
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import DatasetCommit
from starwhale.transfer.archive import ArchiveFile, ArchiveIndex, PackedArchive, Unpacked
from starwhale.transfer.places import ArchivePlace, free_id, make_index, origin


@contextmanager
def fetched(place: ArchivePlace, version: VersionRecord) -> Generator[tuple[ArchivePlace, VersionRecord]]:
    """Give a version whose files lie on this disk: one from an object store is fetched, and what was fetched is removed at the end.

    Raises:
        CorruptedError: What the object store has is not what was written.
        NoSpaceError: The disk is full.
        ObjectStoreError: The object store cannot be reached, or refuses.
    """
    if not version.place:
        yield place, version
        return
    from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore

    source = place.rows.folder(version.bundle_id)  # lives as long as it is held
    manifest = place.rows.open_version(version.bundle_id, version.content_digest).manifest
    with (
        tempfile.TemporaryDirectory(prefix="export-", dir=place.tmp) as scratch,
        closing(LocalDatasetStore(Path(scratch))) as rows,
    ):
        here = dataclasses.replace(version, bundle_id="fetched", place="")
        rows.receive(source.places, (manifest, version.content_digest), here.bundle_id, [])
        yield dataclasses.replace(place, rows=rows), here


def pack_dataset(place: ArchivePlace, version: VersionRecord) -> PackedArchive:
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
    return PackedArchive(index=make_index(version, files), sources=[ArchiveFile(path=folder / name) for name in names])


def take_dataset(place: ArchivePlace, found: Unpacked, plan: CopyPlan, known: VersionRecord | None) -> VersionRecord:
    """Make a version of what an archive held.

    Args:
        place: Where it goes.
        found: What the archive held.
        plan: Its name, project and tags.
        known: The version that is there already, whose files are written again where they are damaged; None makes one.
    """
    bundle = place.stores.bundles.ensure(plan.project, "dataset", plan.name)
    if known is not None:
        place.rows.take_in(found.folder, found.index.content_digest, bundle.id, [])
        return known
    return _commit(place, found.folder, bundle, found.index, plan)


def _commit(
    place: ArchivePlace, folder: Path, bundle: BundleRecord, index: ArchiveIndex, plan: CopyPlan
) -> VersionRecord:
    stores = place.stores
    tags = tags_to_copy((stores.versions, stores.tags), index.tags, index.content_digest, bundle, plan)
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


__all__ = ["fetched", "pack_dataset", "take_dataset"]
