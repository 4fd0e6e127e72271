"""Copy the content of a file and digest it on the way: blocks are shared where the file system can, and holes stay holes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from blake3 import blake3

_CLONE = 0x40049409
"""Linux's FICLONE (linux/fs.h): share the blocks of another file."""
_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)


def copy_content(source: BinaryIO, out: BinaryIO) -> tuple[str, int]:
    """Write the whole content of a file into an empty one.

    Args:
        source: Open for reading; where it stands makes no difference.
        out: Open for reading and writing, without a buffer.

    Returns:
        Digest and number of the bytes that `out` holds then.
    """
    if _clone(source, out):
        return digest_file(out), os.fstat(out.fileno()).st_size
    hasher = blake3()
    end = 0
    for start, stop in _extents(source.fileno()):
        _hash_zeros(hasher, start - end)
        end = start
        while end < stop and (piece := os.pread(source.fileno(), min(_PIECE, stop - end), end)):
            hasher.update(piece)
            _write_all(out.fileno(), piece, end)
            end += len(piece)
        if end < stop:  # it was cut off meanwhile, which the caller sees by its size
            break
    else:
        size = os.fstat(source.fileno()).st_size
        _hash_zeros(hasher, size - end)
        end = max(size, end)
    out.truncate(end)
    return hasher.hexdigest(), end


def _extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Name the stretches of a file that hold data, by position; where nobody can tell, all of it."""
    size = os.fstat(descriptor).st_size
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            stop = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            start, stop = position, size
        yield start, stop
        position = stop


def _hash_zeros(hasher: blake3, count: int) -> None:
    while count > 0:
        hasher.update(_ZEROS if count >= _PIECE else bytes(count))
        count -= _PIECE


def _write_all(descriptor: int, piece: bytes, position: int) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def digest_file(file: BinaryIO) -> str:
    """Return the digest of the whole content of a file, wherever it stands."""
    file.seek(0)
    hasher = blake3()
    while piece := file.read(_PIECE):
        hasher.update(piece)
    return hasher.hexdigest()


def _clone(source: BinaryIO, out: BinaryIO) -> bool:
    """Share the blocks of another file; return whether the file system could."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(out.fileno(), _CLONE, source.fileno())
    except OSError:
        return False
    return True


__all__ = ["copy_content", "digest_file"]
