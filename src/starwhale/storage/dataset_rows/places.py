"""Where the files of one dataset lie: on this machine, mapped, or elsewhere, fetched by ranges. Chosen once, where a dataset is opened.

Names are those below the dataset's folder: `fragments/<file>.parquet`, `packs/<id>.pack`, `packs/<id>.idx`, `manifests/<digest>.json`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from starwhale.errors import CorruptedError
from starwhale.storage.columns.files import damaged, map_file, open_file, read_file


class FileSpan(NamedTuple):
    """A stretch of a file."""

    offset: int
    """First byte."""
    size: int
    """Bytes."""


class FileImage(Protocol):
    """One file, seen in memory. Nothing that it shows is verified: that is for whoever reads."""

    def show(self, spans: Iterable[FileSpan] | None = None, *, size: int) -> memoryview:
        """Return a view of the file that holds its bytes at least within `spans` (None: all of it).

        Args:
            spans: What will be looked at; the view may hold anything elsewhere.
            size: Bytes of the file, or of its part that matters; the view has at least so many.

        Raises:
            CorruptedError: The file is missing or shorter.
        """
        ...


class Places(Protocol):
    """The files of one dataset; safe to use from several threads."""

    @property
    def is_local(self) -> bool:
        """Whether they are on this machine, so that looking at a file costs nothing but what is looked at."""
        ...

    def address(self, name: str) -> str:
        """Say where a file lies, for messages."""
        ...

    def know(self, sizes: Mapping[str, int]) -> None:
        """Learn from a manifest how large files are; a hint, for those that cannot be looked at."""
        ...

    def open(self, name: str, *, what: str) -> FileImage:
        """Open a file.

        Args:
            name: Which.
            what: What it is, for messages.

        Raises:
            CorruptedError: It is missing or cannot be read.
        """
        ...

    def read(self, name: str, *, what: str) -> bytes:
        """Read a whole small file; same errors."""
        ...

    def fetch(self, wanted: Iterable[tuple[str, FileSpan]]) -> None:
        """Bring stretches of several files nearer, all at once; a hint, which changes nothing but the time that `show` takes."""
        ...


class LocalImage:
    """A file that is read, or mapped when it is looked at; it holds a descriptor for each as long as it lives."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what
        self._view: memoryview | None = None
        self._descriptor = -1
        if not os.path.isfile(path):  # noqa: PTH113  a version may have thousands of files, and a Path costs as much as the look
            raise damaged(path, f"{what} is missing or unreadable")

    def show(self, spans: Iterable[FileSpan] | None = None, *, size: int) -> memoryview:
        del spans
        view = self._view
        if view is None or len(view) < size:  # a pack that is being written grows
            view = self._view = map_file(self._path, what=self._what)
        if len(view) < size:
            raise self._too_short(len(view), size)
        return view

    def read(self, span: FileSpan) -> bytes:
        """Read a stretch: faster than copying it from the map, and it counts for nothing in the memory of the process.

        Raises:
            CorruptedError: The file cannot be read, or is shorter.
        """
        if self._descriptor < 0:
            self._descriptor = open_file(self._path, what=self._what)
            weakref.finalize(self, os.close, self._descriptor)
        pieces: list[bytes] = []
        offset, end = span.offset, span.offset + span.size
        while offset < end:  # one call hands over 2 GiB at most
            try:
                piece = os.pread(self._descriptor, end - offset, offset)
            except OSError as error:
                raise damaged(self._path, f"{self._what} cannot be read ({error.strerror or error})") from error
            if not piece:
                raise self._too_short(offset, end)
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _too_short(self, length: int, size: int) -> CorruptedError:
        return damaged(self._path, f"{self._what} ends at byte {length}, and should reach to byte {size}")


class LocalPlaces:
    """Files below one folder of this machine."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """The dataset's."""

    def address(self, name: str) -> str:
        return str(self.folder / name)

    def know(self, sizes: Mapping[str, int]) -> None:
        del sizes

    def open(self, name: str, *, what: str) -> LocalImage:
        return LocalImage(f"{self.folder}/{name}", what)

    def read(self, name: str, *, what: str) -> bytes:
        return read_file(f"{self.folder}/{name}", what=what)

    def fetch(self, wanted: Iterable[tuple[str, FileSpan]]) -> None:
        del wanted


__all__ = ["FileImage", "FileSpan", "LocalImage", "LocalPlaces", "Places"]
