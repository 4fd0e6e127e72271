"""Files that garbage collection counts and deletes: what lies where, how large it is, and how it goes while others write beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
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


class Space:
    """Counts what deleting files frees: one that has several names, as copies of datasets do, is freed with the last of them."""

    def __init__(self, *, is_dry: bool) -> None:
        self._is_dry = is_dry
        self._names: Counter[tuple[int, int]] = Counter()

    def freed_by(self, path: Path) -> list[int]:
        """Bytes of each file below a path that is freed when the path goes now; to be asked before it goes."""
        found: list[int] = []
        with suppress(OSError):
            for each in walk(path):
                if is_folder(each):
                    continue
                facts = each.lstat()
                file = facts.st_dev, facts.st_ino
                # What a collection has deleted is not among the links any more; what a dry run has only counted still is.
                self._names[file] += 1 if self._is_dry else 0
                if facts.st_nlink <= max(1, self._names[file]):
                    found.append(facts.st_size)
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
