"""`swcli job pause` and `cancel`: stop a job, whichever process runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.server_jobs import address_of

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.storage.catalog.job_records import JobRecord

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
    there = app.at(job_address)
    _tell(app, there, there.jobs.pause(job_address, timeout_s=timeout))


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
    there = app.at(job_address)
    _tell(app, there, there.jobs.cancel(job_address, force=force, timeout_s=timeout))


def _tell(app: CliApp, there: Instance, found: JobRecord) -> None:
    text = f"job {found.id[:12]}: {found.status}; go on with: swcli job resume {address_of(there, found)}"
    app.tell({"manifest": there.jobs.manifest(found)}, text)
