"""The figures of a job as a table: metric, value, interval, rows; and what has to be known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.figure import Figure

MOST = 24
"""Figures that are shown; all are in `-o json`."""


def render_figures(console: Console, figures: Sequence[Figure], *, has_labels: bool) -> None:
    """Draw figures, those over all rows first.

    Args:
        console: Where to draw.
        figures: Of one job.
        has_labels: Whether a table per label is drawn elsewhere, so that those of a label are left out here.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = [each for each in figures if not (has_labels and each.label)]
    if not shown:
        return
    shown.sort(key=lambda each: bool(each.slice))
    more = len(shown) - MOST
    shown = shown[:MOST]
    confidence = f"{shown[0].confidence:.0%}".replace("%", " %")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("figure", overflow="fold")
    if any(each.slice for each in shown):
        table.add_column("rows of", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"{confidence} interval", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for each in shown:
        cells = [each.name, *([each.slice] if len(table.columns) > 4 else []), number(each.value), _interval(each)]
        table.add_row(*(Text(cell) for cell in cells), Text(f"{each.n:,}"))
    console.print(Text("figures", style="bold"))
    console.print(table)
    for line in notes(shown):
        console.print(Text(line, style="dim", overflow="fold"))
    if more > 0:
        console.print(Text(f"and {more} more: -o json", style="dim"))
    console.print()


def notes(figures: Sequence[Figure]) -> Iterator[str]:
    """Say what has to be known of the figures over all rows: rows that do not count, clusters, remarks."""
    whole = [each for each in figures if not each.slice] or list(figures)
    said: dict[str, list[str]] = {}
    for each in whole:
        for text in _facts(each):
            said.setdefault(text, []).append(each.metric)
    for text, names in said.items():
        different = list(dict.fromkeys(names))
        yield text if len(different) == len({each.metric for each in whole}) > 1 else f"{', '.join(different)}: {text}"


def _facts(figure: Figure) -> Iterator[str]:
    for count, what in (
        (figure.missing, "without a value"),
        (figure.not_finite, "with NaN or an infinite value"),
        (figure.failed, "failed"),
    ):
        if count:
            yield f"{count:,} {'row' if count == 1 else 'rows'} {what}, not counted"
    if figure.bounds is not None:
        yield f"with the rows that do not count it is between {number(figure.bounds[0])} and {number(figure.bounds[1])}"
    if figure.clusters is not None:
        yield f"rows lie in {figure.clusters:,} clusters"
    if figure.repeats > 1:
        yield f"up to {figure.repeats} results of one row, which count as alike"
    yield from figure.remarks


def number(value: float) -> str:
    """Write a value: four digits after the point, more where these show nothing.

    Example:
        >>> number(0.85), number(0.00001234), number(1234.5), number(float("nan"))
        ('0.8500', '1.23e-05', '1234.5', 'none')
    """
    if value != value:  # noqa: PLR0124 - NaN
        return "none"
    size = abs(value)
    text = (
        f"{value:.4f}" if value == 0 or 0.001 <= size < 100 else f"{value:.1f}" if 100 <= size < 1e6 else f"{value:.3g}"
    )
    return text if "e" in text else text.replace("-", "−")


def _interval(figure: Figure) -> str:
    if not figure.has_interval:
        return f"none: {figure.method}"
    return f"{number(figure.low)} to {number(figure.high)}"
