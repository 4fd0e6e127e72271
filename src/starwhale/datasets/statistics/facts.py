"""What the statistics of a version say: frozen values, to and from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

from starwhale.errors import UsageError, nearest

OnProgress = Callable[[int, int], None]
"""Called with the cells that are done and all cells."""
Number = int | float
"""A number of a column; integers stay integers, of whatever size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """How many different values there are."""

    count: int
    """The number, or its estimate."""
    error: float = 0.0
    """Relative standard error of the estimate; 0.0 where the number is exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How values spread over their range, in bins of one width."""

    edges: tuple[Number, ...]
    """Rising limits, one more than bins. A bin holds its lower limit and not its upper one; the last holds both."""
    counts: tuple[int, ...]
    """Values in each bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Range and spread of finite numbers."""

    minimum: Number
    """The smallest."""
    maximum: Number
    """The largest."""
    mean: float
    """Their mean."""
    std: float
    """Their standard deviation, as of a whole population; infinite where no float can hold it."""
    histogram: Histogram
    """How they spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCount:
    """One value and how often it occurs."""

    value: bool | int | float | str
    """The value; a long text is cut and ends with an ellipsis."""
    count: int
    """Cells that hold it; the least possible number where counting was not exact."""
    share: float
    """Part of the cells that hold a value, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopValues:
    """The most frequent values, the most frequent first."""

    values: tuple[ValueCount, ...]
    """At most `counting.TOP`."""
    error: int = 0
    """How much higher each count may be; 0 where counting was exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How evenly cells spread over few classes."""

    classes: tuple[ValueCount, ...]
    """Every class, the most frequent first."""
    evenness: float
    """Entropy over its highest possible value: 1 where all classes are equally frequent, towards 0 where one has nearly all."""
    ratio: float
    """Cells of the largest class for each cell of the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """What is known of one column, one field of a struct, or the values of one kind in a mixed column."""

    name: str
    """Name of the column, field or kind."""
    kind: str
    """Kind of its values."""
    count: int
    """Cells that hold a value."""
    missing: int
    """Cells that hold none."""
    distinct: Distinct | None = None
    """Different values; None where they are not counted: lists, structs and mixed columns."""
    numbers: Numbers | None = None
    """Range and spread, of finite numbers."""
    nan: int = 0
    """Cells that are not a number; they are values, and in no range."""
    positive_infinity: int = 0
    """Cells that are +∞."""
    negative_infinity: int = 0
    """Cells that are −∞."""
    sizes: Numbers | None = None
    """Range and spread of the sizes of values."""
    size_unit: str = ""
    """What sizes are: `characters` of text, `bytes` of binary and media, `items` of lists."""
    total_size: int = 0
    """Sum of all sizes."""
    top: TopValues | None = None
    """Most frequent values, of numbers and text."""
    balance: Balance | None = None
    """Shares of classes, where there are few."""
    mime_types: tuple[ValueCount, ...] = ()
    """Types of media by frequency."""
    shapes: tuple[ValueCount, ...] = ()
    """Shapes of media by frequency, such as `28×28×1`."""
    linked: int = 0
    """Media whose content lies elsewhere; their sizes are not counted."""
    kinds: tuple[ValueCount, ...] = ()
    """Types of the values of a mixed column by frequency."""
    fields: tuple[ColumnStatistics, ...] = ()
    """Fields of a struct; of a mixed column its bools, numbers, texts and bytes."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return everything that is known; what does not apply is left out."""
        return _state(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatistics:
    """What is known of the rows of one version."""

    rows: int
    """Rows of the version."""
    columns: tuple[ColumnStatistics, ...]
    """Its columns in their order, or those that were asked for."""

    def __getitem__(self, name: str) -> ColumnStatistics:
        """Return a column by its name in any case.

        Raises:
            UsageError: There is no such column; the nearest names are said.
        """
        for column in self.columns:
            if column.name.casefold() == name.casefold():
                return column
        message = f"the dataset has no feature {name!r}"
        raise UsageError(message, hint=nearest(name, [each.name for each in self.columns]))

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return everything as plain objects."""
        return {"rows": self.rows, "columns": [each.to_json() for each in self.columns]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> DatasetStatistics:
        """Read what `to_json` returned.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        return cls(rows=state["rows"], columns=tuple(_column(each) for each in state["columns"]))


_ALWAYS = frozenset({"name", "kind", "count", "missing"})


def _state(value: Any) -> Any:  # Any: one of the values above, or a part of one
    if isinstance(value, tuple):
        return [_state(each) for each in cast("tuple[Any, ...]", value)]
    if not is_dataclass(value):
        return value
    made = {item.name: _state(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, ColumnStatistics):
        return {name: each for name, each in made.items() if name in _ALWAYS or each not in (None, 0, "", [])}
    return made


def _column(state: Mapping[str, Any]) -> ColumnStatistics:
    known: dict[str, Any] = dict(state)
    for name, read in _READERS.items():
        if name in known:
            known[name] = read(known[name])
    return ColumnStatistics(**known)


def _numbers(state: Mapping[str, Any]) -> Numbers:
    shape = state["histogram"]
    histogram = Histogram(edges=tuple(shape["edges"]), counts=tuple(shape["counts"]))
    known: dict[str, Any] = {**state, "histogram": histogram}
    return Numbers(**known)


def _counts(state: list[Any]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(**each) for each in state)


_READERS: dict[str, Any] = {  # Any: each makes another type
    "distinct": lambda state: Distinct(**state),
    "numbers": _numbers,
    "sizes": _numbers,
    "top": lambda state: TopValues(values=_counts(state["values"]), error=state["error"]),
    "balance": lambda state: Balance(
        classes=_counts(state["classes"]), evenness=state["evenness"], ratio=state["ratio"]
    ),
    "mime_types": _counts,
    "shapes": _counts,
    "kinds": _counts,
    "fields": lambda state: tuple(_column(each) for each in state),
}

__all__ = [
    "Balance",
    "ColumnStatistics",
    "DatasetStatistics",
    "Distinct",
    "Histogram",
    "Number",
    "Numbers",
    "OnProgress",
    "TopValues",
    "ValueCount",
]
