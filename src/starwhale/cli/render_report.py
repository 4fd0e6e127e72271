"""The report of a job for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.report import JobReport


def render_report(console: Console, report: JobReport, max_columns: int = 20) -> None:
    """Draw manifest, summary, accuracy, per-label table, confusion matrix and failed rows; fits 80 columns and wider."""
    from rich.markup import escape
    from rich.panel import Panel

    manifest = report.manifest
    names = ("version", "name", "status", "handler_name", "model_src_dir", "dataset_uris", "executor", "created_at")
    names += ("finished_at", "python_version", "platform", "starwhale_version", "source_digest", "error_message")
    lines = [f"{name:>17}  {escape(_text(manifest[name]))}" for name in names if manifest.get(name)]
    console.print(Panel("\n".join(lines), title="job", title_align="left"))
    plain = {name: value for name, value in report.summary.items() if name != "kind"}
    if plain:
        width = min(max(map(len, plain)), 40)
        body = "\n".join(f"{escape(name):>{width}}  {escape(_text(value))}" for name, value in plain.items())
        console.print(Panel(body, title="summary", title_align="left"))
    if report.accuracy is not None:
        found = report.accuracy
        console.print(
            f"accuracy {found.value:.4f}   95 % interval {found.low:.4f} to {found.high:.4f}   n = {found.count}   ({found.method})"
        )
    if report.labels:
        _table(console, "labels", list(report.labels.values()), max_columns)
    if report.confusion_matrix:
        _table(console, "confusion matrix (row: true, column: predicted)", report.confusion_matrix, max_columns)
    for step in report.progress:
        failed = f", {step.failed} failed" if step.failed else ""
        console.print(f"{escape(step.step)}: {step.done} of {step.total} rows{failed}")
    for row in report.errors:
        where = f" ({row['frame']})" if row.get("frame") else ""
        text = f"  failed: {row.get('id', '')}: {row.get('exception') or row.get('message') or ''}{where}"
        console.print(escape(text), overflow="fold", highlight=False)


def _table(console: Console, title: str, rows: Sequence[Mapping[str, Any]], max_columns: int) -> None:
    """Draw rows in as many tables side by side in time as the width needs, the ids in each."""
    from rich.table import Table

    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "id"]
    names = sorted(names, key=lambda name: (len(name), name)) if all(name.isdigit() for name in names) else names
    per_table = max(min(max_columns, (console.width - 16) // 11), 1)
    for first in range(0, len(names), per_table):
        shown = names[first : first + per_table]
        table = Table(title=title if first == 0 else None, title_justify="left")
        table.add_column("id")
        for name in shown:
            table.add_column(name, justify="right", overflow="fold")
        for row in rows:
            table.add_row(_text(row.get("id")), *(_text(row.get(name)) for name in shown))
        console.print(table)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
