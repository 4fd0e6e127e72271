"""Tables of `list` and `history`: they fit any width, fold what is long, and keep ids and numbers whole as long as there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from starwhale.cli.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2


class Kind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    """Folded when there is no room."""
    TIME = "time"
    """Date and time; the time goes below the date when there is no room."""
    WHOLE = "whole"
    """Ids and single words, in one line."""
    NUMBER = "number"
    """In one line, set to the right."""


_ROUNDS = (((Kind.TEXT,), 8), ((Kind.TIME,), 10), ((Kind.TEXT,), 4), (tuple(Kind), 1))
"""Which columns are narrowed first, and down to what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    """Its heading, and the name of its cells."""
    kind: Kind = Kind.TEXT
    """What its cells are."""


def render_table(console: Console, columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> None:
    """Draw rows as wide as they are, or as narrow as the console asks for; nothing is lost.

    Args:
        console: Where to draw.
        columns: What is shown, from the left.
        rows: Cells by title.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [{title: visible(cell) for title, cell in row.items()} for row in rows]
    natural = [
        max(len(each.title), *(len(line) for row in rows for line in row[each.title].split("\n")))
        if rows
        else len(each.title)
        for each in columns
    ]
    room = console.width - _GAP * (len(columns) - 1) - 1
    widths = fit_widths(natural, [each.kind for each in columns], room)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for each, width in zip(columns, widths, strict=True):
        table.add_column(
            each.title, width=width, overflow="fold", justify="right" if each.kind is Kind.NUMBER else "left"
        )
    for row in rows:
        table.add_row(*(Text(row[each.title]) for each in columns))
    console.print(table)


def fit_widths(natural: Sequence[int], kinds: Sequence[Kind], room: int) -> list[int]:
    """Narrow columns until they fit, the widest first: text, then times, and what must stay whole last.

    Args:
        natural: Width that each column would have.
        kinds: What each column holds.
        room: Columns of the console for all of them.

    Example:
        >>> fit_widths([40, 12, 30], [Kind.TEXT, Kind.WHOLE, Kind.TEXT], 60)
        [24, 12, 24]
        >>> fit_widths([40, 16, 12], [Kind.TEXT, Kind.TIME, Kind.WHOLE], 30)
        [8, 10, 12]
    """
    widths = list(natural)
    for narrowed, floor in _ROUNDS:
        while sum(widths) > room:
            able = [at for at, width in enumerate(widths) if kinds[at] in narrowed and width > floor]
            if not able:
                break
            widest = max(able, key=lambda at: (widths[at], at))
            widths[widest] -= 1
    return widths


def show_bytes(size: int) -> str:
    """Write a number of bytes for people.

    Example:
        >>> show_bytes(2048)
        '2.0 KiB'
    """
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TiB"
