"""`swcli job logs`: what the tasks of a job have printed."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances.jobs.job_logs import LogChoice, TaskLogLines


@click.command("logs", cls=SwCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option("--step", default="", metavar="NAME", help="Only this step: the handler's name, or its function's.")
@click.option(
    "--task", type=click.IntRange(min=0), default=None, metavar="N", help="Only this task of its step, from 0."
)
@click.option(
    "--attempt", type=click.IntRange(min=1), default=None, metavar="N", help="This try of each task; default: the last."
)
@click.option(
    "-n",
    "limit",
    default=20,
    show_default=True,
    type=click.IntRange(min=0),
    help="Most lines of each task, the last ones; 0 means all.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until the job has ended.")
@click.pass_obj
def logs(  # noqa: PLR0917 - click passes them by name
    app: CliApp, job_address: str, step: str, task: int | None, attempt: int | None, limit: int, follow: bool
) -> None:
    """Show what user code has printed, task by task.

    Under -o json with --follow, each line is an object of its own.
    """
    from starwhale.instances.jobs.job_logs import LogChoice

    choice = LogChoice(step=step, task=task, attempt=attempt)
    if follow:
        _follow(app, job_address, choice, limit)
        return
    found = app.at(job_address).jobs.logs(job_address, choice, limit=limit)

    def render(_console: Console) -> None:
        for each in found:
            click.echo(_heading(each))
            for line in each.lines:
                click.echo(line)
        if not found:
            click.echo("nothing was printed")
        elif any(each.has_more for each in found):
            click.echo("there are earlier lines: -n 0 shows all", err=True)

    app.emit([dataclasses.asdict(each) for each in found], render)


def _follow(app: CliApp, job_address: str, choice: LogChoice, limit: int) -> None:
    before = ""
    for each in app.at(job_address).jobs.follow_logs(job_address, choice, limit=limit):
        if not app.wants_json and each.path != before:
            click.echo(_heading(each))
            before = each.path
        for line in each.lines:
            facts = {"step": each.step, "task": each.task, "attempt": each.attempt, "line": line}
            click.echo(json.dumps(facts, ensure_ascii=False) if app.wants_json else line)


def _heading(log: TaskLogLines) -> str:
    return f"== {log.title}{f': {log.status}' if log.status else ''} =="
