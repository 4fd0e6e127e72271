"""A table of a job as one data frame or Arrow table, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starwhale.errors import MissingDependencyError
from starwhale.results.read import job_scope
from starwhale.storage.protocols import HIDDEN_COLUMNS, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

Columns = dict[str, list[Value]]


def read_columns(stores: Stores, job: JobRecord, table: str) -> Columns:
    """Read a whole table; every column has a value or None per row, and the system's own columns are left out."""
    columns: Columns = {}
    count = 0
    for page in stores.results.reader.pages(job_scope(stores, job), TableQuery(table=table)):
        for name, values in page.columns.items():
            if name not in HIDDEN_COLUMNS:
                columns.setdefault(name, [None] * count).extend(values)
        count += page.row_count
        for values in columns.values():
            values += [None] * (count - len(values))
    return columns


def to_pandas(stores: Stores, job: JobRecord, table: str) -> Any:  # Any: a pandas.DataFrame; pandas is optional
    """Return a table as a data frame; whole numbers stay whole where rows have none, and media stay lazy objects.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("pandas", purpose="a data frame") from error
    columns = read_columns(stores, job, table)
    return pd.DataFrame({name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()})


def to_arrow(stores: Stores, job: JobRecord, table: str) -> Any:  # Any: a pyarrow.Table, which ships no types
    """Return a table as an Arrow table; a column that has no Arrow type, of media or of mixed values, comes as text."""
    import pyarrow as pa

    def array(values: list[Value]) -> Any:  # Any: a pyarrow array
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            return pa.array([None if each is None else str(each) for each in values], pa.string())

    return pa.table({name: array(values) for name, values in read_columns(stores, job, table).items()})


def _dtype(values: list[Value]) -> str | None:
    """Name the pandas type that keeps whole numbers and truth values beside missing ones; None lets pandas choose."""
    if None not in values and values:
        return None
    kinds = {type(each) for each in values if each is not None}
    return {int: "Int64", bool: "boolean"}.get(kinds.pop()) if len(kinds) == 1 else None
