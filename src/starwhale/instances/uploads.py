"""Contents that are on their way to a server: each grows under the digest that it will have, and is nothing until it is whole.

They lie below `tmp/`, where what nobody has gone on with for a day is swept.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, BinaryIO

from starwhale.errors import ConflictError, ContentError, NotFoundError
from starwhale.storage.blobs.content import digest_file
from starwhale.storage.blobs.digests import check_digest
from starwhale.storage.blobs.local import no_space

if TYPE_CHECKING:
    from pathlib import Path


class Uploads:
    """Uploads below one folder; any number of threads and processes may use it at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Where one lies."""
        return self._folder / f"upload-{check_digest(digest)}"

    def size(self, digest: str) -> int:
        """Return how many bytes are there; 0 when nothing is."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def take_in(self, path: Path, digest: str) -> None:
        """Give a whole file of this file system out, until it is a day old, as if it had been uploaded."""
        path.replace(self.path(digest))

    @contextmanager
    def appending(self, digest: str, offset: int) -> Generator[FileIO]:
        """Open an upload to be gone on with, alone; what is written stays, whatever happens after it.

        Raises:
            ConflictError: It has another size than `offset`, or another request writes to it.
            NoSpaceError: The disk is full.
        """
        path = self.path(digest)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("ab", buffering=0) as file:
                _lock(file, digest)
                size = os.fstat(file.fileno()).st_size
                if size != offset:
                    message = f"{size} bytes of {digest[:12]}… are here, and what came begins at {offset}"
                    raise ConflictError(message, hint="ask how many there are, and send the rest")
                yield file
        except OSError as error:
            raise no_space(error, path) from error

    @contextmanager
    def finished(self, digest: str) -> Generator[Path]:
        """Give a whole upload, verified and durable, to whoever moves it away.

        Raises:
            ContentError: It has another digest; it is dropped.
            NotFoundError: There is none.
        """
        path = self.path(digest)
        try:
            with path.open("rb+") as file:
                _lock(file, digest)
                found = digest_file(file)
                if found != digest:
                    path.unlink(missing_ok=True)
                    message = f"what was sent has the digest {found[:12]}…, and should have {digest[:12]}…"
                    raise ContentError(message, hint="it is dropped; send it again")
                os.fsync(file.fileno())
                yield path
        except FileNotFoundError as error:
            raise NotFoundError(f"nothing of {digest[:12]}… was sent", hint="send it first") from error

    def drop(self, digest: str) -> None:
        """Forget what was sent of a content."""
        self.path(digest).unlink(missing_ok=True)


def _lock(file: BinaryIO, digest: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"another request sends {digest[:12]}… at the moment"
        raise ConflictError(message, hint="wait a little, ask how many bytes there are, and send the rest") from error


__all__ = ["Uploads"]
