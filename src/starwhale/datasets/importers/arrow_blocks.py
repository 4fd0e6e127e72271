"""Arrow record batches as blocks of rows: cut to a bounded size, each column in the shape in which it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from starwhale.datasets.ecosystem.restore import restored
from starwhale.datasets.importers.arrow_values import as_column
from starwhale.datasets.importers.blocks import RowBlock
from starwhale.datasets.importers.hf_features import feature_columns, read_features
from starwhale.errors import DatasetSourceError, nearest

BLOCK_ROWS = 8192
"""Rows of a block, at most."""
BLOCK_BYTES = 16 << 20
"""Bytes of a block, at most about: one row may be larger."""


class BlockMaker:
    """Makes blocks of the record batches of one source; keys count on over all of its files."""

    def __init__(self) -> None:
        self.row_count = 0
        """Rows so far: the next key."""

    def blocks(
        self, batches: Iterable[Any], schema: Any, path: str, constants: Mapping[str, object] | None = None
    ) -> Iterator[RowBlock]:
        """Yield the rows of record batches of one file.

        Args:
            batches: Record batches.
            schema: Their schema; the features that the package `datasets` left in its metadata are followed.
            path: The file, for messages.
            constants: Feature → value for all rows.

        Raises:
            DatasetSourceError: A value cannot be kept, or two columns have one name.
        """
        check_names(schema.names, path)
        features = read_features(schema)
        for batch in cut_batches(batches):
            start = self.row_count
            columns = make_columns(batch, features, path, start, schema=schema)
            for name, value in (constants or {}).items():
                columns[name] = [value] * batch.num_rows
            self.row_count += batch.num_rows
            yield RowBlock(range(start, self.row_count), columns)


def make_columns(
    batch: Any, features: Mapping[str, Any], path: str, first_row: int, *, schema: Any = None
) -> dict[str, Sequence[Any]]:
    """Return the columns of a record batch as they are stored; those with a feature of `datasets`, or of a kind of ours, as it says."""
    kinds: dict[str, Any] = {} if schema is None else {field.name: field for field in schema}
    columns: dict[str, Sequence[Any]] = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name in features:
            columns.update(feature_columns(array, features[name], path=path, name=name, first_row=first_row))
            continue
        media = restored(array, kinds[name]) if name in kinds else None
        columns[name] = as_column(array, path=path, name=name, first_row=first_row) if media is None else media
    return columns


def cut_batches(batches: Iterable[Any]) -> Iterator[Any]:
    """Cut record batches to a bounded size; those without rows are left out."""
    for batch in batches:
        rows = batch.num_rows
        if not rows:
            continue
        step = rows_that_fit(batch.nbytes / rows)
        for start in range(0, rows, step):
            yield batch.slice(start, step)


def rows_that_fit(row_bytes: float) -> int:
    """Return how many rows of a size make a block."""
    return max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / max(row_bytes, 1.0))))


def check_names(names: Sequence[str], path: str) -> None:
    """Refuse columns that a dataset cannot tell apart.

    Raises:
        DatasetSourceError: Two names differ in nothing, or only in case.
    """
    seen: dict[str, str] = {}
    for name in names:
        known = seen.get(name.casefold())
        if known is not None:
            said = f"are called {name!r}" if known == name else f"differ only in case: {known!r} and {name!r}"
            raise DatasetSourceError(f"{path}: two columns {said}", path=path, hint="rename one of them")
        seen[name.casefold()] = name


def pick_columns(wanted: Sequence[str] | None, schema: Any, path: str) -> list[str] | None:
    """Check the names of the columns that are wanted; None stands for all.

    Raises:
        DatasetSourceError: The file has no such column.
    """
    for name in wanted or ():
        if name not in schema.names:
            message = f"{path} has no column {name!r}"
            raise DatasetSourceError(message, path=path, hint=nearest(name, schema.names))
    return list(wanted) if wanted else None


def unreadable(path: str, error: Exception, kind: str) -> DatasetSourceError:
    """Say that a file is not what its kind is, in one line."""
    text = " ".join(str(error).split())
    return DatasetSourceError(f"cannot read {path}: {text}", path=path, hint=f"it is cut off, damaged, or not {kind}")


__all__ = ["BlockMaker", "check_names", "cut_batches", "make_columns", "pick_columns", "rows_that_fit", "unreadable"]
