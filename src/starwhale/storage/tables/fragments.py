"""Fragments: Parquet files of rows, with page checksums and a BLAKE3 of the whole, in row groups small enough for random access."""

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
from starwhale.storage.tables.files import damaged, digest_of, make_folder, map_file, write_new
from starwhale.storage.tables.manifest import Fragment

HIDDEN_COLUMN = "__hidden__"
"""Stored column of a patch: the names that each row hides."""
FRAGMENT_ROWS = 131_072
"""Rows of a fragment, at most."""
FRAGMENT_BYTES = 16 << 20
"""Bytes of a fragment, about."""
GROUP_ROWS = 4096
"""Rows of a row group, at most."""
GROUP_BYTES = 2 << 20
"""Bytes of a row group, about."""
CACHE_BYTES = 32 << 20
"""Decompressed columns that one dataset keeps in memory."""
MAX_OPEN = 64
"""Fragments of one dataset that are open at the same time: each holds a file descriptor."""
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

    def __init__(self, folder: Path, fragment: Fragment, cache: ColumnCache) -> None:
        self.fragment = fragment
        """What the manifest says of it."""
        self.path = folder / f"{fragment.file}.parquet"
        """The file."""
        self._cache = cache
        self._lock = threading.Lock()
        self._file: Any = None
        self._starts: list[int] = []
        self._keys: Sequence[Key] | None = None

    def pieces(self, start: int, stop: int, name: str) -> list[Any]:
        """Read one column of the rows [start, stop), as one array per row group that they touch."""
        if not self._starts:
            self._open()
        found: list[Any] = []
        group = bisect_right(self._starts, start) - 1
        while start < stop:
            first, last = self._starts[group], min(stop, self._starts[group + 1])
            array = self._column(group, name)
            found.append(
                array if (start, last) == (first, self._starts[group + 1]) else array[start - first : last - first]
            )
            start, group = last, group + 1
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
        if self.fragment.is_contiguous:
            return min(max(key - int(self.fragment.low), 0), self.fragment.rows)
        if self._keys is None:
            self._keys = self.keys(0, self.fragment.rows)
        return bisect_left(self._keys, key)

    def find(self, key: Any) -> int | None:
        """Position of a key."""
        position = self.lower_bound(key)
        if position == self.fragment.rows:
            return None
        if self.fragment.is_contiguous:
            return position if key >= self.fragment.low else None
        assert self._keys is not None  # noqa: S101  lower_bound has read them
        return position if self._keys[position] == key else None

    def forget_keys(self) -> None:
        """Free the keys that lookups keep in memory."""
        self._keys = None

    def hidden(self) -> list[list[str] | None]:
        """Names that each row of a patch hides."""
        if HIDDEN_COLUMN not in self._open().schema_arrow.names:
            return [None] * self.fragment.rows
        found: list[list[str] | None] = []
        for piece in self.pieces(0, self.fragment.rows, HIDDEN_COLUMN):
            found.extend(piece.to_pylist())
        return found

    def check(self) -> None:
        """Read every column.

        Raises:
            CorruptedError: The file or a page of it is damaged.
        """
        for name in self._open().schema_arrow.names:
            self.pieces(0, self.fragment.rows, name)

    def close(self) -> None:
        """Let go of the file until it is needed again."""
        self._file = None

    def _column(self, group: int, name: str) -> Any:
        place = (self.fragment.digest, group, name)
        array = self._cache.get(place)
        if array is None:
            file = self._open()
            with self._lock:
                try:
                    table = file.read_row_group(group, columns=[name], use_threads=False)
                except (OSError, pa.ArrowException) as error:
                    raise damaged(self.path, f"row group {group} cannot be read ({error})") from error
            array = table.column(0).combine_chunks()
            if isinstance(array, pa.ChunkedArray):
                array = array.chunk(0) if array.num_chunks else pa.nulls(0, array.type)
            self._cache.put(place, array)
        return array

    def _open(self) -> Any:
        """Return the Parquet file; its digest is verified when this reader opens it first."""
        file = self._file
        if file is not None:
            return file
        with self._lock:
            view = map_file(self.path, what="a fragment of rows")
            if not self._starts and digest_of(view) != self.fragment.digest:
                raise damaged(self.path, "a fragment of rows differs from its checksum")
            try:
                file = pq.ParquetFile(pa.py_buffer(view), page_checksum_verification=True)
            except (OSError, pa.ArrowException) as error:
                raise damaged(self.path, f"not a Parquet file ({error})") from error
            starts = [0]
            for group in range(file.metadata.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
            self._starts = starts
            self._file = file
        self._cache.opened(self)
        return file


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
        write_page_checksum=True,
        write_statistics=False,
        **options,
    )
    content = out.getvalue()
    make_folder(path.parent)
    write_new(path, content, sync=False)
    kinds = {
        codec.unescape_name(field.name): codec.kind_of(field)
        for field in table.schema
        if not field.name.startswith("__")
    }
    return Fragment(
        file=path.stem,
        digest=digest_of(content),
        rows=table.num_rows,
        size=content.size,
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


__all__ = ["ColumnCache", "FragmentReader", "unify", "write_fragment"]
