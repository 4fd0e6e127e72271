"""A version as a `pyarrow.dataset.Dataset` that reads the columns that somebody asks for, when they are asked for.

DuckDB, Polars and whatever else scans Arrow datasets ask it for columns and filters, so that a query over labels reads no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import pyarrow as pa
from pyarrow import dataset as arrow_dataset

from starwhale.datasets.ecosystem.arrow import ArrowRows, arrow_rows
from starwhale.datasets.reference import RowsRef
from starwhale.errors import StarwhaleError, UsageError

ArrowDataset: Any = arrow_dataset.Dataset  # Any: pyarrow ships no types


class LazyRows(ArrowDataset):
    """The rows of one version, in key order; safe to pickle, and to scan any number of times.

    Args:
        ref: The version.
        drop_index: Leave the keys out.
    """

    # Arrow's own constructor refuses to be called; nothing of the class below is used but its methods over `scanner`.
    def __init__(self, ref: RowsRef, *, drop_index: bool = False) -> None:
        self._ref = ref
        self._drop_index = drop_index
        self._schema = arrow_rows(ref.open(), drop_index=drop_index).schema
        self.failure: StarwhaleError | None = None
        """Why the last scan broke off: other libraries wrap what was raised in errors of theirs."""

    @property
    def schema(self) -> Any:
        """Names and types of all columns."""
        return self._schema

    def scanner(self, columns: Sequence[str] | dict[str, Any] | None = None, filter: Any = None, **options: Any) -> Any:
        """Make a scanner that reads the columns that are needed, batch by batch.

        Args:
            columns: Names, in the order wanted, or name → expression; None for all.
            filter: A `pyarrow.compute.Expression` that chooses rows; None for all.
            options: Options of Arrow's scanners; those of files mean nothing here.
        """
        needed = self._needed(columns, filter)
        features = [name for name in needed if name != self._index_name]
        rows = arrow_rows(self._ref.open(), features, drop_index=self._index_name not in needed)
        schema = pa.schema([self._schema.field(name) for name in needed])
        batches = self._read(rows, needed)
        kept = {name: options[name] for name in ("use_threads", "memory_pool") if name in options}
        return arrow_dataset.Scanner.from_batches(batches, schema=schema, columns=columns, filter=filter, **kept)

    def count_rows(self, filter: Any = None, **options: Any) -> int:
        """Count the rows that a filter chooses, or all, without reading any."""
        return self._ref.open().row_count if filter is None else self.scanner([], filter, **options).count_rows()

    def _read(self, rows: ArrowRows, names: list[str]) -> Iterator[Any]:
        self.failure = None
        try:
            for batch in rows.batches():
                yield batch.select(names)
        except StarwhaleError as error:
            self.failure = error
            raise

    @property
    def _index_name(self) -> str:
        return "" if self._drop_index else self._schema.names[0]

    def _needed(self, columns: Sequence[str] | dict[str, Any] | None, filter: Any) -> list[str]:
        """Name the columns that have to be read; expressions do not say which they use, so each one is tried without."""
        names = list(self._schema.names)
        if columns is None:
            return names
        used = set() if isinstance(columns, dict) else set(columns)
        unknown = sorted(used - set(names))
        if unknown:
            message = f"there is no column {unknown[0]!r}"
            raise UsageError(message, hint=f"there is {', '.join(names[:8])}")
        expressions = [*(columns.values() if isinstance(columns, dict) else ()), *([] if filter is None else [filter])]
        for name in names:
            if name not in used and any(not self._can_do_without(name, each) for each in expressions):
                used.add(name)
        chosen = [name for name in names if name in used]
        return chosen or names[:1]  # a batch without columns has no rows to Arrow's scanners

    def _can_do_without(self, name: str, expression: Any) -> bool:
        empty = pa.schema([field for field in self._schema if field.name != name]).empty_table()
        try:
            arrow_dataset.dataset(empty).scanner(columns={"": expression}).to_table()
        except (pa.ArrowInvalid, KeyError):
            return False
        return True

    def _refuse(self, *_args: Any, **_options: Any) -> NoReturn:
        message = "a version of a dataset has no files that Arrow knows"
        raise UsageError(message, hint="use scanner(), to_table() or to_batches()")

    # These reach below the class for Arrow's own data, which is not there.
    get_fragments = replace_schema = filter = sort_by = join = join_asof = _refuse

    @property
    def partition_expression(self) -> None:
        """There are no partitions."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self._ref, self._drop_index)

    def __repr__(self) -> str:
        return f"LazyRows({self._ref.name!r}, {self._ref.open().row_count} rows)"


def _rebuild(ref: RowsRef, drop_index: bool) -> LazyRows:
    return LazyRows(ref, drop_index=drop_index)
