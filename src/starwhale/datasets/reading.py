"""Read rows of one version: by key, by range of keys, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from starwhale.datasets.rows import DataRow, RowSink, check_key, iterate_rows
from starwhale.errors import ArgumentTypeError, UsageError, nearest
from starwhale.storage.protocols import DatasetReader, Key

SLICE_ROWS = 4096
"""Rows that a slice reads at a time."""

COLUMN_ROWS = 131_072
"""Rows of which one column is read at a time."""

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def key_type(reader: DatasetReader) -> type | None:
    """Type of the keys; None without rows."""
    return {"int": int, "str": str}.get(reader.key_type or "") if reader.row_count else None


def read_row(reader: DatasetReader, key: object, sink: RowSink | None) -> DataRow | None:
    """Return the row of a key, or None."""
    rank = reader.rank(check_key(key))
    if rank is None:
        return None
    return next(iterate_rows(reader.take([rank]), sink))


def read_rows(
    reader: DatasetReader, keys: Iterable[object], columns: Iterable[str] | None, sink: RowSink | None
) -> list[DataRow | None]:
    """Return the rows of several keys in the order in which they are asked for, None for keys that are not there.

    Args:
        reader: The version.
        keys: What to look for; a key may be given twice.
        columns: Features to read, in any case; None reads all.
        sink: Where changes of the rows go.

    Raises:
        ArgumentTypeError: They are one text instead of several keys, or one of them is no key.
        UsageError: There is no such feature.
    """
    if isinstance(keys, str):
        message = f"take wants several keys, not the text {keys!r}"
        raise ArgumentTypeError(message, hint=f"use [{keys!r}]")
    names = own_columns(reader, columns)
    ranks = [reader.rank(check_key(key)) for key in keys]
    rows = iterate_rows(reader.take([rank for rank in ranks if rank is not None], names), sink)
    return [None if rank is None else next(rows) for rank in ranks]


def own_columns(reader: DatasetReader, columns: Iterable[str] | None) -> list[str] | None:
    """Return the version's spelling of the names of features, in the order given; None stays None.

    Raises:
        ArgumentTypeError: They are one text instead of several.
        UsageError: There is no such feature; the nearest names are said.
    """
    if columns is None:
        return None
    if isinstance(columns, str):
        message = f"columns are several names, not the text {columns!r}"
        raise ArgumentTypeError(message, hint=f"use [{columns!r}]")
    known = {name.casefold(): name for name in reader.columns}
    names: list[str] = []
    for name in columns:
        own = known.get(str(name).casefold())
        if own is None:
            message = f"the dataset has no feature {name!r}"
            raise UsageError(message, hint=nearest(str(name), known.values()))
        names.append(own)
    return names


def read_column(reader: DatasetReader, name: str) -> list[Any]:  # Any: cells
    """Return one feature of all rows in key order, None where a row has none; nothing else is read.

    Raises:
        UsageError: There is no such feature.
    """
    (own,) = own_columns(reader, [name]) or [name]
    cells: list[Any] = []
    for start in range(0, reader.row_count, COLUMN_ROWS):
        more = reader.read_column(start, start + COLUMN_ROWS, own)
        if not cells:  # mostly it is all of them
            cells = more
        else:
            cells += more
    return cells


def read_slice(reader: DatasetReader, part: slice, sink: RowSink | None) -> list[DataRow]:
    """Return the rows with keys in [start, stop), every step-th of them, in key order."""
    return [row for batch in _slice_batches(reader, part) for row in iterate_rows(batch, sink)]


def slice_keys(reader: DatasetReader, part: slice) -> list[Key]:
    """Return the keys that a slice means."""
    return [key for batch in _slice_batches(reader, part, with_columns=False) for key in batch.keys]


def slice_ranks(reader: DatasetReader, part: slice) -> range:
    """Return the ranks that a slice of keys means.

    Raises:
        ArgumentTypeError: A bound has another type than the keys, or the step is no int.
        UsageError: The step is below 1.
    """
    start, stop = slice_bounds(reader, part)
    step = 1 if part.step is None else part.step
    if not isinstance(step, int) or isinstance(step, bool):
        message = f"the step of a slice is an int, not {step!r}"
        raise ArgumentTypeError(message)
    if step < 1:
        message = f"the step of a slice is {step}"
        raise UsageError(message, hint="rows are read in key order; use a step of at least 1")
    first, last = reader.rank_range(start, stop)
    return range(first, last, step)


def slice_bounds(reader: DatasetReader, part: slice) -> tuple[Key | None, Key | None]:
    """Return the keys between which a slice lies.

    Raises:
        ArgumentTypeError: A bound has another type than the keys.
    """
    bounds = [None if bound is None else check_key(bound) for bound in (part.start, part.stop)]
    kind = key_type(reader)
    for bound in bounds:
        if bound is not None and kind is not None and type(bound) is not kind:
            message = f"the keys are {kind.__name__}, and the slice has the bound {bound!r}"
            raise ArgumentTypeError(message, hint=f"slice by keys of type {kind.__name__}")
    return bounds[0], bounds[1]


def iterate(reader: DatasetReader, sink: RowSink | None = None) -> Iterator[DataRow]:
    """All rows in key order."""
    for batch in reader.iter_batches():
        yield from iterate_rows(batch, sink)


def scan(reader: DatasetReader, limit: int | None, columns: Iterable[str] | None = None) -> Iterator[DataRow]:
    """The first rows in key order, not written through; None means all rows, and all features."""
    names = own_columns(reader, columns)
    return _scan(reader, limit, names)


def _scan(reader: DatasetReader, limit: int | None, names: list[str] | None) -> Iterator[DataRow]:
    if limit is None:
        for batch in reader.iter_batches(names):
            yield from iterate_rows(batch)
        return
    for start in range(0, min(limit, reader.row_count), SLICE_ROWS):
        yield from iterate_rows(reader.read(start, min(start + SLICE_ROWS, limit), names))


def batches(rows: Iterable[DataRow], size: int, *, drop_not_full: bool) -> Iterator[list[DataRow]]:
    """Cut rows into lists of `size`, the last one shorter or dropped.

    Raises:
        UsageError: The size is below 1.
    """
    if size < 1:
        message = f"batch_size is {size}"
        raise UsageError(message, hint="use at least 1")
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        if len(batch) == size or not drop_not_full:
            yield batch


@dataclass(frozen=True, slots=True)
class ExtraFeatures:
    """Adds features that are found at paths; a value, so that other processes can do the same."""

    paths: Mapping[str, Sequence[str | int]]
    """Name of the extra feature → steps to what it holds."""

    def __call__(self, row: DataRow) -> DataRow:
        """Add the features to a row, not written through, and return it."""
        for name, steps in self.paths.items():
            found: Any = row.features  # Any: cells hold whatever the user gave
            for step in steps:
                found = found[step] if isinstance(step, int) or isinstance(found, Mapping) else getattr(found, step)
            dict.__setitem__(cast("dict[str, Any]", row.features), name, found)
        return row


def make_transform(fields: Mapping[str, str]) -> ExtraFeatures:
    """Return what adds a feature for each path such as `a.b[2].c`.

    Args:
        fields: Path → name of the extra feature.

    Raises:
        UsageError: A path cannot be read.
    """
    return ExtraFeatures({name: _parse_path(path) for path, name in fields.items()})


def _parse_path(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    for found in _STEP.finditer(path):
        if found.start() != position:
            break
        position = found.end()
        steps.append(int(found[2]) if found[2] else found[1])
    if not path or position != len(path):
        message = f"cannot read the path {path!r}"
        raise UsageError(message, hint="write it like a.b[2].c")
    return steps


def _slice_batches(reader: DatasetReader, part: slice, *, with_columns: bool = True) -> Iterator[Any]:
    ranks = slice_ranks(reader, part)
    columns = None if with_columns else []
    for start in range(0, len(ranks), SLICE_ROWS):
        piece = ranks[start : start + SLICE_ROWS]
        yield reader.read(piece.start, piece.stop, columns) if piece.step == 1 else reader.take(piece, columns)
