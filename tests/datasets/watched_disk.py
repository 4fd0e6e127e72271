"""A disk that is watched: every write, sync and rename of this process is noted, and one of them can be made to fail.

The calls are the real ones; only what goes through Python is seen, which is everything that datasets write but for the catalog.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest


@dataclass
class WatchedDisk:
    """What happened on disk, in order, and what is to fail."""

    steps: int = 0
    """Operations so far."""
    fail_at: int | None = None
    """Number of the operation that finds the disk full; None never."""
    has_failed: bool = False
    """Whether it was reached."""
    written: dict[int, int] = field(default_factory=dict[int, int])
    """Inode → number of the last operation that changed its content, or its entries if it is a folder."""
    synced: dict[int, int] = field(default_factory=dict[int, int])
    """Inode → number of the last operation that synced it."""

    def step(self) -> None:
        """Count an operation, or find the disk full."""
        self.steps += 1
        if self.steps == self.fail_at:
            self.has_failed = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def changed(self, path: Path) -> None:
        """Note that a file or folder differs from what was synced."""
        self.written[path.stat().st_ino] = self.steps

    def is_durable(self, path: Path) -> bool:
        """Whether everything that was written to a file, or entered into a folder, was synced since."""
        inode = path.stat().st_ino
        return self.synced.get(inode, 0) > self.written.get(inode, -1)


class _File:
    """An open file whose writes are watched."""

    def __init__(self, disk: WatchedDisk, path: Path, inner: Any) -> None:
        self._disk = disk
        self._path = path
        self._inner = inner

    def write(self, content: Any) -> int:
        try:
            self._disk.step()
        except OSError:
            view = memoryview(content)
            self._inner.write(view[: len(view) // 2])  # a full disk takes what fits
            raise
        done = self._inner.write(content)
        self._disk.changed(self._path)
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def watch_disk() -> Generator[WatchedDisk]:
    """Watch what this process does on disk until the block ends."""
    disk = WatchedDisk()
    open_path, fsync, replace, mkdir = Path.open, os.fsync, os.replace, os.mkdir

    def watched_open(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return open_path(path, mode, *args, **kwargs)
        disk.step()
        inner = open_path(path, mode, *args, **kwargs)
        disk.changed(path)
        disk.changed(path.parent)
        return _File(disk, path, inner)

    def watched_fsync(descriptor: int) -> None:
        disk.step()
        fsync(descriptor)
        disk.synced[os.fstat(descriptor).st_ino] = disk.steps

    def watched_replace(source: Any, target: Any, **kwargs: Any) -> None:
        disk.step()
        replace(source, target, **kwargs)
        disk.changed(Path(target).parent)

    def watched_mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
        mkdir(path, *args, **kwargs)
        disk.step()
        disk.changed(Path(path))
        disk.changed(Path(path).parent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", watched_open)
        patch.setattr(os, "fsync", watched_fsync)
        patch.setattr(os, "replace", watched_replace)
        patch.setattr(os, "mkdir", watched_mkdir)
        yield disk
