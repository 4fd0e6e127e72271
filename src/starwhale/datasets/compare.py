"""Which rows differ between two versions, streaming in key order: for `diff`, for rebasing a commit, and for merging a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starwhale.storage.dataset_rows.differing import Stretch, differing_stretches, step_of
from starwhale.storage.dataset_rows.row_digests import digest_rows
from starwhale.storage.protocols import DatasetReader, Key, Rows, Value

COMPARED_ROWS = 4096
"""Rows of one version that are in memory at a time, at most."""
COMPARED_BYTES = 16 << 20
"""Their bytes, at most about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A row as one version has it."""

    rank: int
    """Its rank there."""
    features: dict[str, Value]
    """What it holds, without what is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A row that two versions do not both have, or that differs between them."""

    key: Key
    """Its key."""
    before: Side | None
    """The row in the first version; None where it was added."""
    after: Side | None
    """The row in the second version; None where it was removed."""


def compare_rows(before: DatasetReader, after: DatasetReader) -> Iterator[RowChange]:
    """Iterate over the rows that differ; what both versions share is not read, and memory stays bounded.

    Rows are the same when their content is: where it lies, and what else the datasets hold, does not matter. They come in key order;
    where the keys of both have different types, everything that was removed comes first.
    """
    for first, second in differing_stretches(before, after):
        yield from _merge(_Cursor(before, first), _Cursor(after, second))


class _Cursor:
    """Walks over the rows of a stretch, a batch at a time."""

    def __init__(self, reader: DatasetReader, stretch: Stretch) -> None:
        self._reader = reader
        self._next, self._stop = stretch
        self._step = step_of(reader, COMPARED_ROWS, COMPARED_BYTES)
        self._rows = Rows(keys=[], columns={})
        self._digests: list[bytes] = []
        self._first = self._at = 0

    @property
    def key(self) -> Any:
        """Key of the row where it stands; None at the end."""
        if self._at == len(self._rows.keys):
            if self._next >= self._stop:
                return None
            self._first, self._at = self._next, 0
            self._next = min(self._stop, self._next + self._step)
            self._rows = self._reader.read(self._first, self._next)
            self._digests = digest_rows(self._rows)
        return self._rows.keys[self._at]

    @property
    def digest(self) -> bytes:
        """Digest of the content of that row."""
        return self._digests[self._at]

    def take(self) -> Side:
        """Return that row and go on."""
        features = {name: column[self._at] for name, column in self._rows.columns.items()}
        side = Side(
            rank=self._first + self._at,
            features={name: value for name, value in features.items() if value is not None},
        )
        self._at += 1
        return side

    def skip(self) -> None:
        """Go on."""
        self._at += 1


def _merge(before: _Cursor, after: _Cursor) -> Iterator[RowChange]:
    while (key := before.key) is not None:
        other = after.key
        if other is not None and type(other) is type(key):
            if other < key:
                yield RowChange(key=other, before=None, after=after.take())
                continue
            if other == key:
                if before.digest == after.digest:
                    before.skip()
                    after.skip()
                else:
                    yield RowChange(key=key, before=before.take(), after=after.take())
                continue
        yield RowChange(key=key, before=before.take(), after=None)
    while (key := after.key) is not None:
        yield RowChange(key=key, before=None, after=after.take())


__all__ = ["RowChange", "Side", "compare_rows"]
