"""Fragments: Parquet files of rows in row groups small enough for random access, every column of which has a BLAKE3 (see `sums`)."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from starwhale.storage.protocols import Key
from starwhale.storage.tables import columns as codec
from starwhale.storage.tables.cells import Sink
from starwhale.storage.tables.columns import KEY_COLUMN, SourceOf
from starwhale.storage.tables.files import damaged, digest_of, make_folder, write_new
from starwhale.storage.tables.manifest import Fragment
from starwhale.storage.tables.places import Image, Places, Span
from starwhale.storage.tables.sums import MAGIC, Tail, make_tail

HIDDEN_COLUMN = "__hidden__"
"""Stored column of a patch: the names that each row hides."""
FRAGMENT_ROWS = 131_072
"""Rows of a fragment, at most."""
FRAGMENT_BYTES = 16 << 20
"""Bytes of a fragment, about."""
GROUP_ROWS = 4096
"""Rows of a row group, at most."""
GROUP_BYTES = 3 << 18
"""Bytes of a row group, about: what reading one row from elsewhere fetches, at most."""
CACHE_BYTES = 32 << 20
"""Decompressed columns that one dataset keeps in memory."""
TOGETHER_BYTES = 128 << 10
"""Bytes of a column that are read and decoded at one time where its row groups are smaller: a short column has many of them."""
MAX_OPEN = 16
"""Fragments of one dataset that are open at the same time: each holds a map, which counts in the memory of the process once it is read."""
_COMPRESS_BELOW = 256
"""Columns with larger cells are mostly media, which are compressed already."""


class ColumnCache:
    """Decompressed columns of row groups, least recently used ones dropped first; safe to use from several threads."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._arrays: OrderedDict[tuple[str, int, str], Any] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._open: OrderedDict[FragmentReader, None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: tuple[str, int, str]) -> Any:
        """Return a column, or None."""
        with self._lock:
            found = self._arrays.get(place)
            if found is not None:
                self._arrays.move_to_end(place)
            return found

    def put(self, place: tuple[str, int, str], array: Any) -> None:
        """Keep a column."""
        with self._lock:
            if place not in self._arrays:
                self._arrays[place] = array
                self._bytes += array.nbytes
            while self._bytes > self._max_bytes and len(self._arrays) > 1:
                _, dropped = self._arrays.popitem(last=False)
                self._bytes -= dropped.nbytes

    def opened(self, reader: FragmentReader) -> None:
        """Note that a reader has opened its file, and close one that was opened long ago."""
        with self._lock:
            self._open[reader] = None
            oldest = self._open.popitem(last=False)[0] if len(self._open) > MAX_OPEN else None
        if oldest is not None:
            oldest.close()


