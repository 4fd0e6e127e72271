"""How the values of a column spread, and columns for charts."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from starwhale.storage.protocols import Value

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
MANY = 100_000
"""Of more different values, only the most frequent are looked at as Python values."""
FEW = 30
"""Whole numbers of no more different values are counted value by value, as classes are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A bar of a histogram."""

    count: int
    """Rows."""
    value: Value = None
    """The value; None for numbers in a range."""
    low: float | None = None
    """Lower end of a range of numbers, which belongs to it."""
    high: float | None = None
    """Its upper end, which belongs to the last bar alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How the values of a column spread."""

    column: str
    """The column."""
    bins: Sequence[Bin]
    """Ranges of numbers from low to high, or values with the most frequent first."""
    other: int
    """Rows with values that have no bar."""
    missing: int
    """Rows without a value."""
    total: int
    """All rows that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Columns of a table, row by row."""

    columns: Mapping[str, Sequence[Value]]
    """Values per column, all of one length."""
    rows: int
    """Rows that are here."""
    total: int
    """Rows that there are."""


def count_values(column: str, values: Any, bins: int) -> Histogram:  # Any: an Arrow array, or a list of cells
    """Count the values of a column.

    Args:
        column: Its name.
        values: Its values.
        bins: Bars, at most.

    Example:
        >>> [(each.value, each.count) for each in count_values("label", ["a", "b", "a", None], 5).bins]
        [('a', 2), ('b', 1)]
    """
    import pyarrow as pa

    if not isinstance(values, pa.Array):
        return _by_value(column, Counter(_named(each) for each in values if each is not None), len(values), bins)

    if pa.types.is_floating(values.type):
        return _by_range(column, values, bins)
    if pa.types.is_integer(values.type) and compute.count_distinct(values).as_py() > min(FEW, bins):
        return _by_range(column, values, bins)
    counted = compute.value_counts(values.drop_null())
    counts: Any = counted.field("counts").to_numpy(zero_copy_only=False)
    values_of = counted.field("values")
    order = (-counts).argsort(kind="stable")[: bins if len(counts) > MANY else len(counts)]
    pairs = Counter({values_of[int(place)].as_py(): int(counts[place]) for place in order})
    found = _by_value(column, pairs, int(counts.sum()), bins)
    shown = sum(each.count for each in found.bins)
    return dataclasses.replace(found, other=int(counts.sum()) - shown, missing=values.null_count, total=len(values))


def _by_value(column: str, counts: Counter[Any], total: int, bins: int) -> Histogram:  # Any: values of users
    valid = sum(counts.values())
    shown = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[:bins]
    return Histogram(
        column=column,
        bins=[Bin(value=value, count=count) for value, count in shown],
        other=valid - sum(count for _, count in shown),
        missing=total - valid,
        total=total,
    )


def _by_range(column: str, values: Any, bins: int) -> Histogram:  # Any: an Arrow array of numbers
    import numpy as np

    numbers = values.drop_null().to_numpy(zero_copy_only=False)
    finite = numbers[np.isfinite(numbers)]
    made: list[Bin] = []
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        if low == high:
            made = [Bin(count=len(finite), low=low, high=high)]
        elif math.isfinite(high - low):
            counts, edges = np.histogram(finite, bins=bins, range=(low, high))
            made = [
                Bin(count=int(count), low=float(edges[place]), high=float(edges[place + 1]))
                for place, count in enumerate(counts)
            ]
        else:
            made = [Bin(count=len(finite), low=low, high=high)]
    return Histogram(
        column=column, bins=made, other=len(numbers) - len(finite), missing=values.null_count, total=len(values)
    )


def _named(value: Any) -> Any:  # Any: a cell
    """Return what a cell is counted as: numbers and texts as they are, everything else as it is written."""
    to_text = getattr(value, "to_str", None)
    if callable(to_text):
        value = to_text()
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, int | float | str) else repr(value)[:200]
