"""`swcli dataset diff`: what makes one version of another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.datasets.diff import DatasetDiff
    from starwhale.storage.protocols import Key

LIMIT = 20
"""Keys and rows that are listed by default."""
SHOWN_KEYS = 10
"""Keys of a line."""


@click.command("diff", cls=SwCommand)
@click.argument("base", shell_complete=completes("dataset"))
@click.argument("compare", shell_complete=completes("dataset"))
@click.option("--show-details", is_flag=True, help="Show the changed cells: old → new.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=LIMIT, show_default=True, help="Keys and rows that are listed."
)
@click.pass_obj
def diff(app: CliApp, base: str, compare: str, show_details: bool, limit: int) -> None:
    """Compare two versions, of one dataset or of two: rows by key, columns and their kinds.

    What both versions share is not read again. Counts are whole, lists are cut at --limit.
    """
    found = app.instance().diff_datasets(base, compare, show_details=show_details, limit=limit)
    app.emit(found.to_json(), lambda console: _render(console, found))


def _render(console: Console, found: DatasetDiff) -> None:
    lines = [f"base:    {found.base} ({_count(found.base_rows)})"]
    lines.append(f"compare: {found.compare} ({_count(found.compare_rows)})")
    lines += ["no difference"] if found.is_same and not _column_lines(found) else []
    if not found.is_same:
        lines.append(
            f"rows: {found.added} added, {found.removed} removed, {found.changed} changed, {found.unchanged} the same"
        )
    for sign, what, count, keys in (
        ("+", "added", found.added, found.added_keys),
        ("-", "removed", found.removed, found.removed_keys),
        ("~", "changed", found.changed, found.changed_keys),
    ):
        if count and keys:
            lines.append(f"  {sign} {what}: {_keys(keys, count)}")
    lines += _column_lines(found)
    if found.info_changed:
        lines.append("info: changed")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.details:
        _render_details(console, found)


def _column_lines(found: DatasetDiff) -> list[str]:
    lines = [f"  + column {name} ({kind})" for name, kind in found.added_columns.items()]
    lines += [f"  - column {name} ({kind})" for name, kind in found.removed_columns.items()]
    lines += [f"  ~ column {name}: {old} → {new}" for name, (old, new) in found.changed_columns.items()]
    cells = ", ".join(f"{name} {count}" for name, count in found.changed_cells.most_common())
    return lines + ([f"  changed cells by column: {cells}"] if cells else [])


def _render_details(console: Console, found: DatasetDiff) -> None:
    for row in found.details or ():
        console.print(f"row {row.key!r}", markup=False, highlight=False)
        for cell in row.cells:
            line = f"  {cell.column}: {_show(cell.old)} → {_show(cell.new)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    left = found.changed - len(found.details or ())
    if left:
        console.print(f"… and {left} more changed rows; see more with --limit", markup=False, highlight=False)


def _keys(keys: Sequence[Key], count: int) -> str:
    shown = ", ".join(map(repr, keys[:SHOWN_KEYS]))
    left = count - min(len(keys), SHOWN_KEYS)
    return f"{shown} and {left} more" if left else shown


def _show(cell: Any) -> str:  # Any: JSON
    if cell is None:
        return "(none)"
    if isinstance(cell, Mapping) and "digest" in cell:
        words = [str(cell["type"]), str(cell.get("name") or ""), f"{cell['size']} B", str(cell["digest"])[:12]]
        return " ".join(word for word in words if word)
    if isinstance(cell, Mapping) and cell.get("type") == "float":
        return str(cell["value"])
    return json.dumps(cell, ensure_ascii=False)


def _count(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"
