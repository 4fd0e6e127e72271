"""The steps of a job for people: their needs, tasks, rows and times, and how the job ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.domain.status import Status, is_resumable

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.reports.job_report import StepReport
    from starwhale.storage.catalog.job_records import JobRecord


_STEP_COLUMNS = {
    "step": Kind.TEXT,
    "needs": Kind.TEXT,
    "tasks": Kind.NUMBER,
    "done": Kind.NUMBER,
    "failed": Kind.NUMBER,
    "retried": Kind.NUMBER,
    "rows": Kind.NUMBER,
    "started": Kind.WHOLE,
    "took": Kind.NUMBER,
    "status": Kind.WHOLE,
}


def render_steps(console: Console, steps: Sequence[StepReport], now: float) -> None:
    """Draw one line per step, in the order in which they run; fits any width."""
    cells: list[dict[str, str]] = []
    has_retries = any(each.retried for each in steps)  # the column takes the place of a time that says less then
    titles = [title for title in _STEP_COLUMNS if title != ("started" if has_retries else "retried")]
    for each in steps:
        started = "" if each.started_at is None else time.strftime("%H:%M:%S", time.localtime(each.started_at))
        counts = ["" if count is None else str(count) for count in (each.done, each.failed, each.retried, each.total)]
        needs = ", ".join(_short(need) for need in each.needs)
        words = [
            _short(each.name),
            needs,
            str(each.tasks),
            *counts,
            started,
            show_seconds(each.seconds(now)),
            each.status,
        ]
        row = dict(zip(_STEP_COLUMNS, map(str, words), strict=True))
        cells.append({title: row[title] for title in titles})
    if steps:
        render_table(console, [Column(title=title, kind=_STEP_COLUMNS[title]) for title in titles], cells)


def render_ending(console: Console, job: JobRecord, debug_command: str) -> None:
    """Say why a job is not done, the user's line first, and how to go on.

    Args:
        console: Where to draw.
        job: The job.
        debug_command: What tries the row that failed with the terminal attached; empty for none.
    """
    from rich.text import Text

    lines: list[str] = []
    if job.error is not None:
        lines = [
            f"{job.error.frame}{f', row {job.error.key}' if job.error.key else ''}" if job.error.frame else "",
            job.error.source,
            f"Error: {job.error.exception or job.error.message}",
            f"Hint:  {job.error.hint}" if job.error.hint else "",
            f"Log:   {job.error.log}" if job.error.log else "",
        ]
    elif job.status is Status.INTERRUPTED:
        lines = ["the job was interrupted; what was done is kept"]
    if job.is_imported:
        lines.append(f"It was imported from an archive; run it again here with: swcli job reproduce {job.id[:12]}")
    elif is_resumable(job.status) and not job.request.is_debug:
        lines.append(f"Later: swcli job resume {job.id[:12]} goes on from the rows that are done")
    if debug_command:
        lines.append(f"Try:   {debug_command}")
    for line in lines:
        if line:
            console.print(Text(line, overflow="fold"))


def show_seconds(seconds: float | None) -> str:
    """Write a duration.

    Example:
        >>> show_seconds(0.42), show_seconds(75), show_seconds(7300), show_seconds(None)
        ('0.4 s', '1:15', '2:01:40', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(name: str) -> str:
    """Leave the module of a handler out: `model:Digits.predict` is `Digits.predict`."""
    return name.rpartition(":")[2]
