"""Where the bytes of result parts lie: files below a folder per owner, to which anybody appends and which are read by stretches.

Each attempt appends to a segment of its own, whatever the size of its parts: one file and one sync per part, and a big part is as well
off in the middle of a file as in one of its own.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from starwhale.errors import UsageError
from starwhale.storage.columns.files import no_space, sync_folder
from starwhale.storage.layout import Layout

LONGEST_NAME = 255
"""Characters of the name of a file or folder, at most: what file systems have room for."""
_FOLDERS = 4
"""Folders on the way to a segment: the owner's, its first characters, `results` and the root."""


class SegmentReads(Protocol):
    """Files of results, to be read; safe to use from several threads."""

    def read(self, owner: str, name: str, offset: int, length: int) -> bytes:
        """Read a stretch of a file; fewer bytes come where it ends before.

        Raises:
            FileNotFoundError: There is no such file, any more.
        """
        ...

    def address(self, owner: str, name: str) -> str:
        """Say where a file is, for messages."""
        ...


class Segments(SegmentReads, Protocol):
    """The same, to be written too."""

    def append(self, owner: str, name: str, content: bytes) -> int:
        """Append bytes to a file durably, and return the offset of the first.

        Raises:
            NoSpaceError: There is no room; nothing of them is kept.
        """
        ...


class LocalSegments:
    """Files below one root; safe to use from several threads and processes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def folder(self, owner: str) -> Path:
        """Directory of an owner's files; an id of a free-standing evaluation may hold any character."""
        return self._layout.results(quote(owner, safe="").replace(".", "%2E"))

    def append(self, owner: str, name: str, content: bytes) -> int:
        """Append bytes, as `Segments` says.

        Raises:
            UsageError: The owner, or who writes, has a longer name than a file may have.
        """
        path = self.folder(owner) / name
        if max(len(path.parent.name), len(path.name)) > LONGEST_NAME:
            message = f"the id {owner[:60]!r}… is too long for the name of a folder"
            raise UsageError(
                message, hint="use a shorter one: each character that is no plain letter or digit counts for several"
            )
        return append_synced(path, content)

    def read(self, owner: str, name: str, offset: int, length: int) -> bytes:
        with (self.folder(owner) / name).open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    def address(self, owner: str, name: str) -> str:
        return str(self.folder(owner) / name)


class MemorySegments:
    """Files in memory, for tests and for what nobody keeps."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], bytearray] = {}
        self._lock = threading.Lock()

    def append(self, owner: str, name: str, content: bytes) -> int:
        with self._lock:
            file = self._files.setdefault((owner, name), bytearray())
            file += content
            return len(file) - len(content)

    def read(self, owner: str, name: str, offset: int, length: int) -> bytes:
        with self._lock:
            file = self._files.get((owner, name))
            if file is None:
                raise FileNotFoundError(2, "No such file", self.address(owner, name))
            return bytes(file[offset : offset + length])

    def address(self, owner: str, name: str) -> str:
        return f"memory:{owner}/{name}"


def append_synced(path: Path, content: bytes) -> int:
    """Append bytes durably and return the offset of the first.

    Raises:
        NoSpaceError: The disk is full; the file is as long as before.
    """
    descriptor = _open_locked(path)
    try:
        offset = os.fstat(descriptor).st_size
        try:
            if offset == 0:  # nobody else appends before the way to the file is durable as well
                for folder in list(path.parents)[:_FOLDERS]:
                    sync_folder(folder)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            _sync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, offset)
            raise no_space(error, path) from error
    finally:
        os.close(descriptor)
    return offset


def _open_locked(path: Path) -> int:
    """Open a file for appending, made with its folders if need be, and lock it until it is closed.

    Two threads may log to one free-standing evaluation; and one that was unused for long may be collected before it is locked, and is
    made anew then.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # an empty folder was collected in between
            continue
        except OSError as error:
            if isinstance(error, FileExistsError) and not _is_in_the_way(path.parent):
                continue  # it was collected while `mkdir` looked whether what is there is a folder
            raise no_space(error, path) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _is_in_the_way(folder: Path) -> bool:
    """Whether something other than a folder has its name; asked once, since it comes and goes."""
    try:
        return not stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        return folder.is_symlink()


def _sync(descriptor: int) -> None:
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync leaves data in the drive's cache
    if full_sync is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full_sync)
