"""Where the bytes of a media value come from: memory, a file, a place that a link names, or a store."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable
from urllib.parse import unquote, urlsplit

from starwhale.errors import NotBuiltYetError, NotFoundError, UnsupportedValueError

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from typing import BinaryIO

HTTP_TIMEOUT_S = 30.0
"""How long one connection or read over HTTP may be silent."""


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


@dataclass(frozen=True, slots=True)
class LinkSource:
    """The bytes [offset, offset + length) of what a URI names: a path, a `file:` URI, or an http(s) address."""

    uri: str
    """Where the whole lies."""
    offset: int = 0
    """First byte of the part."""
    length: int = -1
    """Bytes in the part; -1 means up to the end."""

    @property
    def size(self) -> int | None:
        """Length in bytes when the link says it."""
        return self.length if self.length >= 0 else None

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of the part."""
        if self.length >= 0:
            left = max(self.length - offset, 0)
            size = left if size < 0 else min(size, left)
        if size == 0:
            return b""
        start = self.offset + offset
        scheme = urlsplit(self.uri).scheme.lower()
        if scheme in {"http", "https"}:
            content = _read_http(self.uri, start, size)
        elif scheme in {"", "file"}:
            path = unquote(urlsplit(self.uri).path) if scheme else self.uri
            content = FileSource(path).read(start, size)
        else:
            raise NotBuiltYetError(
                f"cannot read {self.uri!r}: links of the kind {scheme!r} are not built yet",
                hint="link to a file or to an http(s) address",
            )
        if self.length >= 0 and len(content) < size:
            raise NotFoundError(
                f"{self.uri!r} ends before the link does: {size} bytes were expected from byte {start}, {len(content)} are there"
            )
        return content


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


def _read_http(uri: str, start: int, size: int) -> bytes:
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    request = urllib.request.Request(uri)  # noqa: S310 - the caller has checked the scheme
    if start or size >= 0:
        request.add_header("Range", f"bytes={start}-{start + size - 1 if size >= 0 else ''}")
    try:
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as response:  # noqa: S310 - as above
            return _take_part(response, start, size)
    except urllib.error.HTTPError as error:
        with error:  # it is the answer too, with a connection
            if error.code == 416:  # the range starts behind the end
                return b""
            raise NotFoundError(f"cannot read {uri!r}: {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise NotFoundError(f"cannot read {uri!r}: {getattr(error, 'reason', None) or error}") from error


def _take_part(response: HTTPResponse, start: int, size: int) -> bytes:
    content = response.read()  # to the end: a connection that broke off raises IncompleteRead
    if response.status == 206:
        return content
    return content[start:] if size < 0 else content[start : start + size]
