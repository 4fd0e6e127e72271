"""A packaged model or a runtime as an archive, and back: the list of its files, and the content of each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.domain.json_shape import check_shape
from starwhale.errors import CorruptedError
from starwhale.models.listing import Listing, read_listing
from starwhale.runtimes.manifest import Bundled, read_manifest
from starwhale.storage.catalog.copies import CopyPlan, tags_to_copy
from starwhale.storage.catalog.records import VersionDraft, VersionRecord
from starwhale.storage.in_use import hold
from starwhale.transfer.archive import ArchiveFile, ArchiveIndex, PackedArchive, Unpacked
from starwhale.transfer.places import ArchivePlace, free_id, make_index, origin
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


def pack_listed(place: ArchivePlace, version: VersionRecord) -> PackedArchive:
    """Gather a version with its handlers, message and tags; every byte of it is verified while it is exported.

    Raises:
        CorruptedError: The list of its files is damaged.
    """
    listing = read_listing(place.blobs, version.content_digest)
    sizes = {each.digest: each.size for each in listing.files}
    blobs = place.blobs
    listed = blobs.path(version.content_digest).stat().st_size
    files = ((LISTING, listed), *((f"{_BLOBS}{digest}", sizes[digest]) for digest in sorted(sizes)))

    def sources() -> Iterator[ArchiveFile]:
        for digest in (version.content_digest, *sorted(sizes)):
            yield ArchiveFile(path=blobs.place(digest), digest=digest)

    return PackedArchive(index=make_index(version, files), sources=sources())


def check_told(version: VersionRecord) -> None:
    """Refuse a model of another instance of which what is done with it later cannot be read.

    Raises:
        CorruptedError: It cannot.
    """
    if version.kind == "model":
        _check_model(make_index(version, ()))


def take_listed(place: ArchivePlace, found: Unpacked, plan: CopyPlan, known: VersionRecord | None) -> VersionRecord:
    """Make a version of what an archive held, once its files are those of its list and what it says of them can be read.

    Args:
        place: Where it goes.
        found: What the archive held.
        plan: Its name, project and tags.
        known: The version that is there already, whose files are written again where they are damaged; None makes one.

    Raises:
        CorruptedError: It is not what it says.
    """
    index, stores = found.index, place.stores
    listing = _check_files(found)
    manifest = _check_runtime(found, listing) if index.kind == "runtime" else _check_model(index)
    manifest = {**manifest, "imported_from": origin(index)}
    bundle = stores.bundles.ensure(plan.project, index.kind, plan.name)
    catalog = stores.versions, stores.tags
    tags = () if known is not None else tags_to_copy(catalog, index.tags, index.content_digest, bundle, plan)
    place.blobs.root.mkdir(parents=True, exist_ok=True)
    with hold(place.blobs.root):
        for name, digest in found.digests.items():
            place.blobs.take_in(found.folder / name, digest)
        if known is not None:
            return known
        draft = VersionDraft(
            version=free_id(stores, index.version),
            content_digest=index.content_digest,
            manifest=manifest,
            message=index.message,
            size_bytes=listing.size_bytes,
            tags=tags,
        )
        return stores.versions.add(bundle, draft)


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


__all__ = ["check_told", "pack_listed", "take_listed"]
