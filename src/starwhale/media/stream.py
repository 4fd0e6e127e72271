"""Content as an open file that is read in pieces: a large video is never in memory as a whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from starwhale.errors import UsageError
from starwhale.media.source import BytesSource, FileSource, Source, open_file

if TYPE_CHECKING:
    from typing import BinaryIO

PIECE_BYTES = 1 << 20
"""Bytes that are read from a source at a time."""


class SourceFile(io.RawIOBase):
    """A source as an unbuffered file for reading; it holds nothing open, so that forgetting to close it costs nothing."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer)).cast("B")
        wanted = min(len(view), max(self._size - self._position, 0))
        if wanted == 0:
            return 0
        piece = self._source.read(self._position, wanted)
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def open_source(source: Source) -> BinaryIO:
    """Open the content of a source for reading and seeking; the caller closes it.

    Raises:
        NotFoundError: It cannot be read.
    """
    if type(source) is BytesSource:
        return io.BytesIO(source.content)
    if type(source) is FileSource:
        return open_file(source.path)
    opener = getattr(source, "open", None)  # a source may know a better way
    if opener is not None:
        return opener()
    size = source.size
    if size is None:  # only reading tells how much there is
        return io.BytesIO(source.read())
    return io.BufferedReader(SourceFile(source, size), PIECE_BYTES)


def read_pieces(source: Source, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Read the content of a source from its begin to its end, at most `piece_bytes` at a time.

    Raises:
        UsageError: A piece would be empty.
    """
    if piece_bytes < 1:
        raise UsageError(f"content cannot be read in pieces of {piece_bytes} bytes", hint="use at least 1")
    return _pieces(source, piece_bytes)


def _pieces(source: Source, piece_bytes: int) -> Iterator[bytes]:
    with open_source(source) as file:
        while piece := file.read(piece_bytes):
            yield piece