class FragmentReader:
    """One fragment, opened and verified on first use; safe to use from several threads."""

    def __init__(self, places: Places, fragment: Fragment, cache: ColumnCache) -> None:
        self.fragment = fragment
        """What the manifest says of it."""
        self.name = fragment_name(fragment)
        """Its file."""
        self._places = places
        self._cache = cache
        self._lock = threading.Lock()
        self._image: Image | None = None
        self._tail: Tail | None = None
        self._file: Any = None  # of a local fragment only: an image of one that lies elsewhere comes and goes
        self._names: list[str] = []  # of a fragment without a tail
        self._starts: list[int] = []
        self._keys: dict[int, Sequence[Key]] = {}  # position of the first → keys that lookups have read

    def pieces(self, start: int, stop: int, name: str) -> list[Any]:
        """Read one column of the rows [start, stop), as one array per row group that they touch."""
        self._open()
        if stop <= start:
            return []
        starts, first = self._starts, bisect_right(self._starts, start) - 1
        found = self._columns(first, bisect_left(starts, stop), name)
        low, high = start - starts[first], stop - starts[first + len(found) - 1]
        if high < len(found[-1]):
            found[-1] = found[-1][:high]
        if low:
            found[0] = found[0][low:]
        return found

    def values(self, start: int, stop: int, name: str, source_of: SourceOf | None) -> list[Any]:
        """Decode one feature of the rows [start, stop); None everywhere when the fragment does not have it."""
        kind = self.fragment.columns.get(name)
        if kind is None:
            return [None] * (stop - start)
        decoded: list[Any] = []
        for piece in self.pieces(start, stop, codec.escape_name(name)):
            decoded.extend(codec.decode_column(piece, kind, source_of))
        return decoded

    def values_at(self, ranges: Sequence[tuple[int, int]], name: str, source_of: SourceOf | None) -> list[Any]:
        """Decode one feature of the rows of several ranges [start, stop), one after another."""
        kind = self.fragment.columns.get(name)
        if kind is None:
            return [None] * sum(stop - start for start, stop in ranges)
        return codec.decode_column(self._pick(ranges, codec.escape_name(name)), kind, source_of)

    def keys_at(self, ranges: Sequence[tuple[int, int]]) -> list[Key]:
        """Read the keys of the rows of several ranges."""
        if self.fragment.is_contiguous:
            low = int(self.fragment.low)
            return [key for start, stop in ranges for key in range(low + start, low + stop)]
        return self._pick(ranges, KEY_COLUMN).to_pylist()

    def _pick(self, ranges: Sequence[tuple[int, int]], name: str) -> Any:
        self._open()
        starts, known, found = self._starts, dict[int, Any](), list[Any]()
        for start, stop in ranges:
            group = bisect_right(starts, start) - 1
            while start < stop:
                array = known.get(group)
                if array is None:
                    array = known[group] = self._columns(group, group + 1, name)[0]
                first, last = starts[group], min(stop, starts[group + 1])
                found.append(array[start - first : last - first])
                start, group = last, group + 1
        return found[0] if len(found) == 1 else pa.concat_arrays(found)

    def keys(self, start: int, stop: int) -> list[Key]:
        """Read the keys of the rows [start, stop)."""
        if self.fragment.is_contiguous:
            low = int(self.fragment.low)
            return list(range(low + start, low + stop))
        found: list[Key] = []
        for piece in self.pieces(start, stop, KEY_COLUMN):
            found.extend(piece.to_pylist())
        return found

    def lower_bound(self, key: Any) -> int:
        """Count the rows with smaller keys."""
        return self._search(key)[0]

    def find(self, key: Any) -> int | None:
        """Position of a key."""
        position, is_there = self._search(key)
        return position if is_there else None

    def _search(self, key: Any) -> tuple[int, bool]:
        """Count the rows with smaller keys, and say whether the next one has this key."""
        low, rows = self.fragment.low, self.fragment.rows
        if self.fragment.is_contiguous:
            position = min(max(key - int(low), 0), rows)
            return position, key >= low and position < rows
        self._open()
        group = self._tail.group_of(key) if self._tail else None
        if group is None:  # only reading all keys tells
            start, stop = 0, rows
        elif group < len(self._starts) - 1:
            start, stop = self._starts[group], self._starts[group + 1]
        else:
            return rows, False
        keys: Sequence[Any] | None = self._keys.get(start)
        if keys is None:
            keys = self._keys[start] = self.keys(start, stop)
        position = bisect_left(keys, key)
        return start + position, position < len(keys) and keys[position] == key

    def forget_keys(self) -> None:
        """Free the keys that lookups keep in memory."""
        self._keys = {}

    def hidden(self) -> list[list[str] | None]:
        """Names that each row of a patch hides."""
        if HIDDEN_COLUMN not in self.stored_columns():
            return [None] * self.fragment.rows
        found: list[list[str] | None] = []
        for piece in self.pieces(0, self.fragment.rows, HIDDEN_COLUMN):
            found.extend(piece.to_pylist())
        return found

    def stored_columns(self) -> list[str]:
        """Names of the columns as they are stored."""
        self._open()
        return list(self._tail.columns) if self._tail else list(self._names)

    def spans(self, start: int, stop: int, names: Sequence[str]) -> list[Span]:
        """Say which stretches of the file hold stored columns of the rows [start, stop), without those in the cache."""
        self._open()
        if self._tail is None or stop <= start:
            return []
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._starts, stop)
        there = [name for name in names if name in self._tail.columns]
        chunks = [
            self._tail.chunk(group, name)
            for group in range(first, last)
            for name in there
            if self._cache.get((self.fragment.digest, group, name)) is None
        ]
        return [Span(chunk.offset, chunk.size) for chunk in chunks]

    @property
    def is_opened(self) -> bool:
        """Whether its tail was read."""
        return bool(self._starts)

    @property
    def first_span(self) -> Span:
        """What opening it reads."""
        part = self.fragment
        return Span(part.size - part.tail, part.tail) if part.tail else Span(0, part.size)

    def check(self) -> None:
        """Compare every byte with its checksum; nothing is decoded.

        Raises:
            CorruptedError: The file or a column of it is damaged.
        """
        self._open()
        if self._tail is None:  # then opening it has read all of it
            return
        if self._show([Span(0, len(MAGIC))])[: len(MAGIC)] != MAGIC:
            raise damaged(self.address, "it does not begin like a Parquet file")
        for name in self.stored_columns():
            for group in range(len(self._starts) - 1):
                chunk = self._tail.chunk(group, name)
                if not chunk.is_intact(self._show([Span(chunk.offset, chunk.size)])):
                    raise damaged(self.address, f"column {name!r} of row group {group} differs from its checksum")

    @property
    def address(self) -> str:
        """Where the file lies, for messages."""
        return self._places.address(self.name)

    def close(self) -> None:
        """Let go of the file until it is needed again."""
        self._file = self._image = None

    def _columns(self, first: int, last: int, name: str) -> list[Any]:
        """Read one column of the row groups [first, last), as one array each; what lies close together is decoded together."""
        digest = self.fragment.digest
        found = [self._cache.get((digest, group, name)) for group in range(first, last)]
        group = first
        while group < last:
            if found[group - first] is not None:
                group += 1
                continue
            wanted = [group]
            weight = self._weight(group, name)
            while (
                group + len(wanted) < last
                and found[group + len(wanted) - first] is None
                and (weight := weight + self._weight(group + len(wanted), name)) <= TOGETHER_BYTES
            ):
                wanted.append(group + len(wanted))
            for number, array in zip(wanted, self._read_columns(wanted, name), strict=True):
                found[number - first] = array
                self._cache.put((digest, number, name), array)
            group += len(wanted)
        return found

    def _weight(self, group: int, name: str) -> int:
        """Bytes that a column of a row group has in the file; a lot where nobody knows."""
        return TOGETHER_BYTES if self._tail is None else self._tail.chunk(group, name).size

    def _read_columns(self, groups: Sequence[int], name: str) -> list[Any]:
        with self._lock:
            view = None
            if self._tail is not None:
                chunks = [self._tail.chunk(group, name) for group in groups]
                view = self._show([Span(chunk.offset, chunk.size) for chunk in chunks])
                for group, chunk in zip(groups, chunks, strict=True):
                    if not chunk.is_intact(view):
                        raise damaged(self.address, f"column {name!r} of row group {group} differs from its checksum")
            file = self._parquet(view)
            try:
                table = file.read_row_groups(groups, columns=[name], use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise damaged(self.address, f"row groups {list(groups)} cannot be read ({error})") from error
        array = _joined(table.column(0))
        if len(groups) == 1:
            return [array]
        base = self._starts[groups[0]]
        return [array[self._starts[group] - base : self._starts[group + 1] - base] for group in groups]

    def _parquet(self, view: Any) -> Any:
        """Return what decodes columns that a view of the file holds."""
        file = self._file
        if file is None:
            if self._tail is None:
                view = self._show(None)
                if not self._places.is_local and digest_of(view) != self.fragment.digest:  # fetched again
                    raise damaged(self.address, "a fragment of rows differs from its checksum")
            file = self._decoder(view, self._tail.metadata if self._tail else None)
        if self._places.is_local:
            self._file = file
            self._cache.opened(self)
        return file

    def _decoder(self, view: Any, metadata: Any = None) -> Any:
        try:
            return pq.ParquetFile(
                pa.py_buffer(view), metadata=metadata, page_checksum_verification=not self.fragment.tail
            )
        except (OSError, pa.ArrowException) as error:
            raise damaged(self.address, f"not a Parquet file ({error})") from error

    def _show(self, spans: Sequence[Span] | None) -> memoryview:
        image = self._image
        if image is None:
            image = self._image = self._places.open(self.name, what="a fragment of rows")
        return image.show(spans, size=self.fragment.size)[: self.fragment.size]

    def _open(self) -> None:
        """Read what tells where everything lies, verified."""
        if self._starts:
            return
        with self._lock:
            span = self.first_span
            view = self._show([span])[span.offset :]
            if digest_of(view) != self.fragment.digest:
                raise damaged(self.address, "a fragment of rows differs from its checksum")
            if self.fragment.tail:
                try:
                    self._tail = Tail(view)
                except ValueError as error:
                    raise damaged(self.address, f"its tail cannot be read ({error})") from error
                metadata = self._tail.metadata
            else:
                file = self._decoder(view)
                metadata, self._names = file.metadata, list(file.schema_arrow.names)
            starts = [0]
            for group in range(metadata.num_row_groups):
                starts.append(starts[-1] + metadata.row_group(group).num_rows)
            self._starts = starts


def _joined(column: Any) -> Any:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks else pa.nulls(0, array.type)
    return array


def fragment_name(fragment: Fragment) -> str:
    """Name the file of a fragment below its dataset's folder."""
    return f"fragments/{fragment.file}.parquet"


def write_fragment(path: Path, batches: Sequence[Any], sink: Sink) -> Fragment:
    """Write sorted, encoded rows as one fragment, not yet synced.

    Args:
        path: File to write.
        batches: Record batches of `encode_batch` with keys; their columns and kinds may differ.
        sink: Opens and takes long values, where values have to be encoded again to share a kind.
    """
    table = unify(batches, sink)
    keys = table.column(KEY_COLUMN)
    low, high = keys[0].as_py(), keys[-1].as_py()
    rows_per_group = max(1, min(GROUP_ROWS, GROUP_BYTES * table.num_rows // max(1, table.nbytes)))
    repeated: list[str] = []
    compression: dict[str, str] = {}
    for field in table.schema:
        kind = codec.kind_of(field)
        wide = table.column(field.name).nbytes > _COMPRESS_BELOW * table.num_rows
        if kind.startswith("media:"):
            repeated += [f"{field.name}.meta", f"{field.name}.ref.pack"]
        for leaf in _leaf_paths(field):
            compression[leaf] = "none" if wide else "lz4"
    out: Any = pa.BufferOutputStream()
    options: dict[str, Any] = {"use_dictionary": repeated, "compression": compression}
    pq.write_table(
        table,
        out,
        row_group_size=rows_per_group,
        write_page_checksum=False,  # the sums cover every byte
        write_statistics=False,
        **options,
    )
    content = memoryview(out.getvalue())
    is_contiguous = isinstance(low, int) and high - low + 1 == table.num_rows
    lasts = (
        [] if is_contiguous else [*range(rows_per_group - 1, table.num_rows - 1, rows_per_group), table.num_rows - 1]
    )
    end, sums = make_tail(content, [keys[last].as_py() for last in lasts])
    footer = content[end:]
    make_folder(path.parent)
    write_new(path, (content[:end], sums, footer), sync=False)
    kinds = {
        codec.unescape_name(field.name): codec.kind_of(field)
        for field in table.schema
        if not field.name.startswith("__")
    }
    return Fragment(
        file=path.stem,
        digest=digest_of(sums + bytes(footer)),
        tail=len(sums) + len(footer),
        rows=table.num_rows,
        size=len(content) + len(sums),
        low=low,
        high=high,
        columns=kinds,
    )


def unify(batches: Sequence[Any], sink: Sink) -> Any:
    """Join batches to one table whose columns have one kind and type each; columns without a value are left out."""
    fields: dict[str, set[tuple[str, Any]]] = {}
    for batch in batches:
        for field in batch.schema:
            fields.setdefault(field.name, set()).add((codec.kind_of(field), field.type))
    joined: list[Any] = []
    schema: list[Any] = []
    for name, variants in fields.items():
        present = {variant for variant in variants if variant[0] != "null"}
        if not present:
            continue
        kinds = {kind for kind, _ in present}
        if len(present) == 1:
            kind, arrow_type = next(iter(present))
            chunks = [_chunk_or_nulls(batch, name, arrow_type) for batch in batches]
        elif len(kinds) == 1 and kinds <= {"str", "bytes", "variant"}:
            kind, arrow_type = kinds.pop(), codec.LONG_TYPE
            chunks = [_chunk_as_long(batch, name) for batch in batches]
        else:
            values: list[Any] = []
            for batch in batches:
                values.extend(_decode_chunk(batch, name, sink.source))
            array, kind = codec.encode_column(values, name=name, sink=sink)
            arrow_type, chunks = array.type, [array]
        schema.append(pa.field(name, arrow_type, metadata={codec.KIND: kind.encode()}))
        joined.append(pa.chunked_array(chunks, arrow_type))
    return pa.Table.from_arrays(joined, schema=pa.schema(schema))


def _position(batch: Any, name: str) -> int:
    position = batch.schema.get_field_index(name)
    return -1 if position < 0 or codec.kind_of(batch.schema.field(position)) == "null" else position


def _chunk_or_nulls(batch: Any, name: str, arrow_type: Any) -> Any:
    position = _position(batch, name)
    return codec.null_array(arrow_type, batch.num_rows) if position < 0 else batch.column(position)


def _chunk_as_long(batch: Any, name: str) -> Any:
    array = _chunk_or_nulls(batch, name, codec.LONG_TYPE)
    return array if pa.types.is_struct(array.type) else codec.to_long(array)


def _decode_chunk(batch: Any, name: str, source_of: SourceOf | None) -> list[Any]:
    position = _position(batch, name)
    if position < 0:
        return [None] * batch.num_rows
    return codec.decode_column(batch.column(position), codec.kind_of(batch.schema.field(position)), source_of)


def _leaf_paths(field: Any, prefix: str = "") -> Iterable[str]:
    """Name the Parquet leaves of a field."""
    path = f"{prefix}{field.name}"
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _leaf_paths(child, f"{path}.")
    elif pa.types.is_list(field.type):
        yield from _leaf_paths(field.type.value_field.with_name("element"), f"{path}.list.")
    else:
        yield path


__all__ = ["ColumnCache", "FragmentReader", "fragment_name", "unify", "write_fragment"]
