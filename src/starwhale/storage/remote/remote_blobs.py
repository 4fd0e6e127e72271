"""Content-addressed bytes of a server. What is read was verified, and what is sent is verified there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from starwhale.errors import NotFoundError
from starwhale.storage.blobs.content import digest_file
from starwhale.storage.blobs.digests import check_digest
from starwhale.storage.blobs.local import no_space
from starwhale.storage.remote.connection import BYTES_TYPE
from starwhale.storage.remote.download import damaged_content, download
from starwhale.storage.remote.upload import PIECE_BYTES, BytesContent, Content, FileContent, OnSent, upload

if TYPE_CHECKING:
    from starwhale.storage.remote.connection import ServerConnection

ASKED = 1000
"""Digests of a question, at most."""


class RemoteBlobStore:
    """Meets `BlobStore`; safe to use from several threads."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def put(self, content: bytes | BinaryIO) -> str:
        if isinstance(content, bytes):
            digest = blake3(content).hexdigest()
            if self.lacking([digest]):
                self._send(BytesContent(content), digest, len(content), None)
            return digest
        with tempfile.TemporaryFile() as spooled:
            while piece := content.read(PIECE_BYTES):
                spooled.write(piece)
            size, digest = spooled.tell(), digest_file(spooled)
            if self.lacking([digest]):
                self._send(FileContent(spooled), digest, size, None)
        return digest

    def send_file(self, path: Path, digest: str, on_sent: OnSent | None = None) -> None:
        """Send what a file holds, which the server lacks; it goes on where an earlier try stopped.

        Args:
            path: The file.
            digest: Its BLAKE3.
            on_sent: Told how many more bytes are there.

        Raises:
            CorruptedError: The file has another digest.
        """
        with path.open("rb") as file:
            self._send(FileContent(file), digest, path.stat().st_size, on_sent)

    def lacking(self, digests: Sequence[str]) -> list[str]:
        """Return those digests that nothing has, in their order; what is there is read and verified, and counts as new."""
        found: list[str] = []
        for start in range(0, len(digests), ASKED):
            some = [check_digest(each) for each in digests[start : start + ASKED]]
            found += self._connection.ask("POST", "/stores/blobs/lacking", {"digests": some})["digests"]
        return found

    def get(self, digest: str) -> bytes:
        content = self._connection.send("GET", f"/stores/blobs/{check_digest(digest)}").body
        if blake3(content).hexdigest() != digest:
            raise damaged_content(self._connection, digest)
        return content

    def has(self, digest: str) -> bool:
        return self.size_of(digest) is not None

    def size_of(self, digest: str) -> int | None:
        """Bytes of a blob, or None when nothing has that digest; what is in it is not verified."""
        return self._connection.ask("GET", f"/stores/blobs/{check_digest(digest)}/size")["size"]

    def disk_bytes(self, digest: str) -> int:
        """Bytes that a copy of a blob takes on the disk; 0 when it is not there."""
        return self.size_of(digest) or 0

    def copy_to(self, digest: str, target: Path) -> None:
        """Write a blob to a new file, verified on the way; nothing is left there when it is damaged."""
        try:
            with target.open("x+b") as out:
                self.fetch(digest, out)
        except OSError as error:
            if not isinstance(error, FileExistsError):
                target.unlink(missing_ok=True)
            raise no_space(error, target) from error

    def fetch(self, digest: str, out: BinaryIO, on_received: OnSent | None = None) -> None:
        """Bring a blob into a file that may hold the beginning of it already, from an earlier try; verified at the end.

        Args:
            digest: Which.
            out: The file; emptied where it turns out to be another content.
            on_received: Told how many more bytes are there.

        Raises:
            NotFoundError: Nothing has that digest.
            CorruptedError: What was received, now or before, is not what it should be.
        """
        size = self.size_of(digest)
        if size is None:
            raise NotFoundError(f"no content with the digest {digest[:12]}… at {self._connection.address}")
        download(self._connection, f"/stores/blobs/{digest}", (digest, size), out, on_received)

    def _send(self, content: Content, digest: str, size: int, on_sent: OnSent | None) -> None:
        path = f"/stores/blobs/{digest}"
        if size <= PIECE_BYTES:
            self._connection.send("PUT", path, content.piece(0, size), headers={"Content-Type": BYTES_TYPE})
            if on_sent:
                on_sent(size)
            return
        upload(self._connection, content, digest, size, on_sent)
        self._connection.ask("POST", f"{path}/finish")


__all__ = ["RemoteBlobStore"]
