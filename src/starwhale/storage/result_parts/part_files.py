"""Writing result parts: appended to segments, committed in the catalog.

What a killed attempt left half-written is never named by the catalog, so nobody reads it; the catalog's row is the commit point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from blake3 import blake3

from starwhale.storage.layout import Layout
from starwhale.storage.part import EncodedPart, PartDraft, PartRecord, PartTable
from starwhale.storage.result_parts.part_codec import encode_draft, to_arrow
from starwhale.storage.result_parts.segments import LocalSegments, Segments
from starwhale.storage.result_parts.stored_parts import PartReads, StoredParts

COMPACT_PARTS = 64
"""A running step is compacted after so many parts,"""
COMPACT_BYTES = 64 << 20
"""or so many bytes."""


@dataclass(slots=True)
class _Written:
    """What this process has written for one owner since the last compaction, and where."""

    generation: int = 0
    parts: int = 0
    size: int = 0
    last: dict[str, str] = field(default_factory=dict[str, str])
    """Holder → its segment."""
    emptied: set[str] = field(default_factory=set[str])
    """Files whose rows have moved and that could not be removed yet."""

    def segment(self, holder: str, part: EncodedPart) -> str:
        """Choose the segment of a part that is about to be written."""
        turn = f".{self.generation}" if self.generation else ""
        name = f"{quote(holder, safe='') or 'log'}{turn}.seg"
        self.parts += 1
        self.size += sum(len(table.content) for table in part.tables)
        self.last[holder] = name
        return name


class PartRows(PartReads, Protocol):
    """What the store asks of the catalog's parts."""

    def add(self, connection: Any, part: PartRecord) -> int:  # Any: the catalog's connection, passed on
        """Insert a part inside a transaction of the caller and return its id."""
        ...

    def commit(self, part: PartRecord) -> int:
        """Add a part in a transaction of its own."""
        ...

    def replace_locations(self, owner: str, locations: Mapping[int, Sequence[PartTable]]) -> None:
        """Say where the tables of parts lie now."""
        ...


class PartFiles(StoredParts):
    """Parts of all owners in one place, to be written and read; safe to use from several threads, and from several processes where its
    segments are.

    Args:
        segments: Where their bytes lie.
        parts: Where they are committed.
    """

    def __init__(self, segments: Segments, parts: PartRows) -> None:
        super().__init__(segments, parts)
        self.parts = parts
        """Where they are committed."""
        self._segments = segments
        self._written: dict[str, _Written] = {}

    def write(self, owner: str, holder: str, encoded: EncodedPart) -> tuple[PartTable, ...]:
        """Append the tables of a part to the holder's segment and sync it once.

        Args:
            owner: Job id, or the id of a free-standing Evaluation.
            holder: The attempt; it names the segment.
            encoded: The part.

        Returns:
            Where the tables lie, for the catalog; until it names them nobody reads them.

        Raises:
            NoSpaceError: The disk is full; nothing of the part is kept.
        """
        encoded = to_arrow(encoded)
        if not encoded.tables:
            return ()
        with self._lock:
            name = self._written.setdefault(owner, _Written()).segment(holder, encoded)
        offset = self._segments.append(owner, name, b"".join(table.content for table in encoded.tables))
        stored: list[PartTable] = []
        for table in encoded.tables:
            digest = blake3(table.content).digest()
            length = len(table.content)
            stored.append(
                PartTable(
                    table_name=table.name,
                    file=name,
                    offset=offset,
                    length=length,
                    digest=digest,
                    row_count=table.row_count,
                )
            )
            offset += length
        return tuple(stored)

    def should_compact(self, owner: str) -> bool:
        """Whether so much was written since the last compaction that another one is worth its while; costs nothing to ask."""
        found = self._written.get(owner)
        return found is not None and (found.parts >= COMPACT_PARTS or found.size >= COMPACT_BYTES)

    def turn_segments(self, owner: str) -> None:
        """Have every holder begin a new segment with its next part, so that the old ones can go once they were compacted."""
        with self._lock:
            found = self._written.setdefault(owner, _Written())
            found.generation += 1
            found.parts = found.size = 0

    def unused(self, owner: str, emptied: Iterable[str], ended: Iterable[str]) -> list[str]:
        """Return files from which everything has moved and into which nobody writes any more.

        A holder writes one part after the other: once it has begun a new segment, what it wrote to the old one is committed or lost.

        Args:
            owner: Whose they are.
            emptied: Files whose rows have moved.
            ended: Ids of tasks that write no more.
        """
        ended = tuple(f"{task_id}#" for task_id in ended)
        with self._lock:
            found = self._written.setdefault(owner, _Written())
            found.emptied.update(emptied)
            found.last = {holder: name for holder, name in found.last.items() if not holder.startswith(ended)}
            candidates = found.emptied - set(found.last.values())
        candidates -= {table.file for part in self.parts.visible(owner) for table in part.tables}
        with self._lock:
            found.emptied -= candidates
        return sorted(candidates)

    def record(self, connection: Any, part: PartRecord) -> int:  # Any: the catalog's connection, passed on
        """Name a written part in a transaction of the caller: the commit point."""
        return self.parts.add(connection, part)

    def append(self, owner: str, holder: str, draft: PartDraft) -> int:
        """Write a draft and commit it at once; for evaluations outside of jobs."""
        return self.append_encoded(owner, holder, encode_draft(draft))

    def append_encoded(self, owner: str, holder: str, encoded: EncodedPart) -> int:
        """Write a part that is bytes already, and commit it at once."""
        return self.parts.commit(describe_part(owner, encoded, self.write(owner, holder, encoded)))


def describe_part(
    owner: str,
    encoded: EncodedPart,
    tables: tuple[PartTable, ...],
    *,
    step: str = "",
    task_id: str = "",
    attempt: int = 0,
) -> PartRecord:
    """Say what the catalog must know of a written part; without a lease, a task's part is provisional."""
    lease = encoded.lease
    stop = None if lease is None else lease.stop if encoded.stop is None else encoded.stop
    return PartRecord(
        owner=owner,
        step=step,
        task_id=task_id,
        attempt=attempt,
        dataset_position=lease.dataset_position if lease else None,
        start=lease.start if lease else None,
        stop=stop,
        provisional=lease is None and bool(task_id),
        is_retry=lease is not None and lease.is_retry,
        tables=tables,
    )


class LocalPartFiles(PartFiles):
    """Parts of all owners below one root; safe to use from several threads and processes."""

    def __init__(
        self, layout: Layout, catalog: Any
    ) -> None:  # Any: has `parts: PartRows`, lazily, which no Protocol can say
        self._layout = layout
        segments = LocalSegments(layout)
        super().__init__(segments, catalog.parts)
        self.folder = segments.folder
        """Gives the directory of an owner's files."""
