"""Content-addressed bytes in a local directory: `<root>/<2>/<digest>`, one file per content."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from starwhale.errors import CorruptedError, NoSpaceError, NotFoundError
from starwhale.storage.blobs.content import copy_content
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

    def sizes(self) -> Iterator[int]:
        """Sizes of everything that is kept, in no order."""
        for folder in _folders(self.root):
            with os.scandir(folder) as found:
                yield from (each.stat().st_size for each in found if not each.name.startswith("."))

    def free_bytes(self) -> int:
        """Bytes that may still be written where the blobs lie."""
        self.root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free

    def state(self, digest: str) -> tuple[int, int, int, int] | None:
        """Return inode, size and times (ns) of the file of a blob, or None: while they stay, its content does, unless the disk lies."""
        try:
            found = self.place(digest).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def size_of(self, digest: str) -> int | None:
        """Bytes of a blob, or None when nothing has that digest; what is in it is not verified."""
        try:
            return self.place(digest).stat().st_size
        except FileNotFoundError:
            return None

    def disk_bytes(self, digest: str) -> int:
        """Bytes that a blob takes on the disk, fewer than its size where it has holes; 0 when it is not there."""
        try:
            found = self.place(digest).stat()
        except FileNotFoundError:
            return 0
        return min(found.st_size, found.st_blocks * 512)

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

        Blocks are shared where the file system copies on write, and holes stay holes.

        Raises:
            CorruptedError: The stored bytes differ from the digest.
        """
        path = self.path(digest)
        try:
            with path.open("rb") as source, target.open("x+b", buffering=0) as out:
                found, _ = copy_content(source, out)
            if found != digest:
                raise _damaged(path)
        except CorruptedError:
            target.unlink(missing_ok=True)
            raise
        except OSError as error:
            if not isinstance(error, FileExistsError):
                target.unlink(missing_ok=True)
            raise no_space(error, target) from error

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
            sync_folder(place.parent)
            sync_folder(self.root)
        except OSError as error:
            raise no_space(error, place) from error

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
            sync_folder(place.parent)
            sync_folder(self.root)  # whoever made the folder: it may not have come so far yet
            return digest
        except OSError as error:
            raise no_space(error, beside) from error
        finally:
            beside.unlink(missing_ok=True)


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; of a file, its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def no_space(error: OSError, path: Path) -> OSError:
    """Return what an error of the system comes to: NoSpaceError where the disk is full, else the error itself."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoSpaceError(f"no space left for {path}", hint="free some space; what was there before is untouched")
    return error


def _damaged(path: Path) -> CorruptedError:
    return CorruptedError(
        f"corrupted file {path}: it differs from its checksum", path=str(path), hint="restore it from a copy"
    )


__all__ = ["LocalBlobStore", "no_space", "sync_folder"]
