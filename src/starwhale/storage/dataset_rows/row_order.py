"""Where each rank of a version lies: the run of sorted fragments, and the sparse edits that its layers make to it.

The cost of opening grows with the rows of the layers, never with those of the run; commits keep the layers small.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starwhale.storage.columns.encode import SourceOf
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.fragments import FragmentReader
from starwhale.storage.dataset_rows.manifest import Fragment, Layer
from starwhale.storage.dataset_rows.places import Places
from starwhale.storage.protocols import Key


class RankSpan(NamedTuple):
    """Neighbouring ranks that are neighbours in the run too, or that only layers know."""

    start: int
    """First rank."""
    stop: int
    """Rank after the last."""
    run_start: int | None
    """Position in the run of the first; None for rows that only layers know."""


class FoundRows(NamedTuple):
    """Rows of one fragment among those that were looked for."""

    reader: FragmentReader
    """The fragment."""
    ranges: list[tuple[int, int]]
    """Their positions in it, as ranges [start, stop)."""
    places: list[int]
    """Which of those that were looked for they are."""


class Patch(NamedTuple):
    """Cells of one row in one layer."""

    layer: FragmentReader
    position: int


@dataclass(slots=True)
class Change:
    """What the layers make of one key."""

    is_killed: bool = False
    """Whether cells older than the patches are gone."""
    patches: list[Patch] = field(default_factory=list[Patch])
    """Oldest first."""


class Run:
    """Sorted fragments, addressed by position from 0."""

    def __init__(self, places: Places, fragments: Sequence[Fragment], cache: ColumnCache) -> None:
        self.readers = [FragmentReader(places, part, cache) for part in fragments]
        """The fragments in order."""
        self._starts = [0]
        for part in fragments:
            self._starts.append(self._starts[-1] + part.rows)
        self._highs: list[Any] = [part.high for part in fragments]
        self._recent: list[FragmentReader] = []

    @property
    def rows(self) -> int:
        """Rows of all fragments."""
        return self._starts[-1]

    def slices(self, start: int, stop: int) -> Iterator[tuple[FragmentReader, int, int]]:
        """Split positions [start, stop) into ranges of fragments."""
        number = bisect_right(self._starts, start) - 1
        while start < stop:
            first, last = self._starts[number], min(stop, self._starts[number + 1])
            yield self.readers[number], start - first, last - first
            start, number = last, number + 1

    def locate(self, positions: Sequence[int], places: Sequence[int]) -> Iterator[FoundRows]:
        """Sort rising positions by the fragment in which they lie."""
        index = 0
        while index < len(positions):
            number = bisect_right(self._starts, positions[index]) - 1
            start, stop = self._starts[number], self._starts[number + 1]
            last = bisect_left(positions, stop, index)
            ranges: list[tuple[int, int]] = []
            for position in positions[index:last]:
                if ranges and ranges[-1][1] == position - start:
                    ranges[-1] = (ranges[-1][0], position - start + 1)
                else:
                    ranges.append((position - start, position - start + 1))
            yield FoundRows(self.readers[number], ranges, list(places[index:last]))
            index = last

    def lower_bound(self, key: Any) -> int:
        """Count the rows with smaller keys."""
        number = bisect_left(self._highs, key)
        if number == len(self.readers):
            return self.rows
        reader = self._touch(number)
        return self._starts[number] + reader.lower_bound(key)

    def find(self, key: Any) -> int | None:
        """Position of a key."""
        number = bisect_left(self._highs, key)
        if number == len(self.readers):
            return None
        position = self._touch(number).find(key)
        return None if position is None else self._starts[number] + position

    def _touch(self, number: int) -> FragmentReader:
        """Keep the keys of a few fragments in memory, not those of all."""
        reader = self.readers[number]
        if reader not in self._recent:
            self._recent.append(reader)
            if len(self._recent) > 8:
                self._recent.pop(0).forget_keys()
        return reader


class RowOrder:
    """The rows of a version in key order."""

    def __init__(self, places: Places, run: Sequence[Fragment], layers: Sequence[Layer], cache: ColumnCache) -> None:
        self.run = Run(places, run, cache)
        """The sorted part."""
        self.changes: dict[Key, Change] = {}
        """What the layers say, by key."""
        self._read_layers(places, layers, cache)
        self._removed: list[int] = []
        self._inserted: list[Any] = []
        self.patched: list[tuple[int, Key]] = []
        """(rank, key) of every row that has patches, by rank."""
        self.spans = self._lay_out()
        """All ranks."""
        self._span_starts = [span.start for span in self.spans]
        self.row_count = self.spans[-1].stop if self.spans else 0
        """Rows of the version."""

    def spans_of(self, start: int, stop: int) -> Iterator[RankSpan]:
        """Split ranks [start, stop) into spans."""
        number = bisect_right(self._span_starts, start) - 1
        while start < stop:
            span = self.spans[number]
            last = min(stop, span.stop)
            yield RankSpan(start, last, None if span.run_start is None else span.run_start + start - span.start)
            start, number = last, number + 1

    def locate(self, ranks: Sequence[int]) -> Iterator[FoundRows]:
        """Find rising ranks in the fragments of the run; those that only layers know are left out."""
        positions: list[int] = []
        places: list[int] = []
        for place, rank in enumerate(ranks):
            span = self.spans[bisect_right(self._span_starts, rank) - 1]
            if span.run_start is not None:
                positions.append(span.run_start + rank - span.start)
                places.append(place)
        return self.run.locate(positions, places)

    def patched_in(self, start: int, stop: int) -> list[tuple[int, Key]]:
        """Rows with patches among ranks [start, stop)."""
        first = bisect_left(self.patched, start, key=_rank_of)
        return self.patched[first : bisect_left(self.patched, stop, key=_rank_of)]

    def lower_bound(self, key: Any) -> int:
        """Count the rows with smaller keys."""
        position = self.run.lower_bound(key)
        return position - bisect_left(self._removed, position) + bisect_left(self._inserted, key)

    def rank(self, key: Any) -> int | None:
        """Rank of a key."""
        change = self.changes.get(key)
        if change is None:
            if self.run.find(key) is None:
                return None
        elif not change.patches:
            return None
        return self.lower_bound(key)

    def _read_layers(self, places: Places, layers: Sequence[Layer], cache: ColumnCache) -> None:
        for layer in layers:
            if layer.deletes is not None:
                for key in FragmentReader(places, layer.deletes, cache).keys(0, layer.deletes.rows):
                    self.changes[key] = Change(is_killed=True)
            if layer.patch is not None:
                reader = FragmentReader(places, layer.patch, cache)
                for position, key in enumerate(reader.keys(0, layer.patch.rows)):
                    self.changes.setdefault(key, Change()).patches.append(Patch(reader, position))

    def _lay_out(self) -> list[RankSpan]:
        spans: list[RankSpan] = []
        position = rank = 0  # what of the run, and of the ranks, is laid out

        def copy_run(stop: int) -> None:
            nonlocal position, rank
            if stop > position:
                spans.append(RankSpan(rank, rank + stop - position, position))
                rank += stop - position
                position = stop

        for key in sorted(self.changes):
            change = self.changes[key]
            below = self.run.lower_bound(key)
            is_there = self.run.find(key) is not None
            if is_there and not change.is_killed:
                self.patched.append((rank + below - position, key))
                continue
            copy_run(below)
            if is_there:
                self._removed.append(below)
                position = below + 1
            if change.patches:
                self._inserted.append(key)
                self.patched.append((rank, key))
                if spans and spans[-1].run_start is None:
                    spans[-1] = RankSpan(spans[-1].start, rank + 1, None)
                else:
                    spans.append(RankSpan(rank, rank + 1, None))
                rank += 1
        copy_run(self.run.rows)
        return spans


def _rank_of(item: tuple[int, Key]) -> int:
    return item[0]


class LayerCells:
    """Decoded columns of layers, which are small, for as long as one read lasts."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of
        self._columns: dict[tuple[str, str], list[Any]] = {}

    def apply(self, change: Change, index: int, columns: dict[str, list[Any]]) -> None:
        """Write the cells of one row's patches over what stands at `index` of each column."""
        for reader, position in change.patches:
            for name in self._hidden(reader)[position] or ():
                if name in columns:
                    columns[name][index] = None
            for name in reader.fragment.columns:
                column = columns.get(name)
                if column is not None:
                    value = self._column(reader, name)[position]
                    if value is not None:
                        column[index] = value

    def merge(self, change: Change) -> dict[str, Any]:
        """Join the patches of one row; None where the newest word on a column hides it."""
        row: dict[str, Any] = {}
        for reader, position in change.patches:
            for name in self._hidden(reader)[position] or ():
                row[name] = None
            for name in reader.fragment.columns:
                value = self._column(reader, name)[position]
                if value is not None:
                    row[name] = value
        return row

    def _column(self, reader: FragmentReader, name: str) -> list[Any]:
        place = (reader.fragment.digest, name)
        found = self._columns.get(place)
        if found is None:
            found = reader.values(0, reader.fragment.rows, name, self._source_of)
            self._columns[place] = found
        return found

    def _hidden(self, reader: FragmentReader) -> list[Any]:
        place = (reader.fragment.digest, "__hidden__")
        found = self._columns.get(place)
        if found is None:
            found = reader.hidden()
            self._columns[place] = found
        return found


__all__ = ["Change", "LayerCells", "Patch", "RankSpan", "RowOrder", "Run"]
