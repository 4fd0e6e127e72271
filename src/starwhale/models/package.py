"""Package a work directory: every file becomes a blob, and the list of them a blob too."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from starwhale.errors import ModelSourceError
from starwhale.models.ignore import IgnoreRules
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.seen import Seen, now_ns
from starwhale.models.space import fits, refuse_too_much
from starwhale.models.walk import Stamp, Walked, walk
from starwhale.storage.blobs.batch import BlobBatch
from starwhale.storage.blobs.content import digest_file

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore

_SMALL = 1 << 20
"""A file of so many bytes is read at once; a larger one is streamed."""


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
    seen: Seen | None = None,
) -> Packaged:
    """Put the files of a work directory into the blob store.

    Args:
        workdir: The model root.
        rules: What is left out.
        blobs: Where the content goes; durable when this returns.
        skip: A folder that is left out whatever the rules say, resolved.
        on_file: Called after each file with the number of files and bytes so far.
        seen: What is known from the last build, and is brought up to date; None reads everything.

    Raises:
        ModelSourceError: A file cannot be read or kept, or changed meanwhile; no version refers to what was written by then.
        NoSpaceError: There is not enough space, which is noticed before anything is written; or the disk is full.
    """
    root = workdir.resolve()
    seen = seen or Seen.nothing()
    left_out: list[str] = []
    everything = sorted(walk(root, rules, skip=skip, on_left_out=left_out.append), key=lambda each: each.path)
    if not everything:
        message = f"there is nothing to package in {workdir}" + (": all of it is left out" if left_out else "")
        hint = "mend .swignore or --exclude" if left_out else "name the folder with the model's source and weights"
        raise ModelSourceError(message, path=str(workdir), hint=hint)
    known = [_known(each, seen, blobs) for each in everything]
    _check_space([each for each, entry in zip(everything, known, strict=True) if entry is None], blobs)
    entries: list[Entry] = []
    files = size = new_bytes = 0
    with BlobBatch(blobs) as batch:
        for found, entry in zip(everything, known, strict=True):
            kept, is_new = (entry, False) if entry is not None else _keep(found, batch, seen)
            entries.append(kept)
            if kept.kind is EntryKind.FILE:
                files, size = files + 1, size + kept.size
                new_bytes += kept.size if is_new else 0
                if on_file is not None:
                    on_file(files, size)
        listing = Listing(entries=tuple(entries))
        content_digest, _ = batch.put_bytes(listing.to_bytes())
    seen.save(blobs)
    return Packaged(
        listing=listing,
        content_digest=content_digest,
        new_bytes=new_bytes,
        left_out=tuple(sorted(left_out)),
    )


def _known(found: Walked, seen: Seen, blobs: LocalBlobStore) -> Entry | None:
    """Return the entry of what need not be read, or None."""
    if found.stamp is None:
        return Entry(path=found.path, kind=found.kind, target=found.target)
    digest = seen.digest_of(found.source, found.stamp, blobs)
    return _entry(found.path, found.stamp, digest) if digest else None


def _entry(path: str, stamp: Stamp, digest: str) -> Entry:
    return Entry(path=path, kind=EntryKind.FILE, digest=digest, size=stamp.size, is_executable=stamp.is_executable)


def _check_space(unread: Sequence[Walked], blobs: LocalBlobStore) -> None:
    """Refuse what does not fit; where it might not, everything is read once to see what is stored already."""
    sizes = [(each, each.stamp.disk_bytes) for each in unread if each.stamp is not None]
    free = blobs.free_bytes()
    if fits(sum(size for _, size in sizes), free):
        return
    new: dict[str, int] = {}
    for found, size in sizes:
        with _open(found) as file:
            digest = digest_file(file)
        if not blobs.has(digest):
            new[digest] = size
    refuse_too_much(sum(new.values()), free, "new content of the model", blobs.root)


def _keep(found: Walked, batch: BlobBatch, seen: Seen) -> tuple[Entry, bool]:
    """Put one file into the store; also return whether its content was new there."""
    read_at_ns = now_ns()
    with _open(found) as file:
        before = Stamp.of(os.fstat(file.fileno()))
        if before.size <= _SMALL:
            content = file.read()
            size = len(content)
            digest, is_new = batch.put_bytes(content)
        else:
            digest, size, is_new = batch.put_file(file, before.size)
        after = Stamp.of(os.fstat(file.fileno()))
    try:
        is_replaced = found.source.stat().st_ino != before.inode
    except FileNotFoundError as error:
        raise _changed(found.path, "vanished") from error
    is_same = (before.size, before.mtime_ns) == (after.size, after.mtime_ns) and size == before.size
    if is_replaced or not is_same:
        raise _changed(found.path, "changed")
    seen.remember(found.source, before, digest, read_at_ns)
    return _entry(found.path, before, digest), is_new


def _open(found: Walked) -> BinaryIO:
    try:
        return found.source.open("rb")
    except FileNotFoundError as error:
        raise _changed(found.path, "vanished") from error
    except OSError as error:
        message = f"{found.path!r} cannot be read: {error.strerror}"
        hint = f"mend it, or leave it out: --exclude '/{found.path}'"
        raise ModelSourceError(message, path=found.path, hint=hint) from error


def _changed(path: str, how: str) -> ModelSourceError:
    return ModelSourceError(
        f"{path!r} {how} while it was packaged", path=path, hint="build again when nothing writes to it any more"
    )
