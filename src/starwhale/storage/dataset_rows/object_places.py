"""Files of a dataset on an object store, seen in memory that fills as stretches of them are asked for.

What is near is asked for in one request, several requests run at once, whoever reads a pack in order gets more than was asked for, and
what was not used for long is forgotten.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from starwhale.errors import NotFoundError
from starwhale.storage.columns.files import damaged
from starwhale.storage.dataset_rows.places import FileSpan

CACHE_BYTES = 64 << 20
"""Bytes of one dataset that are kept in memory, about."""
NEAR_BYTES = 64 << 10
"""Stretches with fewer bytes between them are asked for together: so many bytes cost less than another request."""
PIECE_BYTES = 4 << 20
"""Longer stretches are asked for in pieces, at once."""
FIRST_AHEAD = 256 << 10
"""Bytes of a pack that are read ahead at first when values are read in order; doubled each time, up to a piece."""
CONNECTIONS = 8
"""Requests at the same time."""
IN_MEMORY = 256 << 20
"""Files above this size, which hold very large values, are seen through a temporary file instead of memory."""


class Stretches:
    """Which bytes of a file are there: disjoint stretches, in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.total = 0
        """Bytes in all of them."""

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return what of [start, stop) is not there."""
        found: list[tuple[int, int]] = []
        place = bisect_right(self._stops, start)
        while start < stop:
            if place == len(self._starts) or self._starts[place] >= stop:
                found.append((start, stop))
                break
            if start < self._starts[place]:
                found.append((start, self._starts[place]))
            start = self._stops[place]
            place += 1
        return found

    def add(self, start: int, stop: int) -> None:
        """Note that [start, stop) is there."""
        for first, last in self.missing(start, stop):
            place = bisect_right(self._starts, first)
            self._starts.insert(place, first)
            self._stops.insert(place, last)
            self.total += last - first


class ObjectImage:
    """One object; bytes of it that were not asked for are zeros."""

    def __init__(self, places: ObjectPlaces, name: str, size: int) -> None:
        self.name = name
        """Of the file."""
        self.size = size
        """Bytes of it."""
        self._places = places
        self._lock = threading.Lock()
        self._buffer: memoryview | None = None
        self._there = Stretches()
        self._next = -1
        self._ahead = 0

    @property
    def total(self) -> int:
        """Bytes that are in memory."""
        return self._there.total

    def show(self, spans: Iterable[FileSpan] | None = None, *, size: int) -> memoryview:
        if size > self.size:
            raise damaged(self._places.address(self.name), f"it has {self.size} bytes, and should have {size}")
        wanted = [FileSpan(0, size)] if spans is None else list(spans)
        self._places.fetch([(self.name, self._with_ahead(span)) for span in wanted])
        with self._lock:
            view = self._buffer
            if view is not None and not any(self._missing(span) for span in wanted):
                return view
        return self._alone(wanted)

    def gather(self, spans: Sequence[FileSpan], *, size: int) -> memoryview:
        return self.show(spans, size=size)

    def missing(self, span: FileSpan) -> list[tuple[int, int]]:
        """Return what of a stretch is not there."""
        with self._lock:
            return self._missing(span)

    def fill(self, start: int, content: bytes) -> None:
        """Put bytes where they belong."""
        with self._lock:
            if self._buffer is None:
                self._buffer = _empty(self.size)
            self._buffer[start : start + len(content)] = content
            self._there.add(start, start + len(content))

    def forget(self) -> None:
        """Give the memory back; views that were shown stay as they are."""
        with self._lock:
            self._buffer, self._there = None, Stretches()

    def _missing(self, span: FileSpan) -> list[tuple[int, int]]:
        return self._there.missing(span.offset, span.offset + span.size)

    def _alone(self, wanted: list[FileSpan]) -> memoryview:
        """Fetch what another thread had forgotten in between, into memory of its own."""
        buffer = _empty(self.size)
        for span in wanted:
            buffer[span.offset : span.offset + span.size] = self._places.read_span(self.name, span)
        return buffer

    def _with_ahead(self, span: FileSpan) -> FileSpan:
        """Ask for more than is wanted where a pack is read in order."""
        if not self.name.startswith("packs/"):
            return span
        with self._lock:
            is_in_order, self._next = span.offset == self._next, span.offset + span.size
            self._ahead = min(PIECE_BYTES, self._ahead * 2 or FIRST_AHEAD) if is_in_order else 0
            if not self._ahead or not self._missing(span):
                return span
            return FileSpan(span.offset, min(span.size + self._ahead, self.size - span.offset))


class Bucket(Protocol):
    """What files are read from: an object store, or a server."""

    def uri(self, key: str) -> str:
        """Name a file for messages."""
        ...

    def read(self, key: str, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes [offset, offset + size) of a file, or up to its end; NotFoundError where there is none."""
        ...


