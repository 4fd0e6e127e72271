"""Wide values of a fragment, as they are in memory, cut into blocks that are verified each; what lies beside them is not read with them.

Pixels, embeddings and texts of some length would make the row groups of a Parquet file so short that a column of labels beside them lies in
hundreds of small pieces. So they lie behind the row groups, one value after another: a value is found by its offset, and costs the blocks
that it touches, in whatever order rows are read. Behind the values of a column lies their index:

    values in blocks of 16 KiB | offset of each value and of the end | which values are there, unless all are | BLAKE3 of each block

The index has a BLAKE3 of its own in the fragment's tail (see `sums`). Decision record 0031.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
from blake3 import blake3

from starwhale.storage.columns import encode as codec
from starwhale.storage.dataset_rows.limits import Limits

BLOCK_BYTES = 16 << 10
"""Bytes of a block: one is read and verified in microseconds, and its checksum adds a five-hundredth to it."""
_DIGEST_BYTES = 32
_TYPES: dict[str, tuple[Any, int]] = {
    "binary": (pa.binary(), 1),
    "string": (pa.string(), 1),
    "list<int64>": (pa.list_(pa.int64()), 8),
    "list<double>": (pa.list_(pa.float64()), 8),
}
"""Types of values that may lie in blocks, and the bytes of one item."""


class BlockColumn(NamedTuple):
    """A column whose values lie in blocks: all of it, or what its cells hold inline (`data`) where they may be references too."""

    name: str
    """Stored name."""
    type_name: str
    """Which of the types that may lie in blocks."""
    offset: int
    """First byte of the values in the file."""
    size: int
    """Bytes of the values."""
    block_bytes: int
    """Bytes of each block but the last."""
    index_size: int
    """Bytes of the index, which follows them."""
    index_digest: bytes
    """BLAKE3 of the index."""

    @property
    def index_offset(self) -> int:
        """First byte of the index in the file."""
        return self.offset + self.size

    @property
    def stop(self) -> int:
        """Byte after the index."""
        return self.index_offset + self.index_size

    @property
    def block_count(self) -> int:
        """Blocks of the values."""
        return -(-self.size // self.block_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A wide column, taken apart."""

    rest: Any | None
    """What stays in the row groups: the struct without the child that holds values; None where nothing does."""
    type_name: str
    """Type of the values."""
    values: Sequence[memoryview]
    """One after another, in pieces as they were in memory."""
    size: int
    """Bytes of them."""
    block_bytes: int
    """Bytes of a block of them."""
    index: bytes
    """Where each is, and a digest of each block."""


