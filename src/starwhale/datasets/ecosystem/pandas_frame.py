"""A version as a pandas data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starwhale.datasets.ecosystem.arrow import arrow_rows
from starwhale.errors import MissingDependencyError
from starwhale.storage.protocols import DatasetReader

_TYPED = frozenset({"bool", "int", "float", "str"})
"""Kinds that have a pandas type; every other column holds the values themselves."""
_NULLABLE = {"int": "Int64", "bool": "boolean"}
"""pandas types that keep whole numbers and truth values beside missing ones."""


def to_pandas(reader: DatasetReader, columns: Sequence[str] | None = None, *, drop_index: bool = False) -> Any:
    """Return a version, or some features of it, as a `pandas.DataFrame`.

    Media are the values themselves, and read nothing before they are used; so are lists, dicts and mixed cells.

    Args:
        reader: The version.
        columns: Features to read; None for all.
        drop_index: Number the rows instead of taking the keys as the index.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("pandas", purpose="Dataset.to_pandas()") from error
    rows = arrow_rows(reader, columns, drop_index=drop_index)
    names = [name for name, kind in rows.kinds.items() if kind in _TYPED]
    typed = replace(rows, kinds={name: rows.kinds[name] for name in names}).table()
    nullable = [name for name in names if rows.kinds[name] in _NULLABLE and typed[name].null_count]
    frame = (
        typed.drop_columns(nullable).to_pandas() if typed.num_columns else pd.DataFrame(index=range(reader.row_count))
    )
    if rows.index_name:
        frame = frame.set_index(rows.index_name)
    others = {name: _nullable(typed[name], _NULLABLE[rows.kinds[name]], pd) for name in nullable}
    others |= _objects(reader, [name for name in rows.kinds if name not in names], pd)
    if others:
        frame = pd.concat([frame, pd.DataFrame(others, index=frame.index)], axis=1)[list(rows.kinds)]
    return frame


def _nullable(column: Any, dtype: str, pd: Any) -> Any:
    return column.to_pandas(types_mapper=lambda _: pd.api.types.pandas_dtype(dtype)).array


def _objects(reader: DatasetReader, names: list[str], pd: Any) -> dict[str, Any]:
    made: dict[str, list[Any]] = {name: [] for name in names}
    for batch in reader.iter_batches(names) if names else ():
        for name in names:
            made[name].extend(batch.columns[name])
    return {name: pd.Series(values, dtype="object").array for name, values in made.items()}
