"""Where what an archive holds goes on this machine, and what all versions have in common when they come in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.datasets.stores import DatasetStores
from starwhale.domain.version import check_user_tag, is_reserved_tag, is_version
from starwhale.errors import AlreadyExistsError, NotFoundError, UsageError
from starwhale.storage.catalog.copies import CopyPlan
from starwhale.storage.catalog.records import VersionRecord
from starwhale.transfer.archive import ArchiveIndex

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlace:
    """Where versions lie on this machine."""

    stores: DatasetStores
    """Names, versions and tags in the catalog, of every kind of version."""
    rows: LocalDatasetStore
    """Files of datasets; of a server's instance the store that stands for it."""
    blobs: LocalBlobStore
    """Files of models; as above."""
    tmp: Path
    """Folder for files being written."""


def check_kind(index: ArchiveIndex, kind: str, path: Path) -> None:
    """Refuse an archive of something else, and say which command takes it.

    Raises:
        UsageError: It holds another kind of thing.
    """
    if index.kind == kind:
        return
    known = index.kind in {"dataset", "model", "runtime", "job"}
    hint = (
        f"bring it in with: swcli {index.kind} import {path}"
        if known
        else "a newer program may know what to do with it"
    )
    raise UsageError(f"{path} holds a {index.kind}, not a {kind}", hint=hint)


def make_index(version: VersionRecord, files: tuple[tuple[str, int], ...]) -> ArchiveIndex:
    """Say what an archive of a version holds; its own tags go along, those of the system do not."""
    return ArchiveIndex(
        kind=version.kind,
        name=version.name,
        project=version.project,
        version=version.version,
        content_digest=version.content_digest,
        message=version.message,
        tags=tuple(tag for tag in version.tags if not is_reserved_tag(tag)),
        manifest=version.manifest,
        files=files,
    )


def find_version(place: ArchivePlace, index: ArchiveIndex, plan: CopyPlan) -> VersionRecord | None:
    """Return the version of an archive if its dataset or model has it already.

    Raises:
        AlreadyExistsError: It was removed.
        InvalidNameError: A tag is none that a user may set.
    """
    stores = place.stores
    for tag in index.tags:
        check_user_tag(tag)
    there = stores.bundles.find(plan.project, index.kind, plan.name)
    history = stores.versions.history(there.id, with_removed=True) if there else []
    for each in sorted(history, key=lambda each: each.version != index.version):  # the very same first
        if each.content_digest != index.content_digest:
            continue
        if not each.is_removed:
            return each
        if each.version == index.version:
            message = f"version {each.version[:12]} of {each.kind} {each.name!r} was removed"
            raise AlreadyExistsError(message, hint=f"bring it back with: swcli {each.kind} recover {each.uri.full}")
    return None


def free_id(stores: DatasetStores, version: str) -> str:
    """Return the id that a version had, or a new one where another one of this instance has taken it."""
    if not is_version(version):
        return stores.make_id()
    try:
        stores.versions.get(version)
    except NotFoundError:
        return version
    return stores.make_id()


def origin(index: ArchiveIndex) -> str:
    """Say where a version came from."""
    return f"{index.project}/{index.name}/{index.version}"


__all__ = ["ArchivePlace", "check_kind", "find_version", "free_id", "make_index", "origin"]
