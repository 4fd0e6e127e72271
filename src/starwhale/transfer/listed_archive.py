"""A packaged model or a runtime as an archive, and back: the list of its files, and the content of each once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starwhale.datasets.copy import Copied, CopyPlan, travelling_tags
from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import check_shape
from starwhale.domain.version import check_name
from starwhale.errors import CorruptedError
from starwhale.models.listing import Listing, read_listing
from starwhale.runtimes.manifest import Bundled, read_manifest
from starwhale.storage.catalog.records import VersionDraft, VersionRecord
from starwhale.storage.in_use import hold
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
from starwhale.transfer.typed_json import read_typed

LISTING = "listing"
"""The list of the files; its digest is the version's content digest."""
_BLOBS = "blobs/"
_MODEL = {
    "handlers": {str: object},
    "modules": [str],
    "?envs": [str],
    "model_yaml": str,
    "file_count": int,
    "new_bytes": int,
    "left_out": [str],
    "?left_out_count": int,
    "?packaged_runtime": {"content": str},
}
"""What of a model's manifest is relied on."""
MAX_LISTING_BYTES = 256 << 20
"""Bytes of a list of files: a million files and more."""


def pack_listed(place: Place, version: VersionRecord) -> Packed:
    """Gather a version with its handlers, message and tags; every byte of it is verified while it is exported.

    Raises:
        CorruptedError: The list of its files is damaged.
    """
    listing = read_listing(place.blobs, version.content_digest)
    sizes = {each.digest: each.size for each in listing.files}
    blobs = place.blobs
    listed = blobs.path(version.content_digest).stat().st_size
    files = ((LISTING, listed), *((f"{_BLOBS}{digest}", sizes[digest]) for digest in sorted(sizes)))

    def sources() -> Iterator[Source]:
        for digest in (version.content_digest, *sorted(sizes)):
            yield Source(path=blobs.place(digest), digest=digest)

    return Packed(index=make_index(version, files), sources=sources())


def export_listed(place: Place, version: VersionRecord, target: Path, on_bytes: OnBytes | None = None) -> int:
    """Write a version as one file, and return its bytes.

    Raises:
        CorruptedError: A file of the version is damaged or gone; nothing is written then.
        NoSpaceError: The disk is full.
    """
    with hold(place.blobs.root):
        return write_archive(target, pack_listed(place, version), on_bytes)


def import_listed(place: Place, path: Path, kind: str, plan: CopyPlan, on_bytes: OnBytes | None = None) -> Copied:
    """Make a version of an archive, with the id that it had where that is free; whatever fails leaves no version behind.

    Args:
        place: Where it goes.
        path: The archive.
        kind: `model` or `runtime`.
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
    plan = dataclasses.replace(plan, name=check_name(kind, plan.name or index.name))
    known = find_version(place, index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    with unpacked_archive(path, place.tmp, on_bytes) as found:
        return take_listed(place, found, plan)


def take_listed(place: Place, found: Unpacked, plan: CopyPlan) -> Copied:
    """Make a version of what an archive held; see `import_listed`."""
    index, stores = found.index, place.stores
    plan = dataclasses.replace(plan, name=check_name(index.kind, plan.name or index.name))
    known = find_version(place, index, plan)
    if known is not None and not plan.force:
        return Copied(version=known, is_new=False)
    listing = _check_files(found)
    manifest = _check_runtime(found, listing) if index.kind == "runtime" else _check_model(index)
    manifest = {**manifest, "imported_from": origin(index)}
    bundle = stores.bundles.ensure(plan.project, index.kind, plan.name)
    tags = () if known is not None else travelling_tags(stores, index.tags, index.content_digest, bundle, plan)
    place.blobs.root.mkdir(parents=True, exist_ok=True)
    with hold(place.blobs.root):
        for name, digest in found.digests.items():
            place.blobs.take_in(found.folder / name, digest)
        if known is not None:
            return Copied(version=known, is_new=False)
        draft = VersionDraft(
            version=free_id(stores, index.version),
            content_digest=index.content_digest,
            manifest=manifest,
            message=index.message,
            size_bytes=listing.size_bytes,
            tags=tags,
        )
        return Copied(version=stores.versions.add(bundle, draft), is_new=True)


def _check_files(found: Unpacked) -> Listing:
    """Make sure that the files are those that the list names, under the digests that they have."""
    index = found.index
    if found.digests.get(LISTING) != index.content_digest:
        raise _refused("its list of files has another digest than it says")
    path = found.folder / LISTING
    if path.stat().st_size > MAX_LISTING_BYTES:
        raise _refused("its list of files is too long")
    listing = Listing.from_bytes(path.read_bytes())
    wanted = {f"{_BLOBS}{each.digest}": each.size for each in listing.files}
    if wanted != {name: size for name, size in index.files if name != LISTING}:
        raise _refused("its files are not those of its list")
    for name, digest in found.digests.items():
        if name not in {LISTING, f"{_BLOBS}{digest}"}:
            raise _refused(f"{name} has another digest than its name says")
    return listing


def _check_model(index: ArchiveIndex) -> dict[str, Any]:  # Any: a JSON object
    """Look at what is done with the manifest later; what this program does not know stays as it is."""
    manifest = dict(index.manifest)
    try:
        check_shape(manifest, _MODEL, "it")
        for name, record in manifest["handlers"].items():
            if read_typed(HandlerRecord, record).name != name:
                raise TypeError(f"the handler {name!r} has another name")
        if not manifest["modules"]:
            raise TypeError("it names no modules")
    except (TypeError, ValueError, KeyError) as error:
        raise _refused(f"what it says of its handlers cannot be read: {error}") from error
    return manifest


def _check_runtime(found: Unpacked, listing: Listing) -> dict[str, Any]:  # Any: a JSON object
    """Return the manifest as the files say it; what of it decides over an environment is computed again."""
    by_path = {each.path: each.digest for each in listing.files}

    def read(path: str) -> str:
        return (found.folder / f"{_BLOBS}{by_path[path]}").read_text(encoding="utf-8")

    def unpack(folder: Path) -> None:
        raise NotImplementedError(folder)  # nothing is made at an import

    try:
        said = read_manifest(Bundled(digests=by_path, read=read, unpack=unpack))
        check_shape(found.index.manifest, {"build": {str: object}, "left_out": [str]}, "it")
    except (TypeError, ValueError, KeyError) as error:
        raise _refused(f"what it says of its environment cannot be read: {error}") from error
    told = found.index.manifest
    return {**said, "build": told["build"], "left_out": told["left_out"]}


def _refused(reason: str) -> CorruptedError:
    return CorruptedError(
        f"this archive is not what it says: {reason}",
        path="",
        hint="get the file again; nothing was imported",
    )


__all__ = ["export_listed", "import_listed", "pack_listed", "take_listed"]
