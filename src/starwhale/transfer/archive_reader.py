"""The entries of a tar, one after another, as somebody expects them: nothing is held, and nothing else is believed.

`tarfile` is not used for this: it reads extended headers of any length into memory, follows sparse ones, and goes on behind what it does
not understand. What `write_archive` writes has none of these.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import BinaryIO

from starwhale.errors import CorruptedError

_BLOCK = tarfile.BLOCKSIZE


class EntryReader:
    """Reads a tar forwards. Whoever opened the file closes it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        """The archive, for messages."""
        self._file = file
        self._left = 0
        self._padding = 0
        self._name = ""

    def open(self, name: str, size: int | None = None) -> int:
        """Go to the next entry, which has to be this one, and return its bytes; the one before has to be read to its end.

        Raises:
            CorruptedError: Another one is there, or none.
        """
        block = self._exactly(_BLOCK, f"before {name}")
        try:
            found = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise damaged(self.path, f"it is no archive, or not whole: {error} where {name!r} should be") from error
        is_plain = found.name == name and found.type == tarfile.REGTYPE
        if not is_plain or found.size < 0 or (size is not None and found.size != size):
            raise damaged(self.path, f"{found.name!r} stands where {name!r} should, or has another size or type")
        self._name, self._left, self._padding = name, found.size, -found.size % _BLOCK
        self._skip_padding()
        return found.size

    def read(self, most: int) -> bytes:
        """Return the next bytes of the entry; none at its end.

        Raises:
            CorruptedError: The archive ends within the entry.
        """
        if not self._left:
            return b""
        piece = self._file.read(min(most, self._left))
        if not piece:
            raise damaged(self.path, f"it ends within {self._name}")
        self._left -= len(piece)
        self._skip_padding()
        return piece

    def read_all(self) -> bytes:
        """Return all bytes of the entry.

        Raises:
            CorruptedError: The archive ends within the entry.
        """
        return b"".join(iter(lambda: self.read(1 << 20), b""))

    def end(self) -> None:
        """Make sure that nothing but zeros follows, and no more of them than tar programs write: another entry would be seen by these alone.

        Raises:
            CorruptedError: Something else follows.
        """
        rest = self._file.read(tarfile.RECORDSIZE + 2 * _BLOCK + 1)
        if len(rest) > tarfile.RECORDSIZE + 2 * _BLOCK or rest.strip(b"\0"):
            raise damaged(self.path, "something follows its end")

    def _skip_padding(self) -> None:
        if not self._left and self._padding:
            self._exactly(self._padding, f"within {self._name}")
            self._padding = 0

    def _exactly(self, size: int, where: str) -> bytes:
        found = self._file.read(size)
        if len(found) != size:
            raise damaged(self.path, f"it ends {where}")
        return found


def damaged(path: Path, reason: str) -> CorruptedError:
    """Describe an archive that is not what it should be."""
    return CorruptedError(
        f"corrupted archive {path}: {reason}", path=str(path), hint="get the file again; nothing was imported"
    )


__all__ = ["EntryReader", "damaged"]
