"""The report of a job for people: what it ran on, what came of it, how sure that is, and which rows failed.

Everything folds, so that nothing is cut off: tables wider than the console are drawn in pieces, the ids in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starwhale.cli.render.render_figures import render_figures
from starwhale.cli.render.render_record import record_lines
from starwhale.cli.render.render_usage import usage_lines
from starwhale.results.figure import figure_values

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.reports.job_report import JobReport

SHORT = 12
"""Characters of an id that are shown and accepted."""
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
    _panel(console, "job", dict(_about(report, is_verbose)))
    if has_steps:
        _panel(console, "record", dict(record_lines(report.manifest, is_whole=is_verbose)))
    _panel(console, "time", dict(usage_lines(report.steps, is_whole=is_verbose)))
    _panel(console, "summary", dict(_summary(report)))
    render_figures(console, report.figures, has_labels=bool(report.labels))
    if report.labels:
        _tables(console, "per label", "label", list(report.labels.values()), max_columns)
    if report.confusion_matrix:
        title = "confusion matrix (rows: true, columns: predicted)"
        _tables(console, title, MATRIX, _matrix(report), max_columns)
    for step in () if has_steps else report.progress:
        failed = f", {step.failed} failed" if step.failed else ""
        again = f", {step.retried} tried again ({step.recovered} succeeded then)" if step.retried else ""
        _line(console, f"{step.step}: {step.done} of {step.total} rows{failed}{again}")
    for row in report.errors:
        where = f" ({row['frame']})" if row.get("frame") else ""
        _line(console, f"  {row.get('id', '')}: {row.get('exception') or row.get('message') or ''}{where}")
    if (more := report.failed_rows - len(report.errors)) > 0 and report.errors:
        _line(console, f"  and {more} more in the table 'errors'")


def _matrix(report: JobReport) -> list[Row]:
    """Return the rows of the confusion matrix with labels in place of numbers, as far as they are known and not the numbers."""
    labels, rows = report.matrix_labels, report.confusion_matrix
    if len(labels) != len(rows) or len(set(labels)) != len(labels):
        return list(rows)
    numbers = [str(number) for number in range(len(labels))]
    named = zip(labels, rows, strict=True)
    return [
        {"id": label, **{labels[int(each)]: row.get(each) for each in numbers if each in row}} for label, row in named
    ]


def _about(report: JobReport, is_verbose: bool) -> Iterator[tuple[str, str]]:
    manifest = report.manifest
    version = str(manifest["version"])
    yield "version", " ".join(filter(None, (version if is_verbose else version[:SHORT], manifest.get("name"))))
    yield "status", str(manifest["status"])
    yield "handler", str(manifest["handler_name"])
    yield "model", _model(manifest)
    yield "datasets", "\n".join(manifest.get("dataset_uris", ()) if is_verbose else report.inputs)
    yield "time", " to ".join(filter(None, (manifest["created_at"], manifest["finished_at"])))
    went_on = [each["executor"] for each in manifest.get("resumes") or () if each.get("executor")]
    found = [f"{', then '.join(dict.fromkeys([manifest['executor'], *went_on]))} executor"]
    for text, name in (("Python", "python_version"), ("starwhale", "starwhale_version"), ("", "platform")):
        if manifest.get(name):
            found.append(f"{text} {manifest[name]}".strip())
    yield "ran on", ", ".join(found)
    yield "error", str(manifest["error_message"] or "")


def _model(manifest: Row) -> str:
    name = str(manifest.get("model_name") or manifest["model"])
    if version := str(manifest.get("model_version") or "")[:SHORT]:
        return f"{name}@{version}"  # where it was unpacked says nothing: that copy goes when the job has succeeded
    folder = str(manifest.get("model_src_dir") or "")
    return f"{name}  ({folder})" if folder else name


def _summary(report: JobReport) -> Iterator[tuple[str, str]]:
    told = figure_values(report.figures)
    for name, value in report.summary.items():
        if name in told and value == told[name]:  # it stands among the figures, with its interval
            continue
        if name == "accuracy" and report.accuracy is not None:
            found = report.accuracy
            method = found.method.removesuffix(" 95%")
            interval = f"95 % interval {found.low:.4f} to {found.high:.4f}"
            yield name, f"{found.value:.4f}   {interval} ({method}, n = {found.count})"
        elif name != "kind":
            yield name, show_value(name, value)


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
    headings = {name: name if id_title == MATRIX else _heading(name) for name in names}
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


def _line(console: Console, text: str) -> None:
    from rich.text import Text

    console.print(Text(text, overflow="fold"))


def _heading(name: str) -> str:
    """Shorten `tp-true positive` and its likes."""
    head, dash, _ = name.partition("-")
    return head if dash and head in {"tp", "tn", "fp", "fn"} else name


def show_value(name: str, value: object, digits: int = 4) -> str:
    """Write a cell for people: few decimals, whole numbers whole.

    Example:
        >>> show_value("f1", 0.5), show_value("support", 99.0), show_value("n", 3), show_value("tiny", 1.5e-7)
        ('0.5000', '99', '3', '1.5e-07')
    """
    if isinstance(value, float):
        if name.rpartition("/")[2] == "support" and value.is_integer():
            return str(int(value))
        return f"{value:.{digits}f}" if value == 0 or 10**-digits <= abs(value) < 1e9 else f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        return ", ".join(show_value("", each) for each in value)
    return "" if value is None else str(value)
