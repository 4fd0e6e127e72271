"""How a job shows itself: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from starwhale.domain.status import Status

if TYPE_CHECKING:
    from starwhale.results.reports.job_report import JobReport
    from starwhale.storage.catalog.job_records import JobRecord

SHOWN_METRICS = 20
"""Figures of the summary that a notebook shows; the others are in `Job.summary`."""
_SHOWN_CHARACTERS = 200
_COLORS = {Status.SUCCESS: "#1a7f37", Status.FAILED: "#cf222e", Status.RUNNING: "#0969da"}
_OTHER_COLOR = "#9a6700"  # all of them can be read on white and on black


def job_line(record: JobRecord) -> str:
    """Say what a job is in one line."""
    name = f", name {record.name!r}" if record.name else ""
    return f"<Job {record.id[:12]} {str(record.status).upper()}: {record.handler}{name}>"


def job_html(record: JobRecord, report: JobReport, console: str = "") -> str:
    """Draw a job as a table; everything that users wrote is escaped.

    Args:
        record: The job.
        report: What came of it.
        console: Address of the console that runs; empty for none.
    """
    rows = [
        ("status", _status(record)),
        ("job", f"<code>{escape(record.id[:12])}</code>{_dim(record.name)}"),
        ("handler", f"<code>{escape(record.handler)}</code>"),
        ("datasets", "<br>".join(escape(each) for each in report.inputs) or "none"),
        ("rows", "<br>".join(_steps(report)) or "none"),
    ]
    metrics = [(name, _value(value)) for name, value in report.summary.items() if name != "id"]
    rows += [(escape(str(name)), shown) for name, shown in metrics[:SHOWN_METRICS]]
    if len(metrics) > SHOWN_METRICS:
        rows.append(("…", f"{len(metrics) - SHOWN_METRICS} more in <code>.summary</code>"))
    if record.error is not None:
        rows.append(("error", escape(_cut(record.error.message))))
    rows.append(("console", _console(record, console)))
    cells = "".join(
        f'<tr><th style="text-align:left;opacity:.7;font-weight:normal">{name}</th><td style="text-align:left">{value}</td></tr>'
        for name, value in rows
    )
    return f'<table class="starwhale-job">{cells}</table>'


def _console(record: JobRecord, address: str) -> str:
    if not address:
        return '<span style="opacity:.7"><code>swcli ui</code> shows it in a browser</span>'
    page = escape(f"{address}/jobs/{record.id}")
    return f'<a href="{page}" target="_blank" rel="noopener">{page[: len(page) - 28]}…</a>'


def _status(record: JobRecord) -> str:
    color = _COLORS.get(record.status, _OTHER_COLOR)
    return f'<b style="color:{color}">{escape(str(record.status).upper())}</b>'


def _steps(report: JobReport) -> list[str]:
    shown: list[str] = []
    for step in report.progress:
        failed = f", {step.failed} failed" if step.failed else ""
        again = f", {step.retried} tried again" if step.retried else ""
        shown.append(f"{escape(step.step.rpartition(':')[2])}: {step.done} of {step.total} done{failed}{again}")
    return shown


def _dim(text: str) -> str:
    return f' <span style="opacity:.7">{escape(text)}</span>' if text else ""


def _value(value: Any) -> str:  # Any: whatever the user logged
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
