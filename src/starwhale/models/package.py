"""Package a work directory: every file becomes a blob, and the list of them a blob too."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from starwhale.errors import ModelSourceError
from starwhale.models.ignore import IgnoreRules
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.walk import Found, walk

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore

_SMALL = 1 << 20
"""A file of so many bytes is read at once; a larger one is streamed twice, first for its digest, so that nothing is written for one that
is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """What was packaged."""

    listing: Listing
    """Every file."""
    content_digest: str
    """Digest of the listing: equal for equal content."""
    new_bytes: int
    """Bytes of content that the store did not have."""
    left_out: tuple[str, ...]
    """Files and folders, with a slash, that the rules left out, by path."""


def package(
    workdir: Path,
    rules: IgnoreRules,
    blobs: LocalBlobStore,
    *,
    skip: Path | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Packaged:
    """Put the files of a work directory into the blob store.

    Args:
        workdir: The model root.
        rules: What is left out.
        blobs: Where the content goes; durable when this returns.
        skip: A folder that is left out whatever the rules say, resolved.
        on_file: Called after each file with the number of files and bytes so far.

    Raises:
        ModelSourceError: A file cannot be read or kept, or changed meanwhile; no version refers to what was written by then.
        NoSpaceError: The disk is full.
    """
    root = workdir.resolve()
    entries: list[Entry] = []
    left_out: list[str] = []
    files = size = new_bytes = 0
    for found in walk(root, rules, skip=skip, on_left_out=left_out.append):
        if found.kind is not EntryKind.FILE:
            entries.append(Entry(path=found.path, kind=found.kind, target=found.target))
            continue
        entry, is_new = _keep(found, blobs)
        entries.append(entry)
        files, size = files + 1, size + entry.size
        new_bytes += entry.size if is_new else 0
        if on_file is not None:
            on_file(files, size)
    if not entries:
        message = f"there is nothing to package in {workdir}"
        raise ModelSourceError(message, path=str(workdir), hint="name the folder with the model's source and weights")
    listing = Listing(entries=tuple(sorted(entries, key=lambda each: each.path)))
    return Packaged(
        listing=listing,
        content_digest=blobs.put(listing.to_bytes()),
        new_bytes=new_bytes,
        left_out=tuple(sorted(left_out)),
    )


def _keep(found: Found, blobs: LocalBlobStore) -> tuple[Entry, bool]:
    """Put one file into the store; also return whether its content was new there."""
    with _open(found) as file:
        before = os.fstat(file.fileno())
        digest, size, is_new = _put(file, before.st_size, blobs)
        after = os.fstat(file.fileno())
    try:
        is_replaced = found.source.stat().st_ino != before.st_ino
    except FileNotFoundError as error:
        raise _changed(found.path, "vanished") from error
    is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and size == before.st_size
    if is_replaced or not is_same:
        raise _changed(found.path, "changed")
    is_executable = bool(before.st_mode & 0o111)
    entry = Entry(path=found.path, kind=EntryKind.FILE, digest=digest, size=size, is_executable=is_executable)
    return entry, is_new


def _open(found: Found) -> BinaryIO:
    try:
        return found.source.open("rb")
    except FileNotFoundError as error:
        raise _changed(found.path, "vanished") from error
    except OSError as error:
        message = f"{found.path!r} cannot be read: {error.strerror}"
        hint = f"mend it, or leave it out: --exclude '/{found.path}'"
        raise ModelSourceError(message, path=found.path, hint=hint) from error


def _put(file: BinaryIO, size: int, blobs: LocalBlobStore) -> tuple[str, int, bool]:
    """Return digest, size, and whether the content was new."""
    from blake3 import blake3

    if size <= _SMALL:
        content = file.read()
        is_new = not blobs.has(blake3(content).hexdigest())
        return blobs.put(content), len(content), is_new
    hasher = blake3()
    read = 0
    while piece := file.read(_SMALL):
        hasher.update(piece)
        read += len(piece)
    digest = hasher.hexdigest()
    if blobs.is_intact(digest):
        return digest, read, False
    file.seek(0)
    # A change between the two passes shows in the time of the file too; the digest of what was written is what counts.
    return blobs.put(file), read, True


def _changed(path: str, how: str) -> ModelSourceError:
    return ModelSourceError(
        f"{path!r} {how} while it was packaged", path=path, hint="build again when nothing writes to it any more"
    )
