"""Files that garbage collection counts and deletes: what lies where, how large it is, and how it goes while others write beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from starwhale.storage.in_use import LOCK_NAME


def remove(path: Path, before: float, *, is_guarded: bool) -> bool:
    """Delete a file or folder; False when it is still there, because somebody began to write to it or it is not ours.

    Args:
        path: What goes.
        before: Seconds since the epoch; a guarded file that was written to since then stays.
        is_guarded: Whether rows may be appended to the file meanwhile.
    """
    if is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    if is_guarded:
        if not _remove_segment(path, before):
            return False
        with suppress(OSError):  # whoever is about to write there makes the folder again
            path.parent.rmdir()
        return True
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _remove_segment(path: Path, before: float) -> bool:
    """Delete a file that rows may be appended to, unless they are; whoever comes too late makes a new one."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_mtime >= before:
            return False
        path.unlink()
    except OSError:  # it is locked, gone, or not ours
        return False
    finally:
        os.close(descriptor)
    return True


def walk(path: Path) -> Iterator[Path]:
    """A file, or a folder with everything below it; links are not followed."""
    yield path
    if is_folder(path):
        for each in path.iterdir():
            yield from walk(each)


def sizes_of(path: Path) -> list[int]:
    """Bytes of each file of what there is below a path; what vanishes meanwhile has none."""
    found: list[int] = []
    with suppress(OSError):
        found.extend(each.lstat().st_size for each in walk(path) if not is_folder(each))
    return found


def is_folder(path: Path) -> bool:
    """Whether a path is a folder and no link to one."""
    return path.is_dir() and not path.is_symlink()


def children(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing when it is not there."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def grandchildren(folder: Path) -> list[Path]:
    """What lies in the folders of a folder."""
    return [each for first in children(folder) if first.is_dir() for each in children(first)]


def remove_empty(folder: Path) -> None:
    """Remove the folder of a dataset that is not in the catalog any more, if nothing is left in it."""
    for name in ("fragments", "packs", "statistics", "manifests"):
        with suppress(OSError):
            (folder / name).rmdir()
    if [each.name for each in children(folder)] == [LOCK_NAME]:
        (folder / LOCK_NAME).unlink()
        folder.rmdir()
