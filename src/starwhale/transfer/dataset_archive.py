"""A dataset version as an archive, and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.datasets.commit import SUMMARY_KEYS, make_manifest
from starwhale.datasets.copy import Copied, CopyPlan, travelling_tags
from starwhale.datasets.stores import DatasetStores
from starwhale.domain.version import check_name, check_user_tag, is_reserved_tag, is_version
from starwhale.errors import AlreadyExistsError, CorruptedError, NotFoundError, UsageError
from starwhale.storage.catalog.records import BundleRecord, VersionDraft, VersionRecord
from starwhale.storage.protocols import DatasetCommit
from starwhale.transfer.archive import ArchiveIndex, read_index, unpack_archive, write_archive

if TYPE_CHECKING:
    from starwhale.storage.tables.dataset_store import LocalDatasetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where datasets lie on this machine."""

    stores: DatasetStores
    """The catalog."""
    rows: LocalDatasetStore
    """The files."""
    tmp: Path
    """Folder for files being written."""


def export_dataset(place: Place, version: VersionRecord, target: Path) -> int:
    """Write a version with its message, info and tags as one file; every byte of it is verified on the way.

    Returns:
        Bytes of the archive.

    Raises:
        CorruptedError: A file of the version is damaged; nothing is written then.
        NoSpaceError: The disk is full.
    """
    reader = place.rows.open_version(version.bundle_id, version.content_digest)  # holds the files
    folder = place.rows.root / version.bundle_id
    names = sorted(place.rows.files_of(version.bundle_id, version.content_digest))
    damages = reader.verify()
    if damages:
        raise CorruptedError(
            damages[0].reason, path=damages[0].path, hint="see what is lost with: swcli dataset verify"
        )
    index = ArchiveIndex(
        kind="dataset",
        name=version.name,
        project=version.project,
        version=version.version,
        content_digest=version.content_digest,
        message=version.message,
        tags=tuple(tag for tag in version.tags if not is_reserved_tag(tag)),
        manifest=version.manifest,
        files=tuple((name, (folder / name).stat().st_size) for name in names),
    )

    def files() -> Iterator[Path]:
        yield from (folder / name for name in names)

    return write_archive(target, index, files())


def import_dataset(place: Place, path: Path, plan: CopyPlan) -> Copied:
    """Make a version of an archive, with the id that it had where that is free; whatever fails leaves nothing behind.

    Args:
        place: Where it goes.
        path: The archive.
        plan: Name and project; an empty name is the one that it had. By force the files of a version that is there already are written
            again where they are damaged.

    Raises:
        CorruptedError: It is no archive, or not whole, or damaged.
        UsageError: It holds something else than a dataset.
        AlreadyExistsError: A tag points at another version there, or the version was removed.
        NoSpaceError: The disk is full.
    """
    index = read_index(path)
    if index.kind != "dataset":
        raise UsageError(f"{path} holds a {index.kind}, not a dataset")
    name = check_name("dataset", plan.name or index.name)
    there = place.stores.bundles.find(plan.project, "dataset", name)
    known = _known(place.stores, there, index)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    tmp = place.tmp / f"import-{place.stores.make_id()}"
    try:
        tmp.mkdir(parents=True)
        index = unpack_archive(path, tmp / "dataset")
        for tag in index.tags:
            check_user_tag(tag)
        bundle = place.stores.bundles.ensure(plan.project, "dataset", name)
        if known is not None:
            place.rows.take_in(tmp / "dataset", index.content_digest, bundle.id, [])
            return Copied(version=known, is_new=False)
        return Copied(version=_commit(place, tmp, bundle, index, plan), is_new=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def _known(stores: DatasetStores, there: BundleRecord | None, index: ArchiveIndex) -> VersionRecord | None:
    """Return the version if the dataset has it already."""
    history = stores.versions.history(there.id, with_removed=True) if there else []
    for each in sorted(history, key=lambda each: each.version != index.version):  # the very same first
        if each.content_digest != index.content_digest:
            continue
        if not each.is_removed:
            return each
        if each.version == index.version:
            message = f"version {each.version[:12]} of dataset {each.name!r} was removed"
            raise AlreadyExistsError(message, hint=f"bring it back with: swcli dataset recover {each.uri.full}")
    return None


def _commit(place: Place, tmp: Path, bundle: BundleRecord, index: ArchiveIndex, plan: CopyPlan) -> VersionRecord:
    stores = place.stores
    tags = travelling_tags(stores, index.tags, index.content_digest, bundle, plan)
    others = [each.content_digest for each in stores.versions.history(bundle.id, with_removed=True)]
    kept = place.rows.take_in(tmp / "dataset", index.content_digest, bundle.id, others)
    written = DatasetCommit(
        manifest_digest=index.content_digest,
        row_count=kept.row_count,
        size_bytes=kept.size_bytes,
        **_counts(index),
    )
    draft = VersionDraft(
        version=_free_id(stores, index.version),
        content_digest=index.content_digest,
        manifest={
            **make_manifest(written, index.message),
            "imported_from": f"{index.project}/{index.name}/{index.version}",
        },
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


def _free_id(stores: DatasetStores, version: str) -> str:
    """Return the id that the version had, or a new one where another dataset of this instance has taken it."""
    if not is_version(version):
        return stores.make_id()
    try:
        stores.versions.get(version)
    except NotFoundError:
        return version
    return stores.make_id()


__all__ = ["Place", "export_dataset", "import_dataset"]
