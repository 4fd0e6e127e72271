"""Reading result parts: whole tables of parts, verified whenever they are read, the last ones kept for the next page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from blake3 import blake3

from starwhale.errors import CorruptedError
from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.protocols import Damage
from starwhale.storage.result_parts.part_codec import read_batch
from starwhale.storage.result_parts.segments import SegmentReads

CACHE_BYTES = 16 << 20
"""Decoded stretches that are kept for the next page."""


class PartReads(Protocol):
    """What reading asks of the catalog's parts."""

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits."""
        ...

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see."""
        ...


class StoredParts:
    """Parts of all owners in one place, to be read; safe to use from several threads.

    Args:
        segments: Where their bytes lie.
        parts: Where they are committed.
    """

    def __init__(self, segments: SegmentReads, parts: PartReads) -> None:
        self._stored = segments
        self._committed = parts
        self._cache: OrderedDict[tuple[str, str, int], Any] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def visible(self, owner: str) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits."""
        return self._committed.visible(owner)

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see."""
        return self._committed.visible_with(table, owners)

    def batch(self, owner: str, table: PartTable) -> Any:  # Any: a pyarrow record batch
        """Read the rows of one table of a part.

        Raises:
            FileNotFoundError: The file is gone; after a compaction the catalog knows where the rows went.
            CorruptedError: The bytes differ from their checksum.
        """
        key = (owner, table.file, table.offset)
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
        if found is None:
            found = self._load(owner, table)
            self._keep(key, found)
        if table.first_row == 0 and found.num_rows == table.row_count:
            return found
        return found.slice(table.first_row, table.row_count)

    def stretch(self, owner: str, table: PartTable) -> bytes:
        """Read the verified bytes that a table lies in, shared with other parts once it was compacted.

        Raises:
            CorruptedError: The bytes differ from their checksum.
        """
        payload = self._read(owner, table)
        if not is_intact(payload, table):
            path = self._stored.address(owner, table.file)
            where = f"bytes {table.offset} to {table.offset + table.length}"
            message = f"corrupted file {path}: {where} ({table.row_count} rows of {table.table_name!r}) differ from their checksum"
            raise CorruptedError(message, path=path, hint="the rows of other parts are still readable")
        return payload

    def verify(self, owner: str) -> list[Damage]:
        """Read every visible table of an owner and name what is damaged."""
        found: list[Damage] = []
        for part in self._committed.visible(owner):
            for table in part.tables:
                try:
                    self.stretch(owner, table)
                except CorruptedError as error:
                    found.append(Damage(path=error.path, reason=error.message, lost=describe_rows(part, table)))
                except OSError as error:
                    path = self._stored.address(owner, table.file)
                    found.append(Damage(path=path, reason=f"{error.strerror}", lost=describe_rows(part, table)))
        return found

    def _read(self, owner: str, table: PartTable) -> bytes:
        return self._stored.read(owner, table.file, table.offset, table.length)

    def _load(self, owner: str, table: PartTable) -> Any:
        payload = self.stretch(owner, table)
        batch = read_batch(payload)
        if batch.num_rows < table.first_row + table.row_count:
            path = self._stored.address(owner, table.file)
            message = (
                f"corrupted file {path}: {table.table_name!r} has {batch.num_rows} rows, fewer than the catalog says"
            )
            raise CorruptedError(message, path=path)
        return batch

    def _keep(self, key: tuple[str, str, int], batch: Any) -> None:
        with self._lock:
            if key in self._cache:
                return
            self._cache[key] = batch
            self._cached_bytes += batch.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, dropped = self._cache.popitem(last=False)
                self._cached_bytes -= dropped.nbytes


def is_intact(payload: bytes, table: PartTable) -> bool:
    """Whether the bytes of a stretch are those that were written."""
    return len(payload) == table.length and blake3(payload).digest() == table.digest


def describe_rows(part: PartRecord, table: PartTable) -> str:
    """Say in words which rows a table of a part holds."""
    rows = f"{table.row_count} rows of table {table.table_name!r}"
    if part.start is None:
        return f"{rows}, written by {part.step or 'the evaluation'}"
    return f"{rows}: rows {part.start} to {part.stop} of dataset {part.dataset_position}, step {part.step}"
