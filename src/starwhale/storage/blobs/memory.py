"""Content-addressed bytes in memory: a real implementation, for tests and for instances that keep nothing."""

from __future__ import annotations

from typing import BinaryIO

from blake3 import blake3

from starwhale.errors import NotFoundError
from starwhale.storage.blobs.digests import check_digest


class MemoryBlobStore:
    """Meets `BlobStore`; safe to use from several threads."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, content: bytes | BinaryIO) -> str:
        kept = content if isinstance(content, bytes) else content.read()
        digest = blake3(kept).hexdigest()
        self._blobs[digest] = kept
        return digest

    def get(self, digest: str) -> bytes:
        try:
            return self._blobs[check_digest(digest)]
        except KeyError:
            raise NotFoundError(f"no content with the digest {digest[:12]}… in memory") from None

    def has(self, digest: str) -> bool:
        return check_digest(digest) in self._blobs


__all__ = ["MemoryBlobStore"]
