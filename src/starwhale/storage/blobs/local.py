"""Content-addressed bytes in a local directory: `<root>/<2>/<digest>`, one file per content."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError, NotFoundError
from starwhale.storage.blobs.digests import check_digest
from starwhale.storage.in_use import LOCK_NAME, hold

_PIECE = 1 << 20


class LocalBlobStore:
    """Meets `BlobStore`; any number of threads and processes may use one directory at the same time.

    A blob is written beside its place, synced and renamed, so a killed writer leaves at most a file that begins with a dot. Blobs
    are read-only files: whoever links to one must not write through the link.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        """Folder of all blobs."""

    def put(self, content: bytes | BinaryIO) -> str:
        """Keep the bytes and return their digest; durable when this returns.

        Raises:
            NoSpaceError: The disk is full; nothing half-made is left.
        """
        if isinstance(content, bytes):
            digest = blake3(content).hexdigest()
            if self.is_intact(digest):
                return digest
            return self._write(iter((content,)))
        return self._write(iter(lambda: content.read(_PIECE), b""))

    def is_intact(self, digest: str) -> bool:
        """Whether something has that digest and is what it was, every byte of it; it counts as new then, so that nobody collects it soon."""
        place = self.place(digest)
        hasher = blake3()
        try:
            with place.open("rb") as source:
                while piece := source.read(_PIECE):
                    hasher.update(piece)
            if hasher.hexdigest() != digest:
                return False
            os.utime(place)
        except OSError:  # missing, or unreadable: it is written again
            return False
        return True

    def digests(self) -> Iterator[str]:
        """Name everything that is kept, in no order."""
        for folder in _folders(self.root):
            for path in folder.iterdir():
                if not path.name.startswith("."):
                    yield path.name

    def drafts(self) -> list[Path]:
        """Files that writers have begun; of those that were killed, nobody needs them."""
        if not self.root.is_dir():
            return []
        return [path for path in self.root.iterdir() if path.name.startswith(".") and path.name != LOCK_NAME]

    def get(self, digest: str) -> bytes:
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CorruptedError(
                f"corrupted file {path}: it cannot be read ({error.strerror})", path=str(path)
            ) from error
        if blake3(content).hexdigest() != digest:
            raise _damaged(path)
        return content

    def has(self, digest: str) -> bool:
        return self.place(digest).is_file()

    def size_of(self, digest: str) -> int | None:
        """Bytes of a blob, or None when nothing has that digest; what is in it is not verified."""
        try:
            return self.place(digest).stat().st_size
        except FileNotFoundError:
            return None

    def path(self, digest: str) -> Path:
        """File of a blob, to be linked to or mapped; what is in it is not verified.

        Raises:
            NotFoundError: Nothing has that digest.
        """
        path = self.place(digest)
        if not path.is_file():
            raise NotFoundError(f"no content with the digest {digest[:12]}… in {self.root}")
        return path

    def copy_to(self, digest: str, target: Path) -> None:
        """Write a blob to a new file, verifying it on the way; nothing is left there when it is damaged.

        Raises:
            CorruptedError: The stored bytes differ from the digest.
        """
        path = self.path(digest)
        hasher = blake3()
        try:
            with path.open("rb") as source, target.open("xb") as out:
                while piece := source.read(_PIECE):
                    hasher.update(piece)
                    out.write(piece)
            if hasher.hexdigest() != digest:
                raise _damaged(path)
        except CorruptedError:
            target.unlink(missing_ok=True)
            raise
        except OSError as error:
            if not isinstance(error, FileExistsError):
                target.unlink(missing_ok=True)
            raise _no_space(error, target) from error

    def take_in(self, path: Path, digest: str) -> None:
        """Move a file of this file system, verified and synced, to its place; one that is there already and intact stays.

        Args:
            path: The file; nobody else may have it.
            digest: Its BLAKE3, which the caller has computed.

        Raises:
            NoSpaceError: The disk is full.
        """
        place = self.place(digest)
        if self.is_intact(digest):
            path.unlink()
            return
        try:
            path.chmod(0o444)
            with hold(self.root):
                place.parent.mkdir(exist_ok=True)
                path.replace(place)
            _sync_folder(place.parent)
            _sync_folder(self.root)
        except OSError as error:
            raise _no_space(error, place) from error

    def place(self, digest: str) -> Path:
        """Where a blob lies, if it is there."""
        return self.root / check_digest(digest)[:2] / digest

    def _write(self, pieces: Iterator[bytes]) -> str:
        self.root.mkdir(parents=True, exist_ok=True)
        beside = self.root / f".{os.getpid()}.{secrets.token_hex(8)}"
        hasher = blake3()
        try:
            with beside.open("xb") as out:
                for piece in pieces:
                    hasher.update(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            digest = hasher.hexdigest()
            if self.is_intact(digest):
                return digest
            beside.chmod(0o444)
            place = self.place(digest)
            with hold(self.root):
                place.parent.mkdir(exist_ok=True)
                beside.replace(place)
            _sync_folder(place.parent)
            _sync_folder(self.root)  # whoever made the folder: it may not have come so far yet
            return digest
        except OSError as error:
            raise _no_space(error, beside) from error
        finally:
            beside.unlink(missing_ok=True)


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_space(error: OSError, path: Path) -> OSError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpaceError(f"no space left for {path}", hint="free some space; what was there before is untouched")
    return error


def _damaged(path: Path) -> CorruptedError:
    return CorruptedError(
        f"corrupted file {path}: it differs from its checksum", path=str(path), hint="restore it from a copy"
    )


__all__ = ["LocalBlobStore"]
