"""The figures of a job as tables: those over all rows, then those of slices; and what has to be known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.results.reports.figure_words import interval_text, notes, number, sliced

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.figure import Figure

MOST = 24
"""Figures of one table that are shown; all are in `-o json`, and in the page that `--format html` makes."""


def render_figures(console: Console, figures: Sequence[Figure], *, has_labels: bool) -> None:
    """Draw the figures over all rows, and what has to be known of them.

    Args:
        console: Where to draw.
        figures: Of one job.
        has_labels: Whether a table per label is drawn elsewhere, so that those of a label are left out here.
    """
    from rich.text import Text

    shown = [each for each in figures if not each.slice and not (has_labels and each.label)]
    if not shown:
        return
    _table(console, "figures", shown[:MOST])
    for line in notes(shown[:MOST]):
        console.print(Text(line, style="dim", overflow="fold"))
    _more(console, len(shown) - MOST)


def render_slices(console: Console, figures: Sequence[Figure], *, has_labels: bool) -> None:
    """Draw the figures of some rows, one slice under the other; see `render_figures`."""
    found = [each for listed in sliced(figures).values() for each in listed if not (has_labels and each.label)]
    if found:
        _table(console, "slices", found[:MOST])
        _more(console, len(found) - MOST)


def _table(console: Console, title: str, shown: Sequence[Figure]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    confidence = f"{shown[0].confidence:.0%}".replace("%", " %")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("figure", overflow="fold")
    has_slices = any(each.slice for each in shown)
    if has_slices:
        table.add_column("rows of", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"{confidence} interval", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for each in shown:
        cells = [each.name, *([each.slice] if has_slices else []), number(each.value), interval_text(each)]
        table.add_row(*(Text(cell) for cell in cells), Text(f"{each.n:,}"))
    console.print(Text(title, style="bold"))
    console.print(table)


def _more(console: Console, count: int) -> None:
    from rich.text import Text

    if count > 0:
        console.print(Text(f"and {count:,} more: --format html, or -o json", style="dim"))
    console.print()
