"""The order of rows by a column: whole columns at once, or value by value where a column holds several kinds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from starwhale.errors import StarwhaleError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time


def sort_numbers(column: Any, chosen: Numbers, *, is_falling: bool) -> Numbers:  # Any: an Arrow array
    """Sort row numbers by their values, rows of one value in the table's order, rows without one last."""
    import pyarrow as pa

    values = column if len(chosen) == len(column) else column.take(pa.array(chosen))
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_null(values.type):
        return chosen
    keys = [("value", "descending" if is_falling else "ascending")]
    found = compute.sort_indices(pa.table({"value": values}), sort_keys=keys)  # what has no value comes last
    return chosen[found.to_numpy()]


def sortable(value: Any) -> tuple[int, Any] | None:  # Any: a cell
    """Return what orders a value among values of several kinds: numbers, then texts, then the others as they are written."""
    if value is None or isinstance(value, StarwhaleError):
        return None
    if isinstance(value, (bool, int, float)):
        return None if value != value else (0, value)  # noqa: PLR0124 - NaN has no place
    to_text = getattr(value, "to_str", None)
    text = to_text() if callable(to_text) else value
    return (1, text) if isinstance(text, str) else (2, repr(value)[:200])
