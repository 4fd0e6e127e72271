"""Rows of datasets and of a job's tables, as the HTTP API shows them; docs/reference/http-api.md says what a cell may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starwhale.wire.page import DOCUMENTED
from starwhale.wire.versions import ColumnView

Cell = Any  # Any: a JSON value; what JSON cannot hold is an object with `_type`
RowView = dict[str, Cell]
"""Cells by column; a column that a row lacks is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsView:
    """Some rows of a table, in the order that was asked for."""

    __pydantic_config__ = DOCUMENTED
    columns: list[ColumnView]
    """Columns of these rows at least, in their order."""
    items: list[RowView]
    """The rows. The key of a dataset's row stands in `__key`, the id of a result's in `id`."""
    offset: int
    """How many rows come before the first."""
    next: str | None
    """What to give as `after` for the rows behind; null after the last."""
    total: int | None
    """Rows that fit in all; null where counting would take a pass over the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A table of a job."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """Its name; `results` holds what predict gave."""
    rows: int
    """Its rows; at most so many where ids were logged several times."""
    columns: list[ColumnView]
    """Its columns, without the inputs that are joined to `results`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRowView:
    """A row of a table."""

    __pydantic_config__ = DOCUMENTED
    table: str
    """Name of the table."""
    row: RowView
    """The row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """Columns of a table for a chart: all rows that fit, or evenly chosen ones."""

    __pydantic_config__ = DOCUMENTED
    columns: dict[str, list[Cell]]
    """Values per column, all of one length."""
    rows: int
    """Rows that are here."""
    total: int
    """Rows that fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinView:
    """A bar of a histogram."""

    __pydantic_config__ = DOCUMENTED
    value: Cell
    """The value; null for numbers in a range."""
    low: float | None
    """Lower end of a range of numbers, which belongs to it."""
    high: float | None
    """Its upper end, which belongs to the last bar alone."""
    count: int
    """Rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramView:
    """How the values of a column spread."""

    __pydantic_config__ = DOCUMENTED
    column: str
    """The column."""
    bins: list[BinView]
    """Ranges of numbers from low to high, or values with the most frequent first."""
    other: int
    """Rows with values that have no bar."""
    missing: int
    """Rows without a value."""
    total: int
    """Rows that fit."""
