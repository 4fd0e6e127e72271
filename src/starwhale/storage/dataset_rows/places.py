"""Where the files of one dataset lie: on this machine, mapped, or elsewhere, fetched by ranges. Chosen once, where a dataset is opened.

Names are those below the dataset's folder: `fragments/<file>.parquet`, `packs/<id>.pack`, `packs/<id>.idx`, `manifests/<digest>.json`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

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

    def gather(self, spans: Sequence[FileSpan], *, size: int) -> memoryview:
        """Read stretches into memory that nobody else writes to; what was verified there stays so.

        Args:
            spans: Which; the view holds them where the file does, and ends after the last of them at the earliest.
            size: Bytes of the file.

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


class _Descriptor:
    """An open file, closed when nobody uses it any more."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class LocalImage:
    """A file that is read, or mapped when it is looked at; it holds a descriptor for each as long as it lives."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what
        self._view: memoryview | None = None
        self._descriptor: _Descriptor | None = None

    def show(self, spans: Iterable[FileSpan] | None = None, *, size: int) -> memoryview:
        del spans
        view = self._view
        if view is None or len(view) < size:  # a pack that is being written grows
            view = self._view = map_file(self._path, what=self._what)
        if len(view) < size:
            raise self._too_short(len(view), size)
        return view

    def gather(self, spans: Sequence[FileSpan], *, size: int) -> memoryview:
        del size
        # Not cleared first, as memory of Python's own would be: pages of it that nothing is read into cost nothing.
        memory: memoryview = memoryview(pa.allocate_buffer(max(span.offset + span.size for span in spans)))
        self.fill(memory, spans)
        return memory

    def fill(self, memory: memoryview, spans: Sequence[FileSpan]) -> None:
        """Read more stretches to where `gather` would have put them; same errors."""
        for offset, length in spans:
            self._read_into(memory[offset : offset + length], offset)

    def read(self, span: FileSpan) -> bytes:
        """Read a stretch: faster than copying it from the map, and it counts for nothing in the memory of the process.

        Raises:
            CorruptedError: The file cannot be read, or is shorter.
        """
        offset, size = span
        descriptor = self._opened()
        try:
            content = os.pread(descriptor.number, size, offset)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(content) == size:
            return content
        whole = bytearray(size)  # one call hands over 2 GiB at most
        self._read_into(memoryview(whole), offset)
        return bytes(whole)

    def _read_into(self, memory: memoryview, offset: int) -> None:
        descriptor = self._opened()
        while memory:
            try:
                count = os.preadv(descriptor.number, [memory], offset)
            except OSError as error:
                raise self._unreadable(error) from error
            if not count:
                raise self._too_short(offset, offset + len(memory))
            memory = memory[count:]
            offset += count

    def _opened(self) -> _Descriptor:
        """Whoever uses it keeps it, so that it is not closed meanwhile; of two threads that open at once each has its own."""
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._descriptor = _Descriptor(open_file(self._path, what=self._what))
        return descriptor

    def _unreadable(self, error: OSError) -> CorruptedError:
        return damaged(self._path, f"{self._what} cannot be read ({error.strerror or error})")

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
