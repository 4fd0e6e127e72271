"""Content that a link names: a file of this machine, an http(s) address, an object of a store."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import unquote, urlsplit

from starwhale.errors import LinkError, NotFoundError, UsageError
from starwhale.media.source import FileSource
from starwhale.media.stream import SourceFile
from starwhale.plugins import load

if TYPE_CHECKING:
    from typing import BinaryIO

REMOTE_PIECE_BYTES = 4 << 20
"""Bytes that are read ahead of whoever reads a remote content as a file."""


class LinkReader(Protocol):
    """Reads what links of some schemes name.

    Rules:
        - `read` returns the bytes [start, start + size), with a size of -1 up to the end, and fewer only where the content ends.
        - `extent` returns the whole size, None where only reading tells.
        - `sign` returns an address that can be read without keys, for a while.
    """

    def read(self, uri: str, start: int, size: int) -> bytes: ...
    def extent(self, uri: str) -> int | None: ...
    def sign(self, uri: str) -> str: ...


class _Files:
    def read(self, uri: str, start: int, size: int) -> bytes:
        return FileSource(self.path(uri)).read(start, size)

    def extent(self, uri: str) -> int | None:
        return FileSource(self.path(uri)).size

    def sign(self, uri: str) -> str:
        return uri

    @staticmethod
    def path(uri: str) -> str:
        return unquote(urlsplit(uri).path) if scheme_of(uri) == "file" else uri


class _Http:
    def read(self, uri: str, start: int, size: int) -> bytes:
        from starwhale.media.http_range import read_range  # with it comes all of HTTP, which few need

        return read_range(uri, start, size)

    def extent(self, uri: str) -> int | None:
        from starwhale.media.http_range import read_extent

        found = read_extent(uri)
        return found.size if found.has_ranges else None

    def sign(self, uri: str) -> str:
        return uri


_READERS: dict[str, LinkReader] = {"": _Files(), "file": _Files(), "http": _Http(), "https": _Http()}
_OBJECTS = "starwhale.storage.objects.links:links"
_BUILTIN: dict[str, str] = dict.fromkeys(("s3", "minio", "oss", "aliyun"), _OBJECTS)
"""Readers that lie in rooms above this one: named, not imported."""


@dataclass(frozen=True, slots=True)
class LinkSource:
    """The bytes [offset, offset + length) of what a URI names."""

    uri: str
    """Where the whole lies."""
    offset: int = 0
    """First byte of the part."""
    length: int = -1
    """Bytes in the part; -1 means up to the end."""

    @property
    def size(self) -> int | None:
        """Length in bytes: what the link says, else what is found where it leads; None where only reading tells.

        Raises:
            NotFoundError: It leads nowhere.
            LinkError: It cannot be read.
            ObjectStoreError: The object store refuses, or cannot be reached.
        """
        if self.length >= 0:
            return self.length
        whole = reader_of(self.uri).extent(self.uri)
        return None if whole is None else max(whole - self.offset, 0)

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of the part.

        Raises:
            NotFoundError: It leads nowhere, or the content ends before the link does.
            LinkError: It cannot be read.
            ObjectStoreError: The object store refuses, or cannot be reached.
        """
        if self.length >= 0:
            left = max(self.length - offset, 0)
            size = left if size < 0 else min(size, left)
        if size == 0:
            return b""
        start = self.offset + offset
        content = reader_of(self.uri).read(self.uri, start, size)
        if self.length >= 0 and len(content) < size:
            raise NotFoundError(
                f"{self.uri!r} ends before the link does: {size} bytes were expected from byte {start}, {len(content)} are there"
            )
        return content

    def open(self) -> BinaryIO:
        """Open the part as a file that is read in pieces; the caller closes it.

        Where a server cannot send parts, the content is fetched once, into a temporary file.
        """
        size = self.size
        if size is not None:
            return io.BufferedReader(SourceFile(self, size), REMOTE_PIECE_BYTES)
        import tempfile

        from starwhale.media.http_range import copy_range

        held = tempfile.SpooledTemporaryFile(max_size=REMOTE_PIECE_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            copy_range(self.uri, self.offset, self.length, held)
            held.seek(0)
        except BaseException:
            held.close()
            raise
        return cast("BinaryIO", held)


def scheme_of(uri: str) -> str:
    """Return the scheme of an address in lower case; empty for a path, which may have a colon too."""
    scheme, colon, _ = uri.partition("://")
    if not colon:
        return "file" if uri[:5].lower() == "file:" else ""
    return scheme.lower() if scheme.replace("+", "").replace("-", "").isalnum() else ""


def reader_of(uri: str) -> LinkReader:
    """Return what reads a link.

    Raises:
        LinkError: Nothing reads links of its scheme.
    """
    scheme = scheme_of(uri)
    reader = _READERS.get(scheme)
    if reader is not None:
        return reader
    try:
        return load("link_reader", scheme, _BUILTIN)
    except UsageError as error:
        raise LinkError(f"cannot read {uri!r}: nothing here reads links of the kind {scheme!r}", hint=_KINDS) from error


_KINDS = "link to a path, a file: or http(s): address, or an object as s3://bucket/key"
