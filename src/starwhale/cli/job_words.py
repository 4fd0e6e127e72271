"""`swcli job tag` and `note`: what users write on jobs."""

from __future__ import annotations

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes


@click.command("tag", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.argument("tags", nargs=-1)
@click.option("-r", "--remove", is_flag=True, help="Take the tags away.")
@click.pass_obj
def tag(app: CliApp, job_address: str, tags: tuple[str, ...], remove: bool) -> None:
    """Add tags to a job, or take them away; without any, show them."""
    verbs = app.at(job_address).jobs
    found = verbs.tag(job_address, add=() if remove else tags, remove=tags if remove else ())
    app.tell(list(found), ", ".join(found) or "no tags")


@click.command("note", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.argument("text")
@click.pass_obj
def note(app: CliApp, job_address: str, text: str) -> None:
    """Write a note on a job, in place of the one that is there; '' takes it away."""
    written = app.at(job_address).jobs.note(job_address, text)
    app.tell({"note": written}, "noted" if written else "took the note away")
