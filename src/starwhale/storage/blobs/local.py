"""Content-addressed bytes as files below one directory: `<first 2 characters>/<digest>`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from starwhale.errors import CorruptedError, NotFoundError

CHUNK = 1 << 20
"""Bytes that are read at a time from a stream."""


class LocalBlobStore:
    """Meets `storage.protocols.BlobStore`; safe with threads and processes, because equal bytes have equal names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, content: bytes | BinaryIO) -> str:
        """Keep the bytes durably and return their digest (hex)."""
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._path, prefix=".draft-")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest = _copy(content, file)
                file.flush()
                os.fsync(file.fileno())
            target = self._target(digest)
            if not target.exists():
                target.parent.mkdir(exist_ok=True, mode=0o700)
                draft.replace(target)
                _sync_directory(target.parent)
        finally:
            draft.unlink(missing_ok=True)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes, verified."""
        target = self._target(digest)
        try:
            content = target.read_bytes()
        except FileNotFoundError:
            message = f"no blob {digest!r}"
            raise NotFoundError(message, hint="the file was deleted from the storage root") from None
        if blake3(content).hexdigest() != digest:
            message = f"the blob {target} differs from its digest"
            raise CorruptedError(message, path=str(target), hint="restore the file from a copy")
        return content

    def has(self, digest: str) -> bool:
        """Whether something has that digest."""
        return self._target(digest).exists()

    def _target(self, digest: str) -> Path:
        return self._path / digest[:2] / digest


def _copy(content: bytes | BinaryIO, file: BinaryIO) -> str:
    hasher = blake3()
    chunks = (content,) if isinstance(content, bytes) else iter(lambda: content.read(CHUNK), b"")
    for chunk in chunks:
        hasher.update(chunk)
        file.write(chunk)
    return hasher.hexdigest()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
