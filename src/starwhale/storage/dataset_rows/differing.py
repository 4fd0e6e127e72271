"""Between which keys two versions can differ at all: what their manifests share is equal without being read.

Fragments with the same digest hold the same rows, whatever folder they lie in. So outside of the fragments that only one side has, two
versions differ only in keys of which their layers say different things. The layers are read (their keys), the shared fragments are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
from starwhale.storage.dataset_rows.row_order import Change
from starwhale.storage.protocols import DatasetReader, Key

NEAR_ROWS = 256
"""Keys with fewer rows between them are looked at in one go: a few rows more cost less than another read."""

Stretch = tuple[int, int]
"""Ranks [first, last) of one version."""


def differing_stretches(before: DatasetReader, after: DatasetReader) -> list[tuple[Stretch, Stretch]]:
    """Return the ranks outside of which both versions hold the same rows.

    Args:
        before: One version.
        after: Another one, of the same or of another dataset.

    Returns:
        Pairs of ranks in `before` and in `after` between the same two keys, in key order.
    """
    whole = [((0, before.row_count), (0, after.row_count))]
    if not (isinstance(before, LocalDatasetReader) and isinstance(after, LocalDatasetReader)):
        return whole
    if before.manifest == after.manifest:
        return []
    if before.key_type != after.key_type or not before.row_count or not after.row_count:
        return whole
    found: list[tuple[Stretch, Stretch]] = []
    for low, high in _differing_keys(before, after):
        first, second = _ranks(before, low, high), _ranks(after, low, high)
        if found and first[0] - found[-1][0][1] <= NEAR_ROWS and second[0] - found[-1][1][1] <= NEAR_ROWS:
            (start, stop), (other_start, other_stop) = found[-1]
            found[-1] = (start, max(stop, first[1])), (other_start, max(other_stop, second[1]))
        else:
            found.append((first, second))
    return found


def _differing_keys(before: LocalDatasetReader, after: LocalDatasetReader) -> list[tuple[Key, Key]]:
    """Return ranges of keys with both ends, sorted and without overlap."""
    shared = {part.digest for part in before.manifest.run} & {part.digest for part in after.manifest.run}
    ranges: list[tuple[Any, Any]] = [
        (part.low, part.high)
        for manifest in (before.manifest, after.manifest)
        for part in manifest.run
        if part.digest not in shared
    ]
    if before.manifest.layers != after.manifest.layers:
        said, said_too = before.order.changes, after.order.changes
        keys = said.keys() | said_too.keys()
        ranges.extend((key, key) for key in keys if _meaning(said.get(key)) != _meaning(said_too.get(key)))
    return _joined(ranges)


def _meaning(change: Change | None) -> object:
    """What layers make of a key, comparable between versions."""
    if change is None:
        return None
    return change.is_killed, [(patch.layer.fragment.digest, patch.position) for patch in change.patches]


def _joined(ranges: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    joined: list[tuple[Any, Any]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    return joined


def _ranks(reader: LocalDatasetReader, low: Key, high: Key) -> Stretch:
    first, last = reader.rank_range(low, high)
    return first, last + (reader.rank(high) is not None)


def step_of(reader: DatasetReader, most: int, most_bytes: int) -> int:
    """Rows that are read at a time so that they stay below a number of bytes, about."""
    if not isinstance(reader, LocalDatasetReader) or not reader.size_bytes:
        return most
    return max(1, min(most, most_bytes * reader.row_count // reader.size_bytes))


__all__ = ["NEAR_ROWS", "Stretch", "differing_stretches", "step_of"]
