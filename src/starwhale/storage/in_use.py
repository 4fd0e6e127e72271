"""Who has a folder open: readers and writers hold it together, and garbage collection claims it alone.

The lock is that of a file in the folder, so that it ends with the process that holds it, however that ends. Nobody waits for the one who
claims for long: it only deletes files meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

LOCK_NAME = ".in-use"
"""The file in the folder whose lock is held."""


class Hold:
    """A folder that is open; it is let go by `release`, at the end of a `with`, or when nobody refers to the hold any more."""

    __slots__ = ("__weakref__", "_descriptor")

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the folder go; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.release()


def hold(folder: Path) -> Hold:
    """Keep what is in a folder from being collected; waits while somebody collects there.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    while True:
        try:
            descriptor = _open(folder)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                return Hold(None)  # who may not write here can read all the same; a collector asks its owner first
            raise
        if _lock(descriptor, folder, fcntl.LOCK_SH):
            return Hold(descriptor)


@contextmanager
def claim(folder: Path) -> Generator[bool]:
    """Say whether nobody has the folder open; as long as the block lasts, nobody can open it then.

    The block may remove the folder, the file of the lock last. A folder that is not there is nobody's.
    """
    descriptor: int | None = None
    try:
        while descriptor is None:
            opened = _open(folder)
            try:
                if _lock(opened, folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    descriptor = opened
            except BlockingIOError:
                os.close(opened)
                yield False
                return
    except FileNotFoundError:
        yield True
        return
    try:
        yield True
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    return os.open(f"{folder}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(descriptor: int, folder: Path, operation: int) -> bool:
    """Lock an opened file; False, and closed, when the file was removed in between and the next try has to open a new one."""
    is_ours = False
    try:
        fcntl.flock(descriptor, operation)
        with suppress(FileNotFoundError):
            is_ours = os.path.samestat(os.fstat(descriptor), os.stat(f"{folder}/{LOCK_NAME}"))  # noqa: PTH116  whatever is read is opened first: a Path costs more than the look
    except BlockingIOError:
        is_ours = True  # the caller closes it
        raise
    finally:
        if not is_ours:
            os.close(descriptor)
    return is_ours


__all__ = ["LOCK_NAME", "Hold", "claim", "hold"]
