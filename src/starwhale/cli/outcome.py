"""How a job that ran in this call ends: its report, or why there is none and what to try."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.debug_command import debug_command
from starwhale.domain.counted import counted
from starwhale.domain.row_id import address_of
from starwhale.errors import InterruptedJobError, UserCodeError

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.domain.job import RunRequest
    from starwhale.execution.outcome import JobOutcome
    from starwhale.results.reports.job_report import JobReport
    from starwhale.storage.catalog.job_records import JobRecord


@contextmanager
def suggest_debugging(app: CliApp, request: RunRequest) -> Generator[None]:
    """Give what user code raises before there is a job, such as an import that fails, the command that tries it again."""
    try:
        yield
    except UserCodeError as error:
        error.command = error.command or debug_command(request, folder=Path.cwd(), project=app.instance().project)
        raise


def finish(app: CliApp, outcome: JobOutcome) -> None:
    """Show the report of a job, and fail when the job did.

    Raises:
        InterruptedJobError: The job was stopped; the message says how to go on.
        StarwhaleError: Why the job failed.
    """
    from starwhale.cli.render.render_report import render_report

    job = app.instance().jobs.find(outcome.job_id)  # a debug run is hidden by now
    is_debug = job.request.is_debug
    short = outcome.job_id[:12]
    if outcome.was_interrupted:
        if is_debug:
            message = "the debug run was stopped; nothing of it is kept"
            raise InterruptedJobError(message)
        if outcome.error is not None:
            outcome.error.hint = f"{outcome.error.hint}; then: swcli job resume {short}".lstrip("; ")
            raise outcome.error
        message = f"job {short} was {outcome.status}; what was done is kept"
        raise InterruptedJobError(message, hint=f"go on with: swcli job resume {short}")
    if isinstance(outcome.error, UserCodeError):
        outcome.error.command = row_command(app, job, outcome.error.row)
        outcome.error.resume = "" if is_debug else f"swcli job resume {short}"
        raise outcome.error
    if outcome.error is not None:
        if not is_debug:
            again = f"mend it and go on with: swcli job resume {short}; -v shows the traceback"
            outcome.error.hint = outcome.error.hint or again
        raise outcome.error
    report = app.instance().jobs.report(job)

    def render(console: Console) -> None:
        if job.request.row:
            _render_outputs(app, job)
        else:
            render_report(console, report, is_verbose=app.verbosity > 0)

    app.emit(report.to_json(), render)
    if not app.wants_json:
        _tell_end(app, job, report)


def _tell_end(app: CliApp, job: JobRecord, report: JobReport) -> None:
    short = job.id[:12]
    if job.request.is_debug:
        app.say("finish run, success!  It was a debug run: nothing of it is kept")
        return
    app.say(f"finish run, success!  See it again with: swcli job info {job.name or short}")
    if report.failed_rows and report.errors:
        place = address_of(report.errors[0]["id"], report.errors[0].get("_index"))
        click.echo(
            f"{counted(report.failed_rows, 'row')} failed; try the first: {row_command(app, job, place)}", err=True
        )
        click.echo(f"mend what is wrong, and try them again: swcli job resume {short} --failed", err=True)


def row_command(app: CliApp, job: JobRecord, row: str) -> str:
    """Return the command that tries a row of a job with the terminal attached."""
    project = app.instance().project
    return debug_command(job.request, row=row, datasets=job.datasets, folder=Path.cwd(), project=project)


def _render_outputs(app: CliApp, job: JobRecord) -> None:
    """Show what predict gave for the one row that was tried."""
    from starwhale.storage.protocols import TableQuery

    rows = list(app.instance().jobs.rows(job, TableQuery(table="results")))
    if not rows:
        click.echo("predict logged no output")
    for row in rows:
        outputs = {name: value for name, value in row.items() if name == "output" or name.startswith("output/")}
        for name, value in outputs.items():
            click.echo(f"{row['id']}  {name}: {value!r}")
