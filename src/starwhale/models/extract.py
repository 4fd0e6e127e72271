"""Write the files of a version into a folder of the user's, beside what is there.

A folder that is not there appears whole or not at all. In one that is there, everything is written and verified in a draft folder first,
and then each file is moved to its place: what is damaged, or does not fit on the disk, has changed nothing.
"""

from __future__ import annotations

import secrets
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from starwhale.errors import AlreadyExistsError, StarwhaleError, UsageError
from starwhale.models.listing import Entry, EntryKind, Listing
from starwhale.models.unpack import remove_tree, unpack

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore

SHOWN = 5
"""Names that a refusal lists."""


def extract(listing: Listing, blobs: LocalBlobStore, target: Path, *, overwrite: bool = False) -> None:
    """Write all files below `target`, writable and verified.

    Args:
        listing: The files.
        blobs: Where their content is.
        target: A folder; it and those above it are made where they are not there.
        overwrite: Replace files and links that are there. Folders are never replaced, and no link is followed.

    Raises:
        AlreadyExistsError: Something is there already that would be overwritten, or that is in the way.
        UsageError: The folder cannot be written.
        CorruptedError: A file's content is damaged or gone.
        NoSpaceError: There is not enough space, or the disk is full.
    """
    try:
        if target.exists():
            _extract_beside(listing, blobs, target, overwrite=overwrite)
        else:
            unpack(listing, blobs, target, is_writable=True)
    except StarwhaleError:
        raise
    except OSError as error:
        message = f"cannot write into {target}: {error.strerror or error}"
        raise UsageError(message, hint="name another folder") from error


def _extract_beside(listing: Listing, blobs: LocalBlobStore, target: Path, *, overwrite: bool) -> None:
    _check_place(listing, target, overwrite=overwrite)
    draft = target / f".extract.{secrets.token_hex(6)}"
    try:
        unpack(listing, blobs, draft, is_writable=True)
        for entry in listing.entries:
            _move(entry, draft, target, overwrite=overwrite)
    finally:
        remove_tree(draft)


def _check_place(listing: Listing, target: Path, *, overwrite: bool) -> None:
    if not target.is_dir():
        raise AlreadyExistsError(f"{target} is there already, and no folder", hint="name a folder")
    in_the_way: dict[str, str] = {}
    there: list[str] = []
    free: set[str] = set()
    for entry in listing.entries:
        blocked = _blocked_folder(target, entry, free)
        mode = None if blocked else _mode(target / entry.path)
        if blocked:
            in_the_way[blocked] = "is no folder"
        elif mode is not None and stat.S_ISDIR(mode):
            if entry.kind is not EntryKind.FOLDER:
                in_the_way[entry.path] = "is a folder"
        elif mode is not None:
            there.append(entry.path)
    if in_the_way:
        names = ", ".join(f"{path!r} {what}" for path, what in list(in_the_way.items())[:SHOWN])
        message = f"in {target}, {names}{_more(len(in_the_way))}, where the model has something else"
        raise AlreadyExistsError(message, hint="move it away, or name another folder")
    if there and not overwrite:
        names = ", ".join(map(repr, there[:SHOWN]))
        message = (
            f"in {target}, {len(there)} of {len(listing.entries)} files are there already: {names}{_more(len(there))}"
        )
        raise AlreadyExistsError(message, hint="overwrite them with --force, or name another folder")


def _blocked_folder(target: Path, entry: Entry, free: set[str]) -> str:
    """Return the first path above an entry that is there and no folder: a link is none, wherever it leads."""
    for above in reversed(PurePosixPath(entry.path).parents[:-1]):
        path = str(above)
        if path in free:
            continue
        mode = _mode(target / path)
        if mode is not None and not stat.S_ISDIR(mode):
            return path
        free.add(path)
    return ""


def _move(entry: Entry, draft: Path, target: Path, *, overwrite: bool) -> None:
    place = target / entry.path
    place.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind is EntryKind.FOLDER:
        place.mkdir(exist_ok=True)
        return
    if not overwrite and _mode(place) is not None:
        message = f"{place} has appeared while the model was extracted"
        raise AlreadyExistsError(message, hint="nothing of it was overwritten; see what else writes there")
    (draft / entry.path).replace(place)


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _more(count: int) -> str:
    return f" and {count - SHOWN} more" if count > SHOWN else ""


__all__ = ["extract"]
