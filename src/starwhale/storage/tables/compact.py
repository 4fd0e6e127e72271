"""Merge the small parts of an owner: many short stretches become few long ones, in row order, with a digest each.

Parts stay what they are: id, and so the order of commits, does not change, only where their rows lie. The new locations are one
transaction of the catalog; a reader whose view still names a removed segment asks the catalog once more.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from blake3 import blake3

from starwhale.storage.protocols import PartRecord, PartTable
from starwhale.storage.tables.columns import decode_batch, encode_batch
from starwhale.storage.tables.files import write_new
from starwhale.storage.tables.part_codec import write_batch
from starwhale.storage.tables.part_files import PartFiles
from starwhale.storage.tables.result_table import join_columns

CHUNK_ROWS = 65_536
"""Most rows of a merged stretch."""
CHUNK_BYTES = 8 << 20
"""About the most stored bytes of a merged stretch."""
Item = tuple[PartRecord, PartTable]


def compact_parts(files: PartFiles, owner: str, step: str = "") -> int:
    """Merge the small final parts of an owner and return how many tables of parts have moved.

    Args:
        files: Where they lie.
        owner: Whose they are.
        step: A step that has ended: its parts alone are merged, and segments that nothing refers to any more are removed. Empty merges
            those of every step and removes nothing, because a running attempt may have written what is not committed yet.
    """
    parts = [part for part in files.parts.visible(owner) if not part.provisional and (not step or part.step == step)]
    moved: dict[int, list[PartTable]] = defaultdict(list)
    old_files: set[str] = set()
    for chunk in _chunks(parts):
        if len({(table.file, table.offset) for _, table in chunk}) < 2:
            continue
        for part, table in _merge(files, owner, chunk):
            moved[part.id].append(table)
        old_files.update(table.file for _, table in chunk)
    if moved:
        files.parts.replace_locations(owner, moved)
        if step:
            _remove_unused(files, owner, old_files)
    return sum(map(len, moved.values()))


def _chunks(parts: Sequence[PartRecord]) -> Iterator[list[Item]]:
    """Group the tables that become one stretch: of one name and step, in row order, bounded in rows and bytes."""
    groups: dict[tuple[str, str, int], list[Item]] = defaultdict(list)
    for part in parts:
        for table in part.tables:
            position = -1 if part.dataset_position is None else part.dataset_position
            groups[table.table_name, part.step, position].append((part, table))
    for group in groups.values():
        chunk: list[Item] = []
        rows = size = 0
        for part, table in sorted(group, key=lambda each: (each[0].start or 0, each[0].id)):
            # A stretch that is shared already counts once per part; that only makes the chunks smaller.
            if chunk and (rows + table.row_count > CHUNK_ROWS or size + table.length > CHUNK_BYTES):
                yield chunk
                chunk, rows, size = [], 0, 0
            chunk.append((part, table))
            rows, size = rows + table.row_count, size + table.length
        if chunk:
            yield chunk


def _merge(files: PartFiles, owner: str, chunk: Sequence[Item]) -> Iterable[Item]:
    pages = [(decode_batch(files.batch(owner, table)), table.row_count) for _, table in chunk]
    payload = write_batch(encode_batch(join_columns(pages)))
    digest = blake3(payload).digest()
    name = f"{digest.hex()[:32]}.rows"
    write_new(files.folder(owner) / name, payload, sync=True)
    first = 0
    for part, table in chunk:
        place = {"file": name, "offset": 0, "length": len(payload), "digest": digest, "first_row": first}
        yield part, dataclasses.replace(table, **place)
        first += table.row_count


def _remove_unused(files: PartFiles, owner: str, names: Iterable[str]) -> None:
    used = {table.file for part in files.parts.visible(owner) for table in part.tables}
    for name in set(names) - used:
        (files.folder(owner) / name).unlink(missing_ok=True)
