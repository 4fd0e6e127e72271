"""Rows of a version, also where some of it is damaged: what cannot be read is an error in its cell, and the rest is there."""

from __future__ import annotations

from collections.abc import Sequence

from starwhale.errors import CorruptedError
from starwhale.storage.protocols import DatasetReader, Rows, Value


def read_forgiving(reader: DatasetReader, start: int, stop: int, columns: Sequence[str] | None) -> Rows:
    """Read the rows with ranks [start, stop).

    Returns:
        The rows; a value that cannot be read is the `CorruptedError` that says why.

    Raises:
        CorruptedError: Not even the keys can be read.
    """
    try:
        return reader.read(start, stop, columns)
    except CorruptedError:
        if stop - start == 1:
            return _one_by_one(reader, start, columns)
        parts = [read_forgiving(reader, rank, rank + 1, columns) for rank in range(start, min(stop, reader.row_count))]
        names = dict.fromkeys(name for part in parts for name in part.columns)
        return Rows(
            keys=[key for part in parts for key in part.keys],
            columns={
                name: [part.columns[name][0] if name in part.columns else None for part in parts] for name in names
            },
        )


def _one_by_one(reader: DatasetReader, rank: int, columns: Sequence[str] | None) -> Rows:
    """Read one row column by column."""
    cells: dict[str, Sequence[Value]] = {}
    for name in reader.columns if columns is None else columns:
        try:
            cells[name] = reader.read_column(rank, rank + 1, name)
        except CorruptedError as error:
            cells[name] = [error]
    return Rows(keys=reader.read(rank, rank + 1, []).keys, columns=cells)
