"""Rows of a job's table for people and for programs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starwhale.results.reports.report_words import show_value

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.scan import Scan

WIDEST = 36
"""Most characters of a cell that is no id; `-o json` gives whole values."""
_HIDDEN = frozenset({"_mode"})
_WHOLE = frozenset({"id", "exception"})
"""What is never cut: it goes on in the next line."""
_FIRST = ("id", "exception", "frame", "message", "output", "input", "duration_seconds")
Row = Mapping[str, Any]  # Any: cells of users


def render_rows(console: Console, found: Scan, *, next_command: str) -> None:
    """Draw rows in one table: the columns that fit, cells cut, and what was left out said; nothing where there are none.

    Args:
        console: Where to draw.
        found: The rows.
        next_command: What shows the rows behind.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = sorted({name: None for row in found.rows for name in row if name not in _HIDDEN}, key=_rank)
    cells = {name: [_cut(show_cell(name, row.get(name)), name) for row in found.rows] for name in names}
    ids = min(max(map(len, ("id", *cells.get("id", [])))), max(console.width // 2, 8))
    shown = _fitting(cells, console.width, ids)
    if not found.rows:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in shown:
        if name == "id":
            table.add_column("id", width=ids, overflow="fold")  # whole, because it is copied from here
        elif name in _WHOLE:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(Text(_cut(name)), no_wrap=True, overflow="ellipsis")
    for position in range(len(found.rows)):
        table.add_row(*(Text(cells[name][position]) for name in shown))
    console.print(table)
    if left_out := names[len(shown) :]:
        text = f"{len(left_out)} columns left out: {', '.join(left_out)}; -o json gives all"
        console.print(Text(text, overflow="fold"))
    if found.has_more:
        console.print(Text(f"there are more rows: {next_command}", overflow="fold"))


def show_cell(name: str, value: object) -> str:
    """Write a cell in one line: media by kind and shape, bytes by size."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    shape = getattr(value, "shape", None)
    if isinstance(shape, list) and hasattr(value, "mime_type"):
        to_text = getattr(value, "to_str", None)
        if callable(to_text):
            return " ".join(str(to_text()).split())
        sizes = [str(each) for each in shape if each is not None]
        return " ".join([type(value).__name__, "×".join(sizes)]).strip()
    if isinstance(value, (dict, list, tuple)):
        return " ".join(str(value).split())
    return " ".join(show_value(name, value).split())


def rows_to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON objects: bytes as `{"bytes": size, "base64": …}`, media as their attributes without the content."""
    return [{name: _to_json(value) for name, value in row.items()} for row in rows]


def _to_json(value: Any) -> Any:  # Any: a cell, then a JSON value
    if isinstance(value, bytes):
        return {"bytes": len(value), "base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {str(name): _to_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(each) for each in value]
    return value


def _rank(name: str) -> tuple[int, str]:
    head = name.partition("/")[0]
    return (_FIRST.index(head) if head in _FIRST else len(_FIRST) + name.startswith("_"), "")


def _fitting(cells: Mapping[str, Sequence[str]], room: int, ids: int) -> list[str]:
    """Return the first columns that fit side by side, one at least."""
    shown: list[str] = []
    for name, values in cells.items():
        width = ids if name == "id" else max(map(len, (_cut(name), *values)))
        room -= (min(width, max(room - 2, WIDEST)) if name in _WHOLE else width) + 2
        if shown and room < 0:
            break
        shown.append(name)
    return shown


def _cut(text: str, name: str = "") -> str:
    return text if name in _WHOLE or len(text) <= WIDEST else text[: WIDEST - 1] + "…"
