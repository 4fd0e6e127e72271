"""Compute the statistics of a version: one column after another, in batches, twice where bins need the range first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from starwhale.datasets.reading import own_columns
from starwhale.datasets.statistics.columns import ColumnGatherer
from starwhale.datasets.statistics.facts import ColumnStatistics, DatasetStatistics, OnProgress
from starwhale.storage.columns.encode import escape_name, kind_of
from starwhale.storage.protocols import DatasetReader

BATCH_ROWS = 32_768
"""Rows of a batch, at most."""
BATCH_BYTES = 8 << 20
"""Bytes of a batch, about: the next one has fewer rows when one was larger."""


def compute_statistics(
    reader: DatasetReader, columns: Sequence[str] | None = None, on_progress: OnProgress | None = None
) -> DatasetStatistics:
    """Read a version, or some columns of it, and say what is in it.

    Args:
        reader: The version.
        columns: Features, in any case; None for all.
        on_progress: Told how far it is.

    Raises:
        UsageError: There is no such feature; the nearest names are said.
        CorruptedError: What was read differs from its checksum.
    """
    names = own_columns(reader, columns)
    names = list(reader.columns) if names is None else list(dict.fromkeys(names))
    tell = on_progress or _silent
    made: list[ColumnStatistics] = []
    for place, name in enumerate(names):
        done, whole = place * reader.row_count, len(names) * reader.row_count

        def told(rows: int, done: int = done, whole: int = whole) -> None:
            tell(done + rows, whole)

        made.append(_compute_column(reader, name, told))
    return DatasetStatistics(rows=reader.row_count, columns=tuple(made))


def _compute_column(reader: DatasetReader, name: str, told: Callable[[int], None]) -> ColumnStatistics:
    column = ColumnGatherer(name, reader.columns[name], reader.source_of)
    done = 0
    for array, kind in _batches(reader, name):
        column.add(array, kind)
        done += len(array)
        told(done)
    if column.needs_bins():
        for array, kind in _batches(reader, name):
            column.add_to_bins(array, kind)
    return column.statistics()


def _batches(reader: DatasetReader, name: str) -> Iterator[tuple[Any, str]]:
    """Read a column as it is stored, in key order."""
    start, step = 0, BATCH_ROWS if reader.row_count <= BATCH_ROWS else 4096
    while start < reader.row_count:
        stop = min(start + step, reader.row_count)
        batch = reader.read_arrow(start, stop, [name])
        position = batch.schema.get_field_index(escape_name(name))
        if position < 0:
            yield pa.nulls(stop - start), "null"
        else:
            yield batch.column(position), kind_of(batch.schema.field(position))
        step = max(1, min(BATCH_ROWS, BATCH_BYTES * (stop - start) // max(1, batch.nbytes)))
        start = stop


def _silent(done: int, whole: int) -> None:
    del done, whole


__all__ = ["compute_statistics"]