class ObjectPlaces:
    """The files of one dataset on an object store, or a server.

    Args:
        bucket: Where.
        prefix: Beginning of their keys, without a slash at the end.
    """

    is_local = False

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._sizes: dict[str, int] = {}
        self._images: OrderedDict[str, ObjectImage] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="starwhale-s3")

    def know(self, sizes: Mapping[str, int]) -> None:
        """Learn how large files are, from a manifest."""
        with self._lock:
            self._sizes.update(sizes)

    def address(self, name: str) -> str:
        return self._bucket.uri(self._key(name))

    def open(self, name: str, *, what: str) -> ObjectImage:
        with self._lock:
            image = self._images.get(name)
            if image is None:
                if name not in self._sizes:
                    raise damaged(self.address(name), f"{what} is not named by the version")
                image = self._images[name] = ObjectImage(self, name, self._sizes[name])
            return image

    def read(self, name: str, *, what: str) -> bytes:
        try:
            return self._bucket.read(self._key(name))
        except NotFoundError as error:
            raise damaged(self.address(name), f"{what} is missing") from error

    def read_span(self, name: str, span: FileSpan) -> bytes:
        """Read a stretch of a file, whole.

        Raises:
            CorruptedError: The file is missing or shorter.
            ObjectStoreError: The store cannot be reached, or refuses.
        """
        try:
            content = self._bucket.read(self._key(name), span.offset, span.size)
        except NotFoundError as error:
            raise damaged(self.address(name), "it is missing") from error
        if len(content) != span.size:
            end = span.offset + len(content)
            raise damaged(
                self.address(name), f"it ends at byte {end}, and should reach to byte {span.offset + span.size}"
            )
        return content

    def fetch(self, wanted: Iterable[tuple[str, FileSpan]]) -> None:
        by_name: dict[str, list[tuple[int, int]]] = {}
        for name, span in wanted:
            image = self.open(name, what="a file of the dataset")
            by_name.setdefault(name, []).extend(image.missing(span))
        jobs = [(name, piece) for name, missing in by_name.items() for piece in join_near(missing)]
        self._make_room(sum(piece.size for _, piece in jobs), set(by_name))
        if len(jobs) == 1:
            self._fetch_one(*jobs[0])
        elif jobs:
            for done in [self._pool.submit(self._fetch_one, *job) for job in jobs]:
                done.result()

    def _fetch_one(self, name: str, piece: FileSpan) -> None:
        self.open(name, what="a file of the dataset").fill(piece.offset, self.read_span(name, piece))

    def _make_room(self, more: int, used: set[str]) -> None:
        """Forget what was not used for long, so that `more` bytes fit."""
        with self._lock:
            for name in used:
                self._images.move_to_end(name)
            total = sum(image.total for image in self._images.values()) + more
            for name, image in list(self._images.items()):
                if total <= CACHE_BYTES or not more:
                    return
                if name not in used or image.total > CACHE_BYTES:
                    total -= image.total
                    image.forget()

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def join_near(missing: Iterable[tuple[int, int]]) -> list[FileSpan]:
    """Join stretches that are near each other, and cut long ones into pieces.

    Example:
        >>> join_near([(0, 10), (20, 30), (1_000_000, 1_000_001)])
        [FileSpan(offset=0, size=30), FileSpan(offset=1000000, size=1)]
    """
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(missing):
        if joined and start - joined[-1][1] <= NEAR_BYTES:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((start, stop))
    return [
        FileSpan(first, min(PIECE_BYTES, stop - first))
        for start, stop in joined
        for first in range(start, stop, PIECE_BYTES)
    ]


def _empty(size: int) -> memoryview:
    """Return memory that costs nothing until it is written."""
    if size <= IN_MEMORY:
        return memoryview(mmap.mmap(-1, max(1, size)))
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return memoryview(mmap.mmap(file.fileno(), size))


__all__ = ["ObjectImage", "ObjectPlaces", "Stretches", "join_near"]
