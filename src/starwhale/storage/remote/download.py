"""Bring a long content of a server into a file that may hold the beginning of it already, from an earlier try."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from starwhale.errors import CorruptedError
from starwhale.storage.blobs.content import digest_file
from starwhale.storage.remote.upload import PIECE_BYTES, OnSent

if TYPE_CHECKING:
    from starwhale.storage.remote.connection import ServerConnection


def download(
    connection: ServerConnection, path: str, content: tuple[str, int], out: BinaryIO, on_received: OnSent | None = None
) -> None:
    """Fetch what of a content is not in a file yet, and verify all of it.

    Args:
        connection: Where from.
        path: What is asked for, by ranges.
        content: Its BLAKE3, and its bytes.
        out: The file; emptied where it turns out to be another content.
        on_received: Told how many more bytes are there.

    Raises:
        CorruptedError: What was received, now or before, is not what it should be.
        ServerError: The server cannot be reached; what was received stays.
    """
    digest, size = content
    done = out.seek(0, os.SEEK_END)
    told = on_received or _nobody
    told(min(done, size))
    while done < size:
        stop = min(done + PIECE_BYTES, size)
        piece = connection.send("GET", path, headers={"Range": f"bytes={done}-{stop - 1}"}).body
        if len(piece) != stop - done:
            raise damaged_content(connection, digest)
        out.write(piece)
        done = stop
        told(len(piece))
    out.flush()
    if done != size or digest_file(out) != digest:
        out.truncate(0)
        raise damaged_content(connection, digest)


def damaged_content(connection: ServerConnection, digest: str) -> CorruptedError:
    """Say that what came is not what it should be."""
    message = f"the content {digest[:12]}… that came from {connection.address} differs from its checksum"
    return CorruptedError(message, path=digest, hint="try again; if it stays so, the file is damaged there")


def _nobody(_more: int) -> None:
    return


__all__ = ["damaged_content", "download"]
