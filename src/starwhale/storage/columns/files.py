"""Writing and checking files: beside the target, synced, renamed; read through a map and compared with a digest."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError

WRITE_BYTES = 1 << 20
"""Bytes handed to the system at once. For 16 MiB in one call Linux 6 looks for as large pieces of memory, and took 3 to 40 ms of CPU
where 16 calls took 3 (benchmarks/dataset_speed.py, ext4 in a virtual machine)."""


def digest_of(content: Any) -> str:
    """Return the BLAKE3 of bytes or of anything with the buffer protocol, in hex."""
    return blake3(content).hexdigest()


def write_new(path: Path, content: Any, *, sync: bool) -> None:
    """Write a file, from bytes or a tuple of bytes, beside its target and rename it.

    Without `sync`, `sync_files` must follow before anyone relies on it.

    Raises:
        NoSpaceError: The disk is full; nothing half-made is left.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with beside.open("xb", buffering=0) as out:
            write_pieces(out, content if isinstance(content, tuple) else (content,))
            if sync:
                os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise no_space(error, path) from error
    if sync:
        sync_folder(path.parent)


def write_pieces(out: FileIO, pieces: Iterable[Any]) -> None:
    """Write bytes, or whatever has the buffer protocol, at most `WRITE_BYTES` at a time."""
    for piece in pieces:
        rest = memoryview(piece).cast("B")
        while rest:
            rest = rest[out.write(rest[:WRITE_BYTES]) :]


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        NoSpaceError: The disk is full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_space(error, path) from error


def no_space(error: OSError, path: Path) -> OSError:
    """Turn a full disk into an error that says so; any other error stays as it is."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpaceError(f"no space left for {path}", hint="free some space; what was committed before is untouched")
    return error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    _sync(folder)


def sync_files(paths: Iterable[Path]) -> None:
    """Make files durable that were written without a sync, and their folders."""
    folders: set[Path] = set()
    for path in paths:
        _sync(path)
        folders.add(path.parent)
    for folder in sorted(folders):
        _sync(folder)


def map_file(path: str | Path, *, what: str) -> memoryview:
    """Map a file for reading; an empty file gives an empty view.

    Raises:
        CorruptedError: The file is missing or cannot be read.
    """
    descriptor = open_file(path, what=what)
    try:
        if os.fstat(descriptor).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise damaged(path, f"{what} is missing or unreadable ({error.strerror or error})") from error
    finally:
        os.close(descriptor)


def read_file(path: str, *, what: str) -> bytes:
    """Read a whole small file.

    Raises:
        CorruptedError: The file is missing or cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a commit may read thousands, and a Path costs as much as the reading
            return file.readall()
    except OSError as error:
        raise damaged(path, f"{what} is missing or unreadable ({error.strerror or error})") from error


def open_file(path: str | Path, *, what: str) -> int:
    """Open a file for reading and return its descriptor, which the caller closes.

    Raises:
        CorruptedError: The file is missing or cannot be read.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise damaged(path, f"{what} is missing or unreadable ({error.strerror or error})") from error


def read_checked(path: Path, digest: str, *, what: str) -> bytes:
    """Read a whole file whose digest is known.

    Raises:
        CorruptedError: It is missing or differs.
    """
    content = bytes(map_file(path, what=what))
    if digest_of(content) != digest:
        raise damaged(path, f"{what} differs from its checksum")
    return content


def damaged(path: Path | str, reason: str) -> CorruptedError:
    """Describe damage, naming the file."""
    return CorruptedError(
        f"corrupted file {path}: {reason}",
        path=str(path),
        hint="restore it from a copy; other versions and files are not affected",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise no_space(error, path) from error
    finally:
        os.close(descriptor)


__all__ = [
    "damaged",
    "digest_of",
    "make_folder",
    "map_file",
    "no_space",
    "open_file",
    "read_checked",
    "read_file",
    "sync_files",
    "sync_folder",
    "write_new",
    "write_pieces",
]
