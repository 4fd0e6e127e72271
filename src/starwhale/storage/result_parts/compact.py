"""Merge the small parts of an owner: many short stretches become few long ones, in row order, with a digest each.

Parts stay what they are: id, and so the order of commits, does not change, only where their rows lie. The new locations are one
transaction of the catalog; a reader whose view still names a removed segment asks the catalog once more.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from blake3 import blake3

from starwhale.storage.columns.encode import decode_batch, encode_batch
from starwhale.storage.columns.files import write_new
from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.result_parts.part_codec import write_batch
from starwhale.storage.result_parts.part_files import LocalPartFiles
from starwhale.storage.result_parts.result_table import join_columns

CHUNK_ROWS = 65_536
"""Most rows of a merged stretch."""
CHUNK_BYTES = 8 << 20
"""About the most stored bytes of a merged stretch."""
MERGED_BYTES = 32 << 20
"""About the most bytes of a merged stretch in memory: what compresses a hundredfold is not merged in one go."""
Item = tuple[PartRecord, PartTable]


def compact_parts(files: LocalPartFiles, owner: str, step: str = "") -> int:
    """Merge the small final parts of an owner and return how many tables of parts have moved.

    Args:
        files: Where they lie.
        owner: Whose they are.
        step: A step that has ended: its parts alone are merged, and all its segments can go. Empty merges those of every step while
            they run; a segment goes once its attempt writes to another one.
    """
    files.turn_segments(owner)
    parts = [part for part in files.parts.visible(owner) if not part.provisional and (not step or part.step == step)]
    moved: dict[int, list[PartTable]] = defaultdict(list)
    emptied: set[str] = set()
    for chunk in _chunks(parts):
        if len({(table.file, table.offset) for _, table in chunk}) < 2:
            continue
        for some, batches in _in_memory(files, owner, chunk):
            if len({(table.file, table.offset) for _, table in some}) < 2:
                continue
            for part, table in _merge(files, owner, some, batches):
                moved[part.id].append(table)
            emptied.update(table.file for _, table in some)
            batches.clear()  # before the next ones are read
    if moved:
        files.parts.replace_locations(owner, moved)
    ended = {part.task_id for part in parts if part.task_id} if step else set[str]()
    for name in files.unused(owner, emptied, ended):
        (files.folder(owner) / name).unlink(missing_ok=True)
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
        stretches: set[tuple[str, int]] = set()
        for part, table in sorted(group, key=lambda each: (each[0].start or 0, each[0].id)):
            place = table.file, table.offset
            added = 0 if place in stretches else table.length
            if chunk and (rows + table.row_count > CHUNK_ROWS or size + added > CHUNK_BYTES):
                yield chunk
                chunk, rows, size, stretches, added = [], 0, 0, set(), table.length
            chunk.append((part, table))
            stretches.add(place)
            rows, size = rows + table.row_count, size + added
        if chunk:
            yield chunk


def _in_memory(
    files: LocalPartFiles, owner: str, chunk: Sequence[Item]
) -> Iterator[tuple[list[Item], list[Any]]]:  # Any: see _join
    """Read a chunk, as much of it at a time as fits; a stretch that was merged before and is full stays as it is."""
    some: list[Item] = []
    batches: list[Any] = []
    size = 0
    for part, table in chunk:
        batch = files.batch(owner, table)
        if some and size + batch.nbytes > MERGED_BYTES:
            yield some, batches
            some, batches, size = [], [], 0
        some.append((part, table))
        batches.append(batch)
        size += batch.nbytes
    yield some, batches


def _merge(
    files: LocalPartFiles, owner: str, chunk: Sequence[Item], batches: Sequence[Any]
) -> Iterable[Item]:  # Any: see _join
    payload = write_batch(_join(batches))
    digest = blake3(payload).digest()
    name = f"{digest.hex()[:32]}.rows"
    write_new(files.folder(owner) / name, payload, sync=True)
    first = 0
    for part, table in chunk:
        place = {"file": name, "offset": 0, "length": len(payload), "digest": digest, "first_row": first}
        yield part, dataclasses.replace(table, **place)
        first += table.row_count


def _join(batches: Sequence[Any]) -> Any:  # Any: pyarrow record batches; pyarrow has no types
    """Put batches one under the other; those with the same columns stay Arrow, which takes a hundredth of the time."""
    import pyarrow as pa

    schema = batches[0].schema
    if all(each.schema.equals(schema, check_metadata=True) for each in batches):
        return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return encode_batch(join_columns([(decode_batch(each), each.num_rows) for each in batches]))