class ValueIndex:
    """Where the values of a column begin, and what their blocks must be.

    Args:
        content: The index, verified.
        rows: Rows of the fragment.
        column: Which column.
    """

    def __init__(self, content: memoryview, rows: int, column: BlockColumn) -> None:
        self.arrow_type, self.width = _TYPES[column.type_name]
        self.offsets: memoryview = memoryview(bytes(content[: 4 * (rows + 1)])).cast("i")
        """In items: of each row, and of the end."""
        self._digests = bytes(content[len(content) - _DIGEST_BYTES * column.block_count :])
        bits = content[4 * (rows + 1) : len(content) - len(self._digests)]
        self._present: Any = None
        if bits:
            self._present = pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(bytes(bits))])
        self._size, self._block_bytes = column.size, column.block_bytes
        self.nbytes = len(content)
        """Memory that it takes."""

    def damaged_block(self, first: int, content: memoryview) -> int | None:
        """Find the first block that does not hold what was written.

        Args:
            first: Where among the values the content begins: with a block.
            content: The bytes of whole blocks.
        """
        size = self._block_bytes
        for number, start in enumerate(range(0, len(content), size), first // size):
            digest = self._digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]
            if blake3(content[start : start + size]).digest() != digest:
                return number
        return None

    def stretches(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Say which bytes of the values hold rising ranges of rows: whole blocks, and none twice."""
        found: list[tuple[int, int]] = []
        for start, stop in ranges:
            first, last = self._bytes_of(start, stop)
            if first == last:
                continue
            size = self._block_bytes
            low, high = first // size * size, min(-(-last // size) * size, self._size)
            if found and low <= found[-1][1]:
                found[-1] = found[-1][0], high
            else:
                found.append((low, high))
        return found

    def array(self, ranges: Sequence[tuple[int, int]], read: Callable[[int, int], memoryview]) -> Any:
        """Make the Arrow array of the values of some rows.

        Args:
            ranges: Rows [start, stop), rising.
            read: Returns bytes [start, stop) of the values, verified.
        """
        stretches = self.stretches(ranges)
        contents = [read(low, high) for low, high in stretches]
        lows = [low for low, _ in stretches]
        pieces: list[memoryview] = []
        offsets = array("i", [0])
        for start, stop in ranges:
            first, last = self._bytes_of(start, stop)
            if first < last:
                number = bisect_right(lows, first) - 1
                pieces.append(contents[number][first - lows[number] : last - lows[number]])
            shift = offsets[-1] - self.offsets[start]
            offsets.extend([offset + shift for offset in self.offsets[start + 1 : stop + 1]])
        content = pa.py_buffer(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        count = len(offsets) - 1
        head = [self._validity(ranges), pa.py_buffer(offsets)]
        if self.width == 1:
            return pa.Array.from_buffers(self.arrow_type, count, [*head, content])
        items = pa.Array.from_buffers(self.arrow_type.value_type, offsets[-1], [None, content])
        return pa.Array.from_buffers(self.arrow_type, count, head, children=[items])

    def _bytes_of(self, start: int, stop: int) -> tuple[int, int]:
        return self.offsets[start] * self.width, self.offsets[stop] * self.width

    def _validity(self, ranges: Sequence[tuple[int, int]]) -> Any:
        if self._present is None:
            return None
        return pa.concat_arrays([self._present[start:stop] for start, stop in ranges]).buffers()[1]


def cut_column(column: Any, limits: Limits) -> Cut | None:
    """Take a wide column apart; None where it is to stay as it is.

    Args:
        column: Chunked Arrow array of a stored column.
        limits: What is wide.
    """
    field = "data" if pa.types.is_struct(column.type) and column.type.get_field_index("data") >= 0 else None
    parts = [chunk.field(field) if field else chunk for chunk in column.chunks]
    type_name = _type_name(parts[0].type) if parts else None
    size = sum(part.nbytes for part in parts)
    if type_name is None or size < limits.many_bytes or size <= (limits.wide_bytes + 4) * len(column):
        return None
    chunks = column.chunks
    if not all(chunk.offset == 0 and _begins_at_zero(part) for chunk, part in zip(chunks, parts, strict=True)):
        chunks = [pa.concat_arrays(chunks)]  # copied: what is joined begins at offset 0 throughout
        parts = [chunk.field(field) if field else chunk for chunk in chunks]
    contents = [_values_of(part) for part in parts]
    values = [content for content in contents if content is not None]
    if len(values) < len(contents):
        return None
    return Cut(
        rest=_without(chunks, field) if field else None,
        type_name=type_name,
        values=values,
        size=sum(map(len, values)),
        block_bytes=BLOCK_BYTES,
        index=b"".join([*_places_of(parts), *_digests_of(values)]),
    )


def join_column(rest: Any, values: Any) -> Any:
    """Put the values back into the structs that they were taken from."""
    if rest.offset:
        rest = pa.concat_arrays([rest])
    arrow_type = codec.MEDIA_TYPE if rest.type.get_field_index("meta") >= 0 else codec.LONG_TYPE
    there = {field.name for field in rest.type}
    children: list[Any] = []
    for field in arrow_type:
        if field.name == "data":
            children.append(values)
        else:
            children.append(rest.field(field.name) if field.name in there else pa.nulls(len(rest), field.type))
    return pa.Array.from_buffers(arrow_type, len(rest), [rest.buffers()[0]], rest.null_count, children=children)


def _type_name(arrow_type: Any) -> str | None:
    for name, (known, _) in _TYPES.items():
        if arrow_type == known:
            return name
    return None


def _begins_at_zero(values: Any) -> bool:
    return values.offset == 0 and (not len(values) or _offsets_of(values)[0] == 0)


def _offsets_of(values: Any) -> memoryview:
    return memoryview(values.buffers()[1]).cast("b").cast("i")


def _values_of(values: Any) -> memoryview | None:
    """Show the bytes of values that begin at offset 0; None where items of lists are absent."""
    is_list = pa.types.is_list(values.type)
    if is_list and values.values.null_count:
        return None
    content = values.values.buffers()[1] if is_list else values.buffers()[2]
    if content is None or not len(values):  # nothing but empty values
        return memoryview(b"")
    return memoryview(content).cast("B")[: _offsets_of(values)[len(values)] * (8 if is_list else 1)]


def _places_of(parts: Sequence[Any]) -> Iterator[memoryview]:
    """Return the offsets of all values, and which are there unless all are."""
    # As lists of nothing, so that Arrow adds the offsets up without a look at the values, which would be copied.
    bare = [
        pa.Array.from_buffers(
            pa.list_(pa.null()), len(part), part.buffers()[:2], children=[pa.nulls(_offsets_of(part)[len(part)])]
        )
        for part in parts
        if len(part)
    ]
    joined = pa.concat_arrays(bare)
    yield memoryview(joined.buffers()[1])[: 4 * (len(joined) + 1)]
    if joined.null_count:
        yield memoryview(joined.buffers()[0])[: -(-len(joined) // 8)]


def _digests_of(pieces: Sequence[memoryview]) -> Iterator[bytes]:
    """Digest each block of what lies in pieces, none of which is joined with another but at their borders."""
    rest = b""
    for piece in pieces:
        start = BLOCK_BYTES - len(rest) if rest else 0
        if rest:
            rest += piece[:start]
            if len(rest) < BLOCK_BYTES:
                continue
            yield blake3(rest).digest()
        stop = start + (len(piece) - start) // BLOCK_BYTES * BLOCK_BYTES
        for first in range(start, stop, BLOCK_BYTES):
            yield blake3(piece[first : first + BLOCK_BYTES]).digest()
        rest = bytes(piece[stop:])
    if rest:
        yield blake3(rest).digest()


def _without(chunks: Sequence[Any], field: str) -> Any:
    """Return structs without one of their fields, and without references where there are none."""
    fields = [each for each in chunks[0].type if each.name != field]
    if len(fields) > 1:
        has_refs = any(chunk.field("ref").null_count < len(chunk) for chunk in chunks)
        fields = [each for each in fields if each.name != "ref" or has_refs]
    return pa.concat_arrays(
        [
            pa.Array.from_buffers(
                pa.struct(fields),
                len(chunk),
                [chunk.buffers()[0]],
                chunk.null_count,
                children=[chunk.field(each.name) for each in fields],
            )
            for chunk in chunks
        ]
    )


__all__ = [
    "BLOCK_BYTES",
    "BlockColumn",
    "Cut",
    "ValueIndex",
    "cut_column",
    "join_column",
]
