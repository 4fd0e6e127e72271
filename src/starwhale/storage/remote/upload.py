"""Send a long content to a server in pieces. What was sent stays there under its digest for a day, so that the next try goes on where this one stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from starwhale.errors import ConflictError
from starwhale.storage.remote.connection import BYTES_TYPE

if TYPE_CHECKING:
    from starwhale.storage.remote.connection import ServerConnection

PIECE_BYTES = 8 << 20
"""Bytes of a request: more of a content is sent in several."""
_TRIES = 5
OnSent = Callable[[int], None]
"""Told how many more bytes are there."""


class Content(Protocol):
    """What is sent."""

    def piece(self, offset: int, size: int) -> Any:  # Any: whatever has the buffer protocol
        """Return some of its bytes."""
        ...


class FileContent:
    """The content of an open file."""

    def __init__(self, file: Any) -> None:  # Any: a binary file that can seek
        self._file = file

    def piece(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


class BytesContent:
    """Bytes in memory."""

    def __init__(self, content: Any) -> None:  # Any: whatever has the buffer protocol
        self._view = memoryview(content)

    def piece(self, offset: int, size: int) -> memoryview:
        return self._view[offset : offset + size]


def upload(
    connection: ServerConnection, content: Content, digest: str, size: int, on_sent: OnSent | None = None
) -> None:
    """Send a content to the upload of its digest.

    Args:
        connection: Where to.
        content: What.
        digest: Its BLAKE3.
        size: Its bytes.
        on_sent: Told how far it is.

    Raises:
        ConflictError: Somebody else sends the same content at the same time, and is not done.
    """
    path = f"/stores/uploads/{digest}"
    done = int(connection.ask("GET", path)["size"])
    told = on_sent or _nobody
    told(min(done, size))
    tries = 0
    while done < size:
        piece = content.piece(done, min(PIECE_BYTES, size - done))
        try:
            answer = connection.send(
                "PATCH", path, piece, query={"offset": done, "total": size}, headers={"Content-Type": BYTES_TYPE}
            )
        except ConflictError:  # an answer was lost, or another sender was faster: it says how far it is
            tries += 1
            there = int(connection.ask("GET", path)["size"])
            if there <= done and tries >= _TRIES:
                raise
            told(max(there - done, 0))
            done = there
            continue
        tries = 0
        there = connection.read_number(answer, "size")
        told(there - done)
        done = there


def _nobody(_more: int) -> None:
    return


__all__ = ["PIECE_BYTES", "BytesContent", "Content", "FileContent", "OnSent", "upload"]
