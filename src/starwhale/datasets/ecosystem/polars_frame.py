"""A version as a Polars data frame, or as a lazy one that reads what a query needs."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from starwhale.datasets.ecosystem.arrow import BatchLimits, arrow_rows, to_arrow
from starwhale.datasets.reference import RowsRef
from starwhale.errors import MissingDependencyError


def to_polars(
    ref: RowsRef,
    columns: Sequence[str] | None = None,
    *,
    drop_index: bool = False,
    lazy: bool = False,
    limits: BatchLimits | None = None,
) -> Any:
    """Return a version, or some features of it, as a `polars.DataFrame`.

    Args:
        ref: The version.
        columns: Features to read; None for all.
        drop_index: Leave the keys out.
        lazy: Return a `polars.LazyFrame` that reads the columns that a query needs, batch by batch.
        limits: How large the batches of a lazy one may be; None for the usual size.

    Raises:
        MissingDependencyError: Polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise MissingDependencyError("polars", purpose="Dataset.to_polars()") from error
    if not lazy:
        return pl.from_arrow(to_arrow(ref.open(), columns, drop_index=drop_index))
    return _scan(ref, columns, drop_index=drop_index, limits=limits, pl=pl)


def _scan(ref: RowsRef, columns: Sequence[str] | None, *, drop_index: bool, limits: BatchLimits | None, pl: Any) -> Any:
    from polars.io.plugins import register_io_source

    whole = arrow_rows(ref.open(), columns, drop_index=drop_index)
    schema: Any = pl.from_arrow(whole.schema.empty_table()).schema

    def batches(
        with_columns: list[str] | None, predicate: Any, n_rows: int | None, batch_size: int | None
    ) -> Iterator[Any]:
        del batch_size  # a wish; ours are bounded by their content too
        wanted = list(schema) if with_columns is None else with_columns
        features = [name for name in wanted if name != whole.index_name]
        rows = arrow_rows(ref.open(), features, drop_index=whole.index_name not in wanted, limits=limits)
        stop = rows.reader.row_count if n_rows is None else min(n_rows, rows.reader.row_count)
        for batch in rows.batches(stop=stop):
            frame: Any = pl.from_arrow(pa.Table.from_batches([batch])).select(wanted)
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(batches, schema=schema, is_pure=True)
