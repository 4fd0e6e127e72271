"""Result parts on the local disk: appended to segments, found through the catalog, verified whenever they are read.

Each attempt appends to a segment of its own, whatever the size of its parts: one file and one sync per part, and a big part is as well
off in the middle of a file as in one of its own. What a killed attempt left half-written is never named by the catalog, so nobody
reads it; the catalog's row is the commit point.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from blake3 import blake3

from starwhale.errors import CorruptedError
from starwhale.storage.columns.files import no_space, sync_folder
from starwhale.storage.layout import Layout
from starwhale.storage.part import EncodedPart, PartDraft, PartRecord, PartTable
from starwhale.storage.protocols import Damage
from starwhale.storage.result_parts.part_codec import encode_draft, read_batch, to_arrow

CACHE_BYTES = 16 << 20
"""Decoded stretches that are kept for the next page."""


COMPACT_PARTS = 64
"""A running step is compacted after so many parts,"""
COMPACT_BYTES = 64 << 20
"""or so many bytes."""
_FOLDERS = 4
"""Folders on the way to a segment: the owner's, its first characters, `results` and the root."""


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


class PartRows(Protocol):
    """What the store asks of the catalog's parts."""

    def add(self, connection: Any, part: PartRecord) -> int:  # Any: the catalog's connection, passed on
        """Insert a part inside a transaction of the caller and return its id."""
        ...

    def commit(self, part: PartRecord) -> int:
        """Add a part in a transaction of its own."""
        ...

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits."""
        ...

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see."""
        ...

    def replace_locations(self, owner: str, locations: Mapping[int, Sequence[PartTable]]) -> None:
        """Say where the tables of parts lie now."""
        ...


class PartFiles:
    """Parts of all owners below one root; safe to use from several threads and processes."""

    def __init__(
        self, layout: Layout, catalog: Any
    ) -> None:  # Any: has `parts: PartRows`, lazily, which no Protocol can say
        self._layout = layout
        self.parts: PartRows = catalog.parts
        """Where parts are committed."""
        self._cache: OrderedDict[tuple[str, str, int], Any] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self._written: dict[str, _Written] = {}

    def folder(self, owner: str) -> Path:
        """Directory of an owner's files; an id of a free-standing evaluation may hold any character."""
        return self._layout.results(quote(owner, safe="").replace(".", "%2E"))

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
        offset = append_synced(self.folder(owner) / name, b"".join(table.content for table in encoded.tables))
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
        encoded = encode_draft(draft)
        return self.parts.commit(describe_part(owner, encoded, self.write(owner, holder, encoded)))

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
        path = self.folder(owner) / table.file
        with path.open("rb") as file:
            payload = os.pread(file.fileno(), table.length, table.offset)
        if len(payload) != table.length or blake3(payload).digest() != table.digest:
            where = f"bytes {table.offset} to {table.offset + table.length}"
            message = f"corrupted file {path}: {where} ({table.row_count} rows of {table.table_name!r}) differ from their checksum"
            raise CorruptedError(message, path=str(path), hint="the rows of other parts are still readable")
        return payload

    def verify(self, owner: str) -> list[Damage]:
        """Read every visible table of an owner and name what is damaged."""
        found: list[Damage] = []
        for part in self.parts.visible(owner):
            for table in part.tables:
                try:
                    self.stretch(owner, table)
                except CorruptedError as error:
                    found.append(Damage(path=error.path, reason=error.message, lost=describe_rows(part, table)))
                except OSError as error:
                    path = self.folder(owner) / table.file
                    found.append(Damage(path=str(path), reason=f"{error.strerror}", lost=describe_rows(part, table)))
        return found

    def _load(self, owner: str, table: PartTable) -> Any:
        payload = self.stretch(owner, table)
        batch = read_batch(payload)
        if batch.num_rows < table.first_row + table.row_count:
            path = str(self.folder(owner) / table.file)
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


def describe_rows(part: PartRecord, table: PartTable) -> str:
    """Say in words which rows a table of a part holds."""
    rows = f"{table.row_count} rows of table {table.table_name!r}"
    if part.start is None:
        return f"{rows}, written by {part.step or 'the evaluation'}"
    return f"{rows}: rows {part.start} to {part.stop} of dataset {part.dataset_position}, step {part.step}"


def append_synced(path: Path, content: bytes) -> int:
    """Append bytes durably and return the offset of the first.

    Raises:
        NoSpaceError: The disk is full; the file is as long as before.
    """
    descriptor = _open_locked(path)
    try:
        offset = os.fstat(descriptor).st_size
        try:
            if offset == 0:  # nobody else appends before the way to the file is durable as well
                for folder in list(path.parents)[:_FOLDERS]:
                    sync_folder(folder)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            _sync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, offset)
            raise no_space(error, path) from error
    finally:
        os.close(descriptor)
    return offset


def _open_locked(path: Path) -> int:
    """Open a file for appending, made with its folders if need be, and lock it until it is closed.

    Two threads may log to one free-standing evaluation; and one that was unused for long may be collected before it is locked, and is
    made anew then.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # an empty folder was collected in between
            continue
        except OSError as error:
            if isinstance(error, FileExistsError) and not _is_in_the_way(path.parent):
                continue  # it was collected while `mkdir` looked whether what is there is a folder
            raise no_space(error, path) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _is_in_the_way(folder: Path) -> bool:
    """Whether something other than a folder has its name; asked once, since it comes and goes."""
    try:
        return not stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        return folder.is_symlink()


def _sync(descriptor: int) -> None:
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync leaves data in the drive's cache
    if full_sync is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full_sync)
