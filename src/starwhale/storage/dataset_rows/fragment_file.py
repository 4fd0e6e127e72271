"""The file of one fragment: opened and verified on first use; its columns by row group, its wide values by rows."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
from blake3 import blake3

from starwhale.errors import CorruptedError
from starwhale.storage.columns.files import damaged, digest_of
from starwhale.storage.dataset_rows.blocks import BlockColumn, ValueIndex
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.manifest import Fragment
from starwhale.storage.dataset_rows.places import FileImage, FileSpan, LocalImage, Places
from starwhale.storage.dataset_rows.sums import MAGIC, Tail, open_parquet

TOGETHER_BYTES = 128 << 10
"""Bytes of a column that are read and decoded at one time where its row groups are smaller: a short column has many of them."""
_WHAT = "a fragment of rows"
_INDEX = -1  # in the cache, in the place of a row group: the index of a wide column


class FragmentFile:
    """What lies in a fragment, as it is stored; safe to use from several threads."""

    def __init__(self, places: Places, fragment: Fragment, cache: ColumnCache) -> None:
        self.fragment = fragment
        """What the manifest says of it."""
        self.name = fragment_name(fragment)
        """Its name below the dataset's folder."""
        self._places = places
        self._cache = cache
        self._lock = threading.Lock()
        self._image: FileImage | None = None
        self._tail: Tail | None = None
        self._parquet: Any = None  # of a local fragment only: an image of one that lies elsewhere comes and goes
        self._fresh: tuple[memoryview, Any] | None = None
        """Memory of the size of a local fragment, with the tail at its end and nothing before, and what decodes it: for the first read."""
        self._names: list[str] = []  # of a fragment without a tail
        self._starts: list[int] = []

    # ------------------------------------------------------------------------------------------------- what there is, and where

    @property
    def address(self) -> str:
        """Where the file lies, for messages."""
        return self._places.address(self.name)

    @property
    def is_opened(self) -> bool:
        """Whether its tail was read."""
        return bool(self._starts)

    @property
    def first_span(self) -> FileSpan:
        """What opening it reads."""
        part = self.fragment
        return FileSpan(part.size - part.tail, part.tail) if part.tail else FileSpan(0, part.size)

    @property
    def starts(self) -> Sequence[int]:
        """First row of each row group, and the number of rows."""
        self._open()
        return self._starts

    @property
    def columns(self) -> list[str]:
        """Names of the stored columns."""
        self._open()
        return list(dict.fromkeys([*self._tail.columns, *self._tail.blocks])) if self._tail else list(self._names)

    def wide(self, name: str) -> BlockColumn | None:
        """Where a column has its values if not, or not only, in row groups."""
        self._open()
        return self._tail.blocks.get(name) if self._tail else None

    def is_grouped(self, name: str) -> bool:
        """Whether something of a column lies in row groups."""
        self._open()
        return self._tail is None or name in self._tail

    def group_of(self, key: Any) -> int | None:
        """Row group in which a key stands if it is anywhere; None where only reading all keys tells."""
        self._open()
        return self._tail.group_of(key) if self._tail else None

    def spans(self, start: int, stop: int, names: Sequence[str]) -> list[FileSpan]:
        """Say which stretches hold stored columns of the rows [start, stop), without those in the cache."""
        self._open()
        if self._tail is None or stop <= start:
            return []
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._starts, stop)
        chunks = [
            self._tail.chunk(group, name)
            for group in range(first, last)
            for name in names
            if name in self._tail and self._cache.get((self.fragment.digest, group, name)) is None
        ]
        found = [FileSpan(chunk.offset, chunk.size) for chunk in chunks]
        for column in filter(None, map(self._tail.blocks.get, names)):
            stretches = self._index(column).stretches([(start, stop)])
            found.extend(FileSpan(column.offset + low, high - low) for low, high in stretches)
        return found

    def index_spans(self, names: Sequence[str]) -> list[FileSpan]:
        """Say where the indexes of wide columns lie that are not in the cache; `spans` has to know them."""
        self._open()
        columns = filter(None, map(self._tail.blocks.get, names)) if self._tail else ()
        return [
            FileSpan(column.index_offset, column.index_size)
            for column in columns
            if self._cache.get((self.fragment.digest, _INDEX, column.name)) is None
        ]

    # ------------------------------------------------------------------------------------------------------------------ reading

    def grouped(self, first: int, last: int, name: str) -> list[Any]:
        """Read what of a column lies in the row groups [first, last), as an array each; what lies close together is decoded together."""
        self._open()
        digest = self.fragment.digest
        found = self._cache.get_groups(digest, range(first, last), name)
        group = first
        while group < last:
            if found[group - first] is not None:
                group += 1
                continue
            end, weight = group + 1, self._weight(group, name)
            while (
                end < last
                and found[end - first] is None
                and (weight := weight + self._weight(end, name)) <= TOGETHER_BYTES
            ):
                end += 1
            arrays, nbytes = self._decode(range(group, end), name)
            found[group - first : end - first] = arrays
            self._cache.put((((digest, number, name), array) for number, array in enumerate(arrays, group)), nbytes)
            group = end
        return found

    def wide_values(self, column: BlockColumn, ranges: Sequence[tuple[int, int]]) -> Any:
        """Read the values of a wide column in rising ranges of rows, as one array; the blocks that hold them, and nothing else.

        Raises:
            CorruptedError: A block differs from its checksum.
        """
        index = self._index(column)

        def read(low: int, high: int) -> memoryview:
            content = self._bytes(FileSpan(column.offset + low, high - low))
            self._check_blocks(column, index, low, content)
            return content

        return index.array(ranges, read)

    def check(self) -> memoryview:
        """Read all of it, compare every byte with its checksum, and return it; nothing is decoded.

        Raises:
            CorruptedError: The file or a column of it is damaged.
        """
        self._open()
        view = self._show(None)
        if self._tail is None:  # then opening it has read all of it; not so if it was forgotten since
            if digest_of(view) != self.fragment.digest:
                raise self._damaged("a fragment of rows differs from its checksum")
            return view
        if digest_of(view[len(view) - self.fragment.tail :]) != self.fragment.digest:
            raise self._damaged("a fragment of rows differs from its checksum")
        if view[: len(MAGIC)] != MAGIC:
            raise self._damaged("it does not begin like a Parquet file")
        end = len(MAGIC)
        for group in range(len(self._starts) - 1):
            for name in self._tail.columns:
                chunk = self._tail.chunk(group, name)
                if chunk.offset != end or not chunk.is_intact(view):
                    raise self._damaged(f"column {name!r} of row group {group} differs from its checksum")
                end += chunk.size
        for column in self._tail.blocks.values():
            if column.offset != end:
                raise self._damaged(f"the values of column {column.name!r} are not where they should be")
            index = self._read_index(column, view[column.index_offset : column.stop])
            self._check_blocks(column, index, 0, view[column.offset : column.index_offset])
            end = column.stop
        if end != len(view) - self.fragment.tail:
            raise self._damaged("it holds more than its columns")
        return view

    def close(self) -> None:
        """Let go of the file until it is needed again."""
        self._parquet = self._image = self._fresh = None

    # ------------------------------------------------------------------------------------------------------------------- inside

    def _weight(self, group: int, name: str) -> int:
        """Bytes that a column of a row group has in the file; a lot where nobody knows."""
        return TOGETHER_BYTES if self._tail is None else self._tail.chunk(group, name).size

    def _decode(self, groups: Sequence[int], name: str) -> tuple[list[Any], int]:
        """Return an array for each row group, and the bytes that they take together."""
        tail = self._tail
        if tail is None:
            with self._lock:
                table = self._read_groups(self._whole_file(), groups, name)
        else:
            table = self._read_groups(self._verified_file(tail, groups, name), groups, name)
        array = _joined(table.column(0))
        if len(groups) == 1:
            return [array], array.nbytes
        base = self._starts[groups[0]]
        cut = [array[self._starts[group] - base : self._starts[group + 1] - base] for group in groups]
        return cut, array.nbytes

    def _read_groups(self, file: Any, groups: Sequence[int], name: str) -> Any:
        try:
            return file.read_row_groups(groups, columns=[name], use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(f"row groups {list(groups)} cannot be read ({error})") from error

    def _verified_file(self, tail: Tail, groups: Sequence[int], name: str) -> Any:
        """Return what decodes a column of some row groups: of memory of its own, in which those were verified."""
        chunks = [tail.chunk(group, name) for group in groups]
        spans = [FileSpan(chunk.offset, chunk.size) for chunk in chunks]
        image = self._opened_image()
        with self._lock:
            fresh, self._fresh = self._fresh, None
        if fresh is not None and isinstance(image, LocalImage):
            view, file = fresh
            image.fill(view, spans)
        else:
            view = image.gather(spans, size=self.fragment.size)
            file = self._open_parquet(view, tail.metadata)
        for group, chunk in zip(groups, chunks, strict=True):
            if not chunk.is_intact(view):
                raise self._damaged(f"column {name!r} of row group {group} differs from its checksum")
        return file

    def _whole_file(self) -> Any:
        """Return what decodes a file without a tail, whose pages are verified as they are decoded."""
        file = self._parquet
        if file is None:
            view = self._show(None)
            if not self._places.is_local and digest_of(view) != self.fragment.digest:  # fetched again
                raise self._damaged("a fragment of rows differs from its checksum")
            file = self._open_parquet(view)
            if self._places.is_local:
                self._parquet = file
        return file

    def _open_parquet(self, view: Any, metadata: Any = None) -> Any:
        try:
            return open_parquet(view, metadata, checks_pages=not self.fragment.tail)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(f"not a Parquet file ({error})") from error

    def _index(self, column: BlockColumn) -> ValueIndex:
        place = self.fragment.digest, _INDEX, column.name
        index = self._cache.get(place)
        if index is None:
            index = self._read_index(column, self._bytes(FileSpan(column.index_offset, column.index_size)))
            self._cache.put([(place, index)], index.nbytes)
        return index

    def _read_index(self, column: BlockColumn, content: memoryview) -> ValueIndex:
        if blake3(content).digest() != column.index_digest:
            raise self._damaged(f"the index of column {column.name!r} differs from its checksum")
        return ValueIndex(content, self.fragment.rows, column)

    def _check_blocks(self, column: BlockColumn, index: ValueIndex, first: int, content: memoryview) -> None:
        block = index.damaged_block(first, content)
        if block is not None:
            raise self._damaged(f"block {block} of column {column.name!r} differs from its checksum")

    def _bytes(self, span: FileSpan) -> memoryview:
        """Read a stretch; of a local file these very bytes, not a map, which could change between a look and the next."""
        image = self._opened_image()
        if isinstance(image, LocalImage):
            return memoryview(image.read(span))
        return image.show([span], size=self.fragment.size)[span.offset : span.offset + span.size]

    def _show(self, spans: Sequence[FileSpan] | None) -> memoryview:
        return self._opened_image().show(spans, size=self.fragment.size)[: self.fragment.size]

    def _opened_image(self) -> FileImage:
        image = self._image
        if image is None:
            image = self._image = self._places.open(self.name, what=_WHAT)
            if self._places.is_local:
                self._cache.opened(self)
        return image

    def _open(self) -> None:
        """Read what tells where everything lies, verified."""
        if self._starts:
            return
        with self._lock:
            if not self._starts:
                self._starts = self._read_tail() if self.fragment.tail else self._read_footer()

    def _read_tail(self) -> list[int]:
        image, span, file = self._opened_image(), self.first_span, None
        memory = image.gather([span], size=self.fragment.size)
        content = memory[span.offset : span.offset + span.size]
        if digest_of(content) != self.fragment.digest:
            raise self._damaged("a fragment of rows differs from its checksum")
        if isinstance(image, LocalImage):
            file = self._open_parquet(memory)
            self._fresh = memory, file
        try:
            self._tail = Tail(content, file)
        except ValueError as error:
            raise self._damaged(f"its tail cannot be read ({error})") from error
        return _starts_of(self._tail.metadata)

    def _read_footer(self) -> list[int]:
        """Do the same with a file that has no tail: all of it is verified."""
        view = self._show(None)
        if digest_of(view) != self.fragment.digest:
            raise self._damaged("a fragment of rows differs from its checksum")
        file = self._open_parquet(view)
        if self._places.is_local:
            self._parquet = file
        self._names = list(file.schema_arrow.names)
        return _starts_of(file.metadata)

    def _damaged(self, reason: str) -> CorruptedError:
        return damaged(self.address, reason)


def _starts_of(metadata: Any) -> list[int]:
    groups = range(metadata.num_row_groups)
    return list(accumulate((metadata.row_group(group).num_rows for group in groups), initial=0))


def _joined(column: Any) -> Any:
    if column.num_chunks == 1:  # as Parquet gives them mostly; joining would copy it
        return column.chunk(0)
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks else pa.nulls(0, array.type)
    return array


def fragment_name(fragment: Fragment) -> str:
    """Name the file of a fragment below its dataset's folder."""
    return f"fragments/{fragment.file}.parquet"


__all__ = ["FragmentFile", "fragment_name"]
