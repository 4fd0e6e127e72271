"""How a job that ran in this call ends: its report, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.cli.app import CliApp
from starwhale.errors import InterruptedJobError

if TYPE_CHECKING:
    from starwhale.execution.start import JobOutcome


def finish(app: CliApp, outcome: JobOutcome) -> None:
    """Show the report of a job, and fail when the job did.

    Raises:
        InterruptedJobError: The job was stopped; the message says how to go on.
        StarwhaleError: Why the job failed.
    """
    from starwhale.cli.render_report import render_report
    from starwhale.results.report import make_report

    short = outcome.job_id[:12]
    if outcome.was_interrupted:
        if outcome.error is not None:
            outcome.error.hint = f"{outcome.error.hint}; then: swcli job resume {short}".lstrip("; ")
            raise outcome.error
        message = f"job {short} was interrupted; what was done is kept"
        raise InterruptedJobError(message, hint=f"go on with: swcli job resume {short}")
    if outcome.error is not None:
        outcome.error.hint = (
            outcome.error.hint or f"mend it and go on with: swcli job resume {short}; -v shows the traceback"
        )
        raise outcome.error
    instance = app.instance()
    report = make_report(instance.stores, instance.jobs.get(outcome.job_id))
    app.emit(report.to_json(), lambda console: render_report(console, report, is_verbose=app.verbosity > 0))
    if not app.wants_json:
        app.say(f"finish run, success!  See it again with: swcli job info {short}")
