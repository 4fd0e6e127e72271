"""Many blobs at once: they are written one by one, and made durable together.

A blob that is kept alone costs three waits for the disk. Of a hundred thousand small files that is what takes the time, so here drafts
are collected, synced in one go, and only then renamed to their places. A killed writer leaves drafts, as ever.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from blake3 import blake3

from starwhale.storage.blobs.content import copy_content, digest_file
from starwhale.storage.blobs.local import no_space, sync_folder
from starwhale.storage.in_use import hold

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore

_MOST_DRAFTS = 2048
_MOST_BYTES = 256 << 20
_FEW = 16
"""So many drafts are synced one by one: syncing the file system waits for what others write, too."""


class BlobBatch:
    """Puts blobs into a store; all of them are durable once `close` has returned, and none is promised before."""

    def __init__(self, store: LocalBlobStore) -> None:
        self._store = store
        self._drafts: dict[str, Path] = {}
        self._bytes = 0
        self._folders: set[Path] = set()
        self._sizes: frozenset[int] | None = None
        self._prefix = f"{store.root}/.{os.getpid()}.{secrets.token_hex(8)}"
        self._count = 0
        store.root.mkdir(parents=True, exist_ok=True)

    def put_bytes(self, content: bytes) -> tuple[str, bool]:
        """Keep the bytes, and return their digest and whether they are new.

        Raises:
            NoSpaceError: The disk is full.
        """
        digest = blake3(content).hexdigest()
        if self._has(digest):
            return digest, False
        draft = self._draft()
        try:
            with open(draft, "xb", buffering=0, opener=_open_read_only) as out:
                out.write(content)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise no_space(error, draft) from error
        self._add(digest, draft, len(content))
        return digest, True

    def put_file(self, file: BinaryIO, size: int) -> tuple[str, int, bool]:
        """Keep what a file holds from its beginning; holes stay holes.

        Where something of its size is stored already, the file is read once for its digest alone, so that nothing is written for
        what is there.

        Returns:
            Digest, bytes that were read, and whether they are new.

        Raises:
            NoSpaceError: The disk is full.
        """
        if size in self._known_sizes():
            digest = digest_file(file)
            if self._has(digest):
                return digest, file.tell(), False
        draft = self._draft()
        try:
            with open(draft, "x+b", buffering=0, opener=_open_read_only) as out:
                digest, read = copy_content(file, out)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise no_space(error, draft) from error
        if self._has(digest):
            draft.unlink()
            return digest, read, False
        self._add(digest, draft, read)
        return digest, read, True

    def flush(self) -> None:
        """Make durable what was put so far, and give it its place."""
        if not self._drafts:
            return
        try:
            self._sync()
            with hold(self._store.root):
                for digest, draft in self._drafts.items():
                    place = self._store.place(digest)
                    if place.parent not in self._folders:
                        place.parent.mkdir(exist_ok=True)
                        self._folders.add(place.parent)
                    draft.replace(place)
        except OSError as error:
            raise no_space(error, self._store.root) from error
        self._drafts.clear()
        self._bytes = 0

    def close(self) -> None:
        """Make everything durable."""
        self.flush()
        for folder in self._folders:
            sync_folder(folder)
        if self._folders:
            sync_folder(self._store.root)
        self._folders.clear()

    def abort(self) -> None:
        """Remove the drafts; what has its place stays, and is collected when nobody refers to it."""
        for draft in self._drafts.values():
            draft.unlink(missing_ok=True)
        self._drafts.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _has(self, digest: str) -> bool:
        return digest in self._drafts or self._store.is_intact(digest)

    def _add(self, digest: str, draft: Path, size: int) -> None:
        self._drafts[digest] = draft
        self._bytes += size
        if self._sizes is not None:
            self._sizes |= {size}
        if len(self._drafts) >= _MOST_DRAFTS or self._bytes >= _MOST_BYTES:
            self.flush()

    def _draft(self) -> Path:
        self._count += 1
        return Path(f"{self._prefix}.{self._count}")

    def _known_sizes(self) -> frozenset[int]:
        """Sizes of all blobs; asked for once, and only where there is a large file."""
        if self._sizes is None:
            self._sizes = frozenset(self._store.sizes())
        return self._sizes

    def _sync(self) -> None:
        if len(self._drafts) > _FEW and _sync_file_system(self._store.root):
            return
        for draft in self._drafts.values():
            sync_folder(draft)  # any descriptor will do


def _open_read_only(path: str, flags: int) -> int:
    """Make a file that nobody may write but through this descriptor."""
    return os.open(path, flags, 0o444)


def _sync_file_system(folder: Path) -> bool:
    """Write out everything on the file system of a folder; return whether the system can."""
    if sys.platform != "linux":
        return False
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)
    return True


__all__ = ["BlobBatch"]
