"""Reading one immutable version of a dataset, by rank in key order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from starwhale.media import codec as values
from starwhale.media.source import Source
from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.cells import PackRef, Sink
from starwhale.storage.columns.encode import KEY_COLUMN
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.fragment_file import fragment_name
from starwhale.storage.dataset_rows.fragment_writer import GROUP_BYTES, unify
from starwhale.storage.dataset_rows.fragments import FragmentReader, joined
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.manifest import Layer, Manifest
from starwhale.storage.dataset_rows.packs import Packs, PackSource
from starwhale.storage.dataset_rows.places import FileSpan, Places
from starwhale.storage.dataset_rows.row_digests import digest_rows
from starwhale.storage.dataset_rows.row_order import LayerCells, RowOrder
from starwhale.storage.dataset_rows.verify_files import damages_of
from starwhale.storage.protocols import Damage, Key, Rows

if TYPE_CHECKING:
    from concurrent.futures import Future

BATCH_ROWS = 4096
"""Rows of a batch, at most."""
BATCH_BYTES = 16 << 20
"""Bytes of a batch, about, counted as stored with the large values that they refer to."""

BROUGHT_BYTES = 24 << 20
"""Bytes that are fetched at once where files lie elsewhere; less than half of what is kept of them."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class DatasetFolder:
    """What the readers and writers of one dataset share; as long as one of them or of their values lives, nothing of it is collected."""

    path: Path
    """Folder of the dataset; of one that is elsewhere only a name that no other has."""
    places: Places
    """Its files."""
    packs: Packs
    """Its large values."""
    cache: ColumnCache
    """Its columns that are in memory."""
    limits: Limits = LIMITS
    """How much is written and held at a time."""
    checked: set[str] = field(default_factory=set[str])
    """Digests of fragments that this process has read as a whole, and of the indexes of packs whose presence it has looked at: commits that
    take them over need not do so again."""

    @property
    def fragments(self) -> Path:
        """Where fragments lie."""
        return self.path / "fragments"

    @property
    def manifests(self) -> Path:
        """Where manifests lie."""
        return self.path / "manifests"


