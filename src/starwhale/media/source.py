"""Where the bytes of a media value come from: memory, a file, or whatever else meets `Source`."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from starwhale.errors import NotFoundError, UnsupportedValueError

if TYPE_CHECKING:
    from typing import BinaryIO


@runtime_checkable
class Source(Protocol):
    """Bytes that can be read in pieces, again and again, from any thread.

    Rules:
        - `read(offset, size)` returns the bytes [offset, offset + size); a size of -1 means up to the end. It returns fewer only
          where the content ends, and raises when the content cannot be read or differs from its checksum.
        - `size` is the whole length in bytes, or None when only reading tells.
    """

    @property
    def size(self) -> int | None:
        """Length in bytes, or None when unknown."""
        ...

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size)."""
        ...


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory."""

    content: bytes
    """All of them."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.content)

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size)."""
        return self.content[offset:] if size < 0 else self.content[offset : offset + size]


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of this machine, opened for each read."""

    path: str
    """As the user gave it; a relative one is seen from the working directory of the reader."""

    @property
    def size(self) -> int:
        """Length in bytes now."""
        try:
            return os.stat(self.path).st_size  # noqa: PTH116 - a plain string, one call
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size)."""
        try:
            with open_file(self.path) as file:
                return _read_part(file, offset, size)
        except OSError as error:
            raise _unreadable(self.path, error) from error


def open_file(path: str) -> BinaryIO:
    """Open a file of this machine for reading.

    Raises:
        NotFoundError: It cannot be read.
    """
    try:
        return open(path, "rb")  # noqa: PTH123 - a plain string, for whoever closes it
    except OSError as error:
        raise _unreadable(path, error) from error


def content_from(fp: object) -> bytes | Source | None:
    """Turn what a user gives as content into bytes or a source; an empty string and None are no content.

    File objects are read here, from where they stand, and put back there: they may be closed before the value is stored.

    Raises:
        UnsupportedValueError: Nothing can be read from a value of this type.
    """
    if type(fp) is bytes:
        return fp
    if isinstance(fp, str):
        return FileSource(str(fp)) if fp else None
    if fp is None:
        return None
    if isinstance(fp, bytearray | memoryview | bytes):
        return bytes(cast("bytes", fp))
    if isinstance(fp, os.PathLike):
        return FileSource(os.fsdecode(cast("os.PathLike[str]", fp)))
    if isinstance(fp, io.IOBase) or (hasattr(fp, "read") and hasattr(fp, "seek")):
        return _read_file_object(cast("BinaryIO", fp))
    if isinstance(fp, Source):
        return fp
    raise UnsupportedValueError(
        f"cannot read content from a value of type {type(fp).__name__!r}", hint="give bytes, a path or an open file"
    )


def _read_file_object(file: BinaryIO) -> bytes:
    position = file.tell() if file.seekable() else None
    content = cast("bytes | str", file.read())
    if position is not None:
        file.seek(position)
    return content.encode() if isinstance(content, str) else bytes(content)


def _read_part(file: BinaryIO, offset: int, size: int) -> bytes:
    if offset:
        file.seek(offset)
    return file.read(size)


def _unreadable(path: str, error: OSError) -> NotFoundError:
    return NotFoundError(f"cannot read the file {path!r}: {error.strerror or error}")
