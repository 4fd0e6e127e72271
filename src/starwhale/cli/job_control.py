"""`swcli job pause` and `cancel`: stop a job, whichever process runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.server_jobs import server_of, tell_row

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import JobRecord

_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0), default=None, metavar="S", help="Wait so many seconds at most."
)


@click.command("pause", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@_TIMEOUT
@click.option("-f", "--force", is_flag=True, help="Accepted for old scripts.")
@click.pass_obj
def pause(app: CliApp, job_address: str, timeout: float | None, force: bool) -> None:
    """Stop a job for now, whichever process runs it.

    What runs stops at its next batch; `resume` goes on. Ctrl-C ends the waiting, and the job still stops.
    """
    del force
    if (there := server_of(app, job_address)) is not None:
        tell_row(app, there.server_jobs.stop(job_address, "pause", timeout_s=timeout))
        return
    _tell(app, app.instance().jobs.pause(job_address, timeout_s=timeout))


@click.command("cancel", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@_TIMEOUT
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Do not wait for the batches under way; ends a process that does not answer within 10 s.",
)
@click.pass_obj
def cancel(app: CliApp, job_address: str, timeout: float | None, force: bool) -> None:
    """Stop a job for good, whichever process runs it; what was done is kept.

    What runs stops at its next batch. Ctrl-C ends the waiting, and the job still stops.
    """
    if (there := server_of(app, job_address)) is not None:
        tell_row(app, there.server_jobs.stop(job_address, "cancel", force=force, timeout_s=timeout))
        return
    _tell(app, app.instance().jobs.cancel(job_address, force=force, timeout_s=timeout))


def _tell(app: CliApp, found: JobRecord) -> None:
    short = found.id[:12]
    app.tell(
        {"manifest": app.instance().jobs.manifest(found)},
        f"job {short}: {found.status}; go on with: swcli job resume {short}",
    )
