"""Write the files of a version into a folder, every byte verified.

Files are copies, or clones where the file system shares blocks copy-on-write; never hard links, because whoever runs as the owner could
write through one and so damage every version that shares the content.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.errors import AlreadyExistsError, CorruptedError, NotFoundError
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.space import refuse_too_much

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore


def unpack(listing: Listing, blobs: LocalBlobStore, target: Path, *, is_writable: bool = False) -> None:
    """Write all files below `target`, which appears whole or not at all.

    Args:
        listing: The files.
        blobs: Where their content is.
        target: A folder that is not there, or empty; folders above it are made.
        is_writable: Whether the files may be written; by default they are read-only, and the folders are not.

    Raises:
        AlreadyExistsError: The target holds something.
        CorruptedError: A file's content is damaged or gone.
        NoSpaceError: There is not enough space, or the disk is full.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExistsError(f"{target} is there already, and not empty", hint="name a folder that is not there")
    target.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(blobs.disk_bytes(each.digest) for each in listing.files)
    refuse_too_much(needed, shutil.disk_usage(target.parent).free, "the model", target.parent)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    draft.mkdir()
    try:
        for entry in sorted(listing.entries, key=lambda each: each.kind is EntryKind.LINK):  # links last
            _write_alone(entry, blobs, draft, is_writable=is_writable)
        draft.replace(target)
    except BaseException:
        remove_tree(draft)
        raise


def remove_tree(folder: Path) -> None:
    """Remove a folder that was unpacked, with whatever user code left in it; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _write_alone(entry: Entry, blobs: LocalBlobStore, root: Path, *, is_writable: bool) -> None:
    """Write one entry where nothing is; the folder is new, so whatever is there is another entry of the same version."""
    try:
        _write(entry, blobs, root, is_writable=is_writable)
    except (FileExistsError, NotADirectoryError) as error:
        message = f"{entry.path!r} and another name of the model are the same on the file system of {root.parent}"
        hint = "use a file system that tells upper from lower case"
        raise AlreadyExistsError(message, hint=hint) from error


def _write(entry: Entry, blobs: LocalBlobStore, root: Path, *, is_writable: bool) -> None:
    path = root / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    match entry.kind:
        case EntryKind.FOLDER:
            path.mkdir(exist_ok=True)
        case EntryKind.LINK:
            path.symlink_to(entry.target)
        case EntryKind.FILE:
            try:
                blobs.copy_to(entry.digest, path)
            except (NotFoundError, CorruptedError) as error:
                message = f"the content of {entry.path!r} is damaged: {error.message}"
                hint = "build the model again from its work directory, with --verify: that brings the content back"
                raise CorruptedError(message, path=entry.path, hint=hint) from error
            mode = 0o755 if entry.is_executable else 0o644
            path.chmod(mode if is_writable else mode & ~0o222)
