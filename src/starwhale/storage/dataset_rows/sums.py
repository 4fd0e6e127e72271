"""The tail of a fragment: what verifies every other byte of it that is read, and one digest in the manifest verifies the tail.

A fragment is a Parquet file with a block of *sums* before its footer, which Parquet readers pass over:

    PAR1 | columns of row group 0 | … | wide columns (see `blocks`) | sums | footer | length of the footer | PAR1
                                                                   `------------------ tail -----------------'

The sums hold, for each column of each row group, where it lies and its BLAKE3, the highest key of each row group where keys have gaps,
and where each wide column lies, with the BLAKE3 of its index. So a part of a file can be verified by reading that part and the tail (of a
wide column its index too) alone. Decision records 0016 and 0031.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack
import pyarrow as pa
from blake3 import blake3
from pyarrow import parquet as pq

from starwhale.storage.dataset_rows.blocks import BlockColumn, Cut
from starwhale.storage.protocols import Key

MAGIC = b"PAR1"
"""What a Parquet file begins and ends with."""
_ENTRY = struct.Struct("<QQ32s")
_END = struct.Struct("<I4s")


class Chunk(NamedTuple):
    """One column of one row group."""

    offset: int
    """First byte in the file."""
    size: int
    """Bytes."""
    digest: bytes
    """BLAKE3 of them."""

    def is_intact(self, view: memoryview) -> bool:
        """Whether a view of the whole file holds what was written."""
        return blake3(view[self.offset : self.offset + self.size]).digest() == self.digest


class Tail:
    """A verified tail, read.

    Args:
        content: Its bytes, whose digest was compared with the manifest's.
        file: What decodes the file that it is the end of; made of the tail alone, which tells what there is, where there is none.

    Raises:
        ValueError: It is no tail.
    """

    def __init__(self, content: memoryview, file: Any = None) -> None:
        try:
            footer, magic = _END.unpack(content[-_END.size :])
            sums: dict[str, Any] = msgpack.unpackb(content[: len(content) - footer - _END.size])
            self.metadata: Any = (open_parquet(content) if file is None else file).metadata
            self._columns: dict[str, int] = {name: place for place, name in enumerate(sums["columns"])}
            self._entries: bytes = sums["chunks"]
            self.blocks: dict[str, BlockColumn] = {each[0]: BlockColumn(*each) for each in sums.get("blocks", ())}
        except (struct.error, KeyError, TypeError, msgpack.UnpackException, pa.ArrowException) as error:
            raise ValueError(str(error)) from error
        self._highs: list[Any] = sums["highs"]
        if magic != MAGIC or len(self._entries) != _ENTRY.size * len(self._columns) * self.metadata.num_row_groups:
            raise ValueError("its parts do not belong together")

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns that lie in row groups."""
        return list(self._columns)

    def __contains__(self, name: str) -> bool:
        """Whether a column lies in row groups, or a part of it."""
        return name in self._columns

    def chunk(self, group: int, name: str) -> Chunk:
        """Say where a column of a row group lies, and what it must be."""
        place = group * len(self._columns) + self._columns[name]
        return Chunk(*_ENTRY.unpack_from(self._entries, place * _ENTRY.size))

    def chunks(self) -> Iterator[Chunk]:
        """Every column of every row group, as they follow in the file."""
        return (Chunk(*entry) for entry in _ENTRY.iter_unpack(self._entries))

    def group_of(self, key: Any) -> int | None:
        """Row group in which a key stands if it is anywhere; None where that is not known without reading keys.

        A key above all gives the number of row groups.
        """
        return bisect_left(self._highs, key) if self._highs else None


def open_parquet(view: memoryview, metadata: Any = None, *, checks_pages: bool = False) -> Any:
    """Return what decodes a Parquet file that is in memory.

    Args:
        view: The file, or as much of its end as is looked at.
        metadata: Of the file, if it was read already.
        checks_pages: Whether pages have checksums that are to be compared.

    Raises:
        ArrowException: It is none.
    """
    # What would be fetched ahead is in memory, and another thread would be asked for it.
    return pq.ParquetFile(
        pa.py_buffer(view), metadata=metadata, pre_buffer=False, page_checksum_verification=checks_pages
    )


def make_tail(content: memoryview, highs: Sequence[Key], cuts: Mapping[str, Cut] | None = None) -> tuple[int, bytes]:
    """Return where the footer of a Parquet file in memory begins, and the sums that go before it.

    Args:
        content: The file, as Parquet writers make it.
        highs: Highest key of each row group, or none.
        cuts: Wide columns, which will lie between row groups and sums in this order.
    """
    footer, _ = _END.unpack(content[-_END.size :])
    end = len(content) - footer - _END.size
    metadata: Any = open_parquet(content).metadata
    names = _top_names(metadata)
    entries: list[bytes] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        spans: dict[str, tuple[int, int]] = {}
        for leaf, name in enumerate(names):
            column = group.column(leaf)
            first = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
            low, high = spans.get(name, (first, first))
            spans[name] = min(low, first), max(high, first + column.total_compressed_size)
        for low, high in spans.values():
            entries.append(_ENTRY.pack(low, high - low, blake3(content[low:high]).digest()))
    sums: dict[str, Any] = {
        "columns": list(dict.fromkeys(names)),
        "chunks": b"".join(entries),
        "highs": list(highs),
    }
    if cuts:
        sums["blocks"] = list(_places_of(cuts, end))
    return end, bytes(msgpack.packb(sums) or b"")


def _places_of(cuts: Mapping[str, Cut], offset: int) -> Iterator[BlockColumn]:
    for name, cut in cuts.items():
        digest = blake3(cut.index).digest()
        place = BlockColumn(name, cut.type_name, offset, cut.size, cut.block_bytes, len(cut.index), digest)
        offset = place.stop
        yield place


def _top_names(metadata: Any) -> list[str]:  # Any: pyarrow ships no types
    """Name the column that each Parquet leaf belongs to."""
    schema = metadata.schema
    return [schema.column(leaf).path.split(".", 1)[0] for leaf in range(metadata.num_columns)]


__all__ = ["MAGIC", "Chunk", "Tail", "make_tail", "open_parquet"]
