"""The report of a job for people: what it ran on, what came of it, how sure that is, and which rows failed.

Everything folds, so that nothing is cut off: tables wider than the console are drawn in pieces, the ids in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starwhale.cli.render.render_figures import render_figures, render_slices
from starwhale.domain.counted import counted
from starwhale.results.reports.record_words import record_lines
from starwhale.results.reports.report_words import (
    about_lines,
    failure_lines,
    heading,
    matrix_rows,
    progress_lines,
    show_value,
    summary_lines,
)
from starwhale.results.reports.usage_words import usage_lines

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.reports.job_report import JobReport

MOST_LABELS = 20
"""Of a matrix of counts that is drawn on a terminal; of more, the most frequent mistakes are named."""
MOST_MISTAKES = 10
NAME_WIDTH = 40
"""Most characters of a name in one line of a panel."""
MATRIX = "true"
"""Title of the ids of a confusion matrix."""
Row = Mapping[str, Any]  # Any: cells of users


def render_report(
    console: Console,
    report: JobReport,
    max_columns: int = 20,
    *,
    is_verbose: bool = False,
    has_steps: bool = False,
) -> None:
    """Draw a report; fits the console's width and loses no cell.

    Args:
        console: Where to draw.
        report: The report.
        max_columns: Most columns of a table.
        is_verbose: Whether whole ids and URIs are shown.
        has_steps: Whether the steps were drawn already, with their rows.
    """
    _panel(console, "job", dict(about_lines(report, is_whole=is_verbose)))
    render_figures(console, report.figures, has_labels=bool(report.labels))
    _panel(console, "summary", dict(summary_lines(report)))
    if report.labels:
        _tables(console, "per label", "label", list(report.labels.values()), max_columns)
    _confusions(console, report, max_columns)
    render_slices(console, report.figures, has_labels=bool(report.labels))
    for line in () if has_steps else progress_lines(report):
        _line(console, line)
    if report.errors and has_steps:
        _line(console, "rows that failed", "bold")
    for line in failure_lines(report):
        _line(console, f"  {line}")
    _panel(console, "time", dict(usage_lines(report.steps, is_whole=is_verbose)))
    if has_steps:
        _panel(console, "record", dict(record_lines(report.manifest, is_whole=is_verbose)))


def _confusions(console: Console, report: JobReport, max_columns: int) -> None:
    """Draw the confusion matrix: the rows of the dataset in each cell where they are known, else what was logged."""
    title = "confusion matrix (rows: true, columns: predicted)"
    if not report.confusions and report.confusion_matrix:
        _tables(console, title, MATRIX, matrix_rows(report), max_columns)
    for each in report.confusions:
        if len(each.labels) <= MOST_LABELS:
            rows = [
                {"id": label, **{name: count or "·" for name, count in zip(each.labels, row, strict=True)}}
                for label, row in zip(each.labels, each.counts, strict=True)
            ]
            _tables(console, f"{title[:-1]}{f'; {each.slice}' if each.slice else ''})", MATRIX, rows, max_columns)
        elif mistakes := each.mistakes():
            _line(console, f"most frequent mistakes of {counted(len(each.labels), 'label')}")
            for true, predicted, count in mistakes[:MOST_MISTAKES]:
                _line(console, f"  {true} taken for {predicted}: {counted(count, 'row')}")
            _line(console, "")


def _panel(console: Console, title: str, lines: Mapping[str, str]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    shown = {name: text for name, text in lines.items() if text}
    if not shown:
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    width = min(max(map(len, shown)), NAME_WIDTH, max(console.width // 3, 8))
    grid.add_column(justify="right", width=width, overflow="fold")
    grid.add_column(overflow="fold")
    for name, text in shown.items():
        grid.add_row(Text(name), Text(text))
    console.print(Panel(grid, title=title, title_align="left"))


def _tables(console: Console, title: str, id_title: str, rows: Sequence[Row], max_columns: int) -> None:
    """Draw rows in as many tables one under the other as the width needs."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row if name != "id"))
    is_numbered = id_title == MATRIX and all(isinstance(row.get("id"), int) for row in rows)
    names = sorted(names, key=int) if is_numbered else names
    ids = [show_value("id", row.get("id")) for row in rows]
    digits = 3 if id_title == MATRIX else 4
    cells = {name: [show_value(name, row.get(name), digits) for row in rows] for name in names}
    headings = {name: name if id_title == MATRIX else heading(name) for name in names}
    widths = {name: max(map(len, (headings[name], *cells[name]))) for name in names}
    id_width = min(max(map(len, (id_title, *ids))), max(console.width // 3, 8))
    console.print(Text(title, style="bold"))
    for shown in _pieces(widths, console.width - id_width - 4, max_columns):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column(id_title, width=id_width, overflow="fold")
        for name in shown:
            table.add_column(Text(headings[name]), justify="right", overflow="fold")
        for position, row_id in enumerate(ids):
            table.add_row(Text(row_id), *(Text(cells[name][position]) for name in shown))
        console.print(table)
        console.print()


def _pieces(widths: Mapping[str, int], room: int, most: int) -> Iterator[list[str]]:
    """Group columns so that each group fits the room, one column at least."""
    shown: list[str] = []
    used = 0
    for name, width in widths.items():
        if shown and (used + width + 2 > room or len(shown) >= most):
            yield shown
            shown, used = [], 0
        shown.append(name)
        used += width + 2
    if shown:
        yield shown


def _line(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(text, style=style, overflow="fold"))
