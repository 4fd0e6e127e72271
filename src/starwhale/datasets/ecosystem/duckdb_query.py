"""SQL over a version with DuckDB, which reads the columns that the query needs and nothing else."""

# pyright: reportMissingImports=false
# The package is optional: where it is missing, its names cannot be checked.
from __future__ import annotations

from typing import Any

from starwhale.datasets.ecosystem.lazy_arrow import LazyRows
from starwhale.datasets.reference import RowsRef
from starwhale.errors import MissingDependencyError, UsageError

TABLE_NAME = "rows"
"""Name of the version in the query."""


def query(ref: RowsRef, sql: str) -> Any:
    """Run one SELECT over the table `rows`, and return what it finds as a `pyarrow.Table`.

    Args:
        ref: The version.
        sql: The statement; other tables are files that DuckDB can read.

    Raises:
        MissingDependencyError: DuckDB is not installed.
        CorruptedError: What was read differs from its checksum.
        UsageError: DuckDB cannot run the statement, or it finds nothing to return.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingDependencyError("duckdb", purpose="Dataset.query()") from error
    with duckdb.connect() as connection:
        rows = LazyRows(ref)
        connection.register(TABLE_NAME, rows)
        try:
            found = connection.sql(sql)
            if found is not None:
                return found.to_arrow_table()
        except duckdb.Error as error:
            if rows.failure is not None:
                raise rows.failure from None
            raise UsageError(f"DuckDB: {error}", hint=f"the table is called {TABLE_NAME!r}") from error
    message = "the statement returns no rows"
    raise UsageError(message, hint=f"choose from the table {TABLE_NAME!r}")