class LocalDatasetReader:
    """Meets `DatasetReader` over local files; safe to use from several threads."""

    def __init__(self, folder: DatasetFolder, manifest: Manifest, digest: str = "") -> None:
        self.manifest = manifest
        """What the version consists of."""
        self.digest = digest
        """Digest of the manifest; empty for a view of uncommitted changes."""
        self.key_type = manifest.key_type
        """`int`, `str`, or None without rows."""
        self._folder = folder
        self._order: RowOrder | None = None
        self._digests: dict[int, bytes] = {}
        self._lock = threading.Lock()

    @property
    def row_count(self) -> int:
        return self.manifest.row_count

    @property
    def columns(self) -> Mapping[str, str]:
        return self.manifest.columns

    @property
    def info(self) -> Mapping[str, Any]:
        return values.unpack(self.manifest.info, self.source_of) if self.manifest.info else {}  # type: ignore[return-value]  # set_info packed a mapping

    @property
    def size_bytes(self) -> int:
        """Bytes that the version occupies."""
        return self.manifest.size_bytes

    @property
    def order(self) -> RowOrder:
        """Where each rank lies."""
        if self._order is not None:  # mostly; many rows by their keys ask for each of them
            return self._order
        with self._lock:
            if self._order is None:
                manifest = self.manifest
                if not self._folder.places.is_local:
                    bring_layers(self._folder.places, manifest.layers)
                self._order = RowOrder(self._folder.places, manifest.run, manifest.layers, self._folder.cache)
            return self._order

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> Rows:
        start, stop = self._cut(start, stop)
        names = self._names(columns)
        self._bring([(start, stop)], names)
        return Rows(keys=self._keys(start, stop), columns=self._cells(start, stop, names))

    def read_column(self, start: int, stop: int, name: str) -> list[Any]:
        start, stop = self._cut(start, stop)
        self._bring([(start, stop)], [name], with_keys=False)
        return self._cells(start, stop, [name])[name]

    def read_arrow(
        self,
        start: int,
        stop: int,
        columns: Sequence[str] | None = None,
        *,
        with_keys: bool = True,
        sink: Sink | None = None,
    ) -> Any:
        """Read rows as one Arrow record batch; its fields carry the kinds, `decode_batch` decodes it.

        Args:
            start: First rank.
            stop: Rank after the last.
            columns: Features to read; None reads all.
            with_keys: Whether the keys are wanted, as its first column; otherwise they are there only where nothing else says how many rows
                there are.
            sink: Takes long values of rows that have to be encoded again; without one they are inline.
        """
        start, stop = self._cut(start, stop)
        sink = sink or KeepRefs(self._folder.packs)
        names = self._names(columns)
        if stop <= start or self.order.patched_in(start, stop):
            rows = self.read(start, stop, names)
            return codec.encode_batch(rows.columns, keys=rows.keys if with_keys or not names else None, sink=sink)
        slices = list(self._slices(start, stop))
        with_keys = with_keys or any(reader.fragment.columns.keys().isdisjoint(names) for reader, _, _ in slices)
        self._bring([(start, stop)], names, with_keys=with_keys)
        batches = [each for part in slices for each in raw_batches(*part, names, with_keys=with_keys)]
        table = unify(batches, sink).combine_chunks()
        arrays = [column.chunk(0) if column.num_chunks else pa.nulls(0, column.type) for column in table.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=table.schema)

    def take(self, ranks: Sequence[int], columns: Sequence[str] | None = None) -> Rows:
        names = self._names(columns)
        wanted = sorted({rank for rank in ranks if 0 <= rank < self.row_count})
        if not self._folder.places.is_local:
            portions = self._groups(join_ranks(wanted))
            if len(portions) > 1:
                return self._take_portions(ranks, portions, names)
        keys: list[Key] = [0] * len(wanted)
        made: dict[str, list[Any]] = {name: [None] * len(wanted) for name in names}
        order = self.order
        self._bring(join_ranks(wanted), names)
        for found in order.locate(wanted):
            for place, key in zip(found.places, found.reader.keys_at(found.ranges), strict=True):
                keys[place] = key
            for name, column in made.items():
                cells = found.reader.values_at(found.ranges, name, self.source_of)
                for place, cell in zip(found.places, cells, strict=True):
                    column[place] = cell
        if order.patched:
            layers = LayerCells(self.source_of)
            for place, rank in enumerate(wanted):
                for _, key in order.patched_in(rank, rank + 1):
                    keys[place] = key
                    layers.apply(order.changes[key], place, made)
        if wanted == list(ranks):
            return Rows(keys=keys, columns=made)
        places = {rank: place for place, rank in enumerate(wanted)}
        chosen = [places[rank] for rank in ranks]
        return Rows(
            keys=[keys[place] for place in chosen],
            columns={name: [column[place] for place in chosen] for name, column in made.items()},
        )

    def take_arrow(self, ranks: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """Read rows by rank, in the order given, as `read_arrow` does."""
        rows = self.take(ranks, columns)
        return codec.encode_batch(rows.columns, keys=rows.keys, sink=KeepRefs(self._folder.packs))

    def get(self, key: Key) -> dict[str, Any] | None:
        """Features of one row; None when there is no such row."""
        rank = self.rank(key)
        if rank is None:
            return None
        rows = self.read(rank, rank + 1)
        return {name: column[0] for name, column in rows.columns.items() if column[0] is not None}

    def rank(self, key: Key) -> int | None:
        return self.order.rank(key) if type(key).__name__ == self.key_type else None

    def rank_range(self, start: Key | None, stop: Key | None) -> tuple[int, int]:
        if self.row_count == 0:
            return 0, 0
        first = 0 if start is None else self.order.lower_bound(start)
        last = self.row_count if stop is None else self.order.lower_bound(stop)
        return first, max(first, last)

    def iter_batches(self, columns: Sequence[str] | None = None, *, batch_rows: int = BATCH_ROWS) -> Iterator[Rows]:
        step = max(1, min(batch_rows, BATCH_BYTES * self.row_count // max(1, self.size_bytes)))
        starts = [(start, min(start + step, self.row_count)) for start in range(0, self.row_count, step)]
        for start, stop in self._brought(starts, columns):
            yield self.read(start, stop, columns)

    def row_digests(self, start: int, stop: int) -> list[bytes]:
        start, stop = self._cut(start, stop)
        with self._lock:
            known = [self._digests.get(rank) for rank in range(start, stop)]
        if None not in known:
            return [digest for digest in known if digest is not None]
        found: list[bytes] = []
        for first in range(start, stop, BATCH_ROWS):
            found.extend(digest_rows(self.read(first, min(stop, first + BATCH_ROWS))))
        with self._lock:
            self._digests.update(zip(range(start, stop), found, strict=True))
        return found

    def source_of(self, ref: Mapping[str, Any]) -> PackSource:
        return self._folder.packs.source(ref)

    @property
    def pack_folder(self) -> str:
        """Folder of the packs, for processes of this machine; empty where they lie elsewhere."""
        return str(self._folder.packs.folder) if self._folder.places.is_local else ""

    @property
    def statistics_folder(self) -> Path | None:
        """Folder of the dataset, in which statistics of the version may be kept; None for uncommitted rows, and elsewhere."""
        return self._folder.path if self.digest and self._folder.places.is_local else None

    def verify(self, on_bytes: Callable[[int], None] | None = None) -> list[Damage]:
        return damages_of(self._folder, self, on_bytes or _ignore)

    def _names(self, columns: Sequence[str] | None) -> list[str]:
        return list(self.columns) if columns is None else [name for name in columns if name in self.columns]

    def _keys(self, start: int, stop: int) -> list[Key]:
        keys: list[Key] = []
        for span in self.order.spans_of(start, stop):
            if span.run_start is None:
                keys.extend([0] * (span.stop - span.start))
                continue
            run_stop = span.run_start + span.stop - span.start
            for reader, first, last in self.order.run.slices(span.run_start, run_stop):
                keys.extend(reader.keys(first, last))
        for rank, key in self.order.patched_in(start, stop):
            keys[rank - start] = key
        return keys

    def _cells(self, start: int, stop: int, names: Sequence[str]) -> dict[str, list[Any]]:
        made: dict[str, list[Any]] = {name: [] for name in names}
        for span in self.order.spans_of(start, stop):
            if span.run_start is None:
                for column in made.values():
                    column.extend([None] * (span.stop - span.start))
                continue
            run_stop = span.run_start + span.stop - span.start
            for reader, first, last in self.order.run.slices(span.run_start, run_stop):
                for name, column in made.items():
                    made[name] = joined(column, reader.values(first, last, name, self.source_of))
        patched = self.order.patched_in(start, stop)
        if patched:
            layers = LayerCells(self.source_of)
            for rank, key in patched:
                layers.apply(self.order.changes[key], rank - start, made)
        return made

    def _take_portions(
        self, ranks: Sequence[int], portions: Sequence[Sequence[tuple[int, int]]], names: Sequence[str]
    ) -> Rows:
        """Take so many rows at a time as are brought at once."""
        places: dict[int, int] = {}
        keys: list[Key] = []
        made: dict[str, list[Any]] = {name: [] for name in names}
        for portion in portions:
            some = [rank for start, stop in portion for rank in range(start, stop)]
            places.update(zip(some, range(len(keys), len(keys) + len(some)), strict=True))
            rows = self.take(some, names)
            keys.extend(rows.keys)
            for name, column in rows.columns.items():
                made[name].extend(column)
        chosen = [places[rank] for rank in ranks]
        return Rows(
            keys=[keys[place] for place in chosen],
            columns={name: [column[place] for place in chosen] for name, column in made.items()},
        )

    def _brought(self, ranges: Sequence[tuple[int, int]], columns: Sequence[str] | None) -> Iterator[tuple[int, int]]:
        """Go through ranges of ranks; what lies elsewhere is brought for several of them at once, ahead of whoever reads."""
        if self._folder.places.is_local:
            yield from ranges
            return
        names = self._names(columns)
        groups = [[each] for each in ranges[:2]] + self._groups(ranges[2:])  # reading begins soon
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, thread_name_prefix="starwhale-ahead") as ahead:
            coming: Future[None] | None = None
            for number, group in enumerate(groups):
                coming.result() if coming else self._bring(group, names)
                # Nothing ahead of the first: who wants one batch alone should not pay for two.
                is_ahead = 0 < number < len(groups) - 1
                coming = ahead.submit(self._bring, groups[number + 1], names) if is_ahead else None
                yield from group

    def _groups(self, ranges: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Put ranges together that are brought at once."""
        row_bytes = sum(part.size for part in self.manifest.run) // max(1, self.manifest.row_count)
        groups: list[list[tuple[int, int]]] = []
        weight = BROUGHT_BYTES
        for start, stop in ranges:
            more = max((stop - start) * row_bytes, GROUP_BYTES)
            if weight + more > BROUGHT_BYTES:
                groups.append([])
                weight = 0
            groups[-1].append((start, stop))
            weight += more
        return groups

    def _bring(self, ranges: Sequence[tuple[int, int]], names: Sequence[str], *, with_keys: bool = True) -> None:
        """Fetch what reading some ranks will look at, when it lies elsewhere: all at once instead of one after another."""
        places = self._folder.places
        if places.is_local:
            return
        slices = [each for start, stop in ranges for each in self._slices(start, stop)]
        files = {each.file.name: each.file for each, _, _ in slices}
        stored = [codec.escape_name(name) for name in names]
        places.fetch([(name, file.first_span) for name, file in files.items() if not file.is_opened])
        places.fetch([(name, span) for name, file in files.items() for span in file.index_spans(stored)])
        wanted: list[tuple[str, FileSpan]] = []
        for reader, first, last in slices:
            needed = [*stored, KEY_COLUMN] if with_keys and not reader.fragment.is_contiguous else stored
            wanted.extend((reader.file.name, span) for span in reader.file.spans(first, last, needed))
        places.fetch(wanted)

    def _slices(self, start: int, stop: int) -> Iterator[tuple[FragmentReader, int, int]]:
        """Say where ranks lie in the fragments of the run; those that only layers know are left out."""
        for span in self.order.spans_of(start, stop):
            if span.run_start is not None:
                yield from self.order.run.slices(span.run_start, span.run_start + span.stop - span.start)

    def _cut(self, start: int, stop: int) -> tuple[int, int]:
        start = max(0, start)
        return start, max(start, min(stop, self.row_count))


def join_ranks(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Join sorted ranks that follow each other to ranges."""
    joined: list[tuple[int, int]] = []
    for rank in ranks:
        if joined and joined[-1][1] == rank:
            joined[-1] = joined[-1][0], rank + 1
        else:
            joined.append((rank, rank + 1))
    return joined


def bring_layers(places: Places, layers: Sequence[Layer]) -> None:
    """Fetch the small files of layers at once."""
    parts = [part for layer in layers for part in layer.fragments if part.size <= GROUP_BYTES]
    places.fetch([(fragment_name(part), FileSpan(0, part.size)) for part in parts])


class KeepRefs:
    """A sink that takes nothing and keeps references as they are: for batches that go to a worker."""

    limit = 1 << 62
    """Nothing is long."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs

    def put(self, content: bytes) -> PackRef:
        """Refuse; nothing is above the limit."""
        raise NotImplementedError

    def put_source(self, source: Source) -> PackRef:
        """Refuse; nothing is above the limit."""
        raise NotImplementedError

    def adopt(self, source: Source) -> PackRef | None:
        """Say where the content lies."""
        return source.ref if isinstance(source, PackSource) and source.packs.folder == self._packs.folder else None

    def source(self, ref: Mapping[str, Any]) -> Source:
        """Open what is referred to."""
        return self._packs.source(ref)


def raw_batches(
    reader: FragmentReader, start: int, stop: int, names: Sequence[str], *, with_keys: bool = True
) -> list[Any]:
    """Read undecoded rows of one fragment, a batch per row group."""
    pieces: dict[str, tuple[str, list[Any]]] = {}
    if with_keys:
        kind = "int" if isinstance(reader.fragment.low, int) else "str"
        pieces[KEY_COLUMN] = kind, reader.key_pieces(start, stop)
    for name in names:
        if name in reader.fragment.columns:
            stored = codec.escape_name(name)
            pieces[stored] = reader.fragment.columns[name], reader.pieces(start, stop, stored)
    schema = pa.schema(
        [pa.field(name, found[0].type, metadata={codec.KIND: kind.encode()}) for name, (kind, found) in pieces.items()]
    )
    return [
        pa.RecordBatch.from_arrays(list(arrays), schema=schema)
        for arrays in zip(*(found for _, found in pieces.values()), strict=True)
    ]


def _ignore(_size: int) -> None:
    """Nobody wants to know how far it is."""


__all__ = ["DatasetFolder", "KeepRefs", "LocalDatasetReader", "raw_batches"]
