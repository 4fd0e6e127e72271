"""`swcli job`: what was run, and what came of it."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwGroup
from starwhale.cli.complete_names import completes
from starwhale.cli.duration import TIME_LIMIT
from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.cli.replicas import Replicas, ReplicasType, split_replicas
from starwhale.cli.report_format import give_report, report_options
from starwhale.cli.run_words import WordsAfterCommand, words_after
from starwhale.cli.server_jobs import address_of, server_of
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

JOB = "Its id, a unique beginning of it, its name, a URI, `latest` or `latest~N`."

_LAZY = {
    "pause": LazyCommand("starwhale.cli.job_control:pause", "Stop a job for now, whichever process runs it."),
    "cancel": LazyCommand("starwhale.cli.job_control:cancel", "Stop a job for good, whichever process runs it."),
    "reproduce": LazyCommand(
        "starwhale.cli.job_reproduce:reproduce", "Run a job again, and compare every row and metric."
    ),
    "compare": LazyCommand("starwhale.cli.job_compare:compare", "Say whether one run is better than another."),
    "gate": LazyCommand("starwhale.cli.job_gate:gate", "Let a run pass, or not, by rules with error bars."),
    "logs": LazyCommand("starwhale.cli.job_logs:logs", "Show what user code has printed, task by task."),
    "tag": LazyCommand("starwhale.cli.job_words:tag", "Add tags to a job, or take them away."),
    "note": LazyCommand("starwhale.cli.job_words:note", "Write a note on a job."),
    "copy": LazyCommand("starwhale.cli.job_archive:copy", "Copy a job to another instance."),
    "export": LazyCommand("starwhale.cli.job_archive:export", "Write a job to one file."),
    "import": LazyCommand("starwhale.cli.job_archive:import_", "Bring a job of another machine in."),
}


@click.group("job", cls=SwGroup, aliases={"ls": "list", "rm": "remove"}, lazy=_LAZY)
def job() -> None:
    """List jobs, show their reports, go on with them."""


@job.command("list")
@click.option("-p", "--project", default=None, help="Another project than the current one.")
@click.option("--fullname", is_flag=True, help="Show whole ids.")
@click.option("--show-removed", is_flag=True, help="Show the removed ones instead.")
@click.option("--page", default=1, show_default=True, metavar="N", type=click.IntRange(min=1), help="Page, from 1.")
@click.option("--size", default=20, show_default=True, metavar="N", type=click.IntRange(min=1), help="Jobs per page.")
@click.pass_obj
def list_(app: CliApp, project: str | None, fullname: bool, show_removed: bool, page: int, size: int) -> None:
    """List jobs, the newest first."""
    verbs = app.at(project or "").jobs
    found = verbs.list(project, limit=size + 1, offset=(page - 1) * size, removed=show_removed)
    manifests = [verbs.manifest(each) for each in found[:size]]

    def render(console: Console) -> None:
        kinds = {
            "id": Kind.WHOLE,
            **({"name": Kind.TEXT} if any(each["name"] for each in manifests) else {}),
            "status": Kind.WHOLE,
            "handler": Kind.TEXT,
            "datasets": Kind.TEXT,
            "created": Kind.TIME,
        }
        columns = [Column(title=title, kind=kind) for title, kind in kinds.items()]
        cells: list[dict[str, str]] = []
        for each in manifests:
            row = {
                "id": each["version"] if fullname else each["version"][:12],
                "name": each["name"] or "",
                "status": each["status"],
                "handler": each["handler_name"],
                "datasets": ", ".join(each["datasets"]),
                "created": each["created_at"][:16],
            }
            cells.append({title: str(row[title]) for title in kinds})
        render_table(console, columns, cells)
        if len(found) > size:
            console.print(f"there are more: --page {page + 1}", markup=False)

    app.emit([{"manifest": each} for each in manifests], render)


@job.command()
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option(
    "--max-report-cols",
    default=20,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=1),
    help="Most columns of a table.",
)
@click.option("--web", is_flag=True, help="Open its page in the console that runs (swcli ui).")
@report_options
@click.pass_obj
def info(app: CliApp, *, job_address: str, max_report_cols: int, web: bool, form: str | None, output: str) -> None:
    """Show what a job ran on and what came of it: figures with intervals, labels, slices, failed rows, where the time went."""
    from starwhale.cli.outcome import row_command
    from starwhale.cli.render.render_report import render_report
    from starwhale.cli.render.render_steps import render_ending, render_steps

    instance = app.at(job_address)
    found = instance.jobs.get(job_address)
    if web:
        page = instance.console.job_page(found.id)
        click.launch(page)
        app.tell({"address": page}, f"opened {page}")
        return
    report = instance.jobs.report(found)

    def render(console: Console) -> None:
        render_steps(console, report.steps, time.time())
        render_report(console, report, max_report_cols, is_verbose=app.verbosity > 0, has_steps=True)
        row = "" if found.error is None or instance.login is not None else found.error.row  # the code is not here
        render_ending(console, found, row_command(app, found, row) if row else "")

    give_report(app, report, form, output, render)


@job.command()
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option("--table", default="", metavar="NAME", help="Another table than `results`.")
@click.option(
    "--failed", is_flag=True, help="The rows that failed, with their errors; last the one that ended the job."
)
@click.option("--where", default="", metavar="EXPR", help="Which rows: 'output == 7 and input/label != 3'.")
@click.option("-n", "limit", default=20, show_default=True, metavar="N", type=click.IntRange(min=1), help="Most rows.")
@click.option("--offset", default=0, metavar="N", type=click.IntRange(min=0), help="Leave out the first N.")
@click.pass_obj
def results(  # noqa: PLR0917 - click passes them by name
    app: CliApp, job_address: str, table: str, failed: bool, where: str, limit: int, offset: int
) -> None:
    """Show rows of a job's table.

    EXPR knows == != < <= > >= in [1, 2] contains "x" is null and or not ( ). Columns are written as they are, and odd names stand in `backquotes`,
    texts in quotes; output/scores/3 is item 3, from 0, of lists.
    """
    from starwhale.cli.job_results import render_rows, rows_to_json

    there = app.at(job_address)
    verbs = there.jobs
    found_job = verbs.get(job_address)
    found = verbs.results(found_job, table, where=where, limit=limit, offset=offset, failed=failed)

    def render(console: Console) -> None:
        words = ["swcli", "job", "results", address_of(there, found_job), *(["--table", found.table] if table else [])]
        words += [*(["--failed"] if failed else []), *(["--where", where] if where else [])]
        render_rows(console, found, next_command=shlex.join([*words, "--offset", str(offset + limit)]))
        if found.rows:
            return
        console.print(_why_nothing(found.table, where, offset), markup=False, highlight=False, soft_wrap=True)
        if not where and not offset and (names := [] if table else verbs.tables(found_job)):
            app.say(f"tables of this job: {', '.join(names)}")

    app.emit(rows_to_json(found.rows), render)


def _why_nothing(table: str, where: str, offset: int) -> str:
    """Say why no row is shown."""
    which = f"no row of table {table!r} fits --where {where!r}" if where else f"no rows in table {table!r}"
    return f"{which} behind the first {offset}" if offset else which


@job.command()
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=None, metavar="S", help="Wait so many seconds at most."
)
@click.pass_obj
def wait(app: CliApp, job_address: str, timeout: float | None) -> None:
    """Wait until a job has ended; fails when the job did.

    Ctrl-C ends the waiting and leaves the job running.
    """
    from starwhale.domain.status import Status

    there = app.at(job_address)
    found = there.jobs.wait(job_address, timeout_s=timeout)
    text = f"job {found.id[:12]}: {found.status}; see it with: swcli job info {address_of(there, found)}"
    app.tell({"manifest": there.jobs.manifest(found)}, text)
    if found.status is not Status.SUCCESS:
        click.get_current_context().exit(1)


@job.command()
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option("-f", "--force", "-y", "--yes", "force", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(app: CliApp, job_address: str, force: bool) -> None:
    """Hide a job; `recover` brings it back."""
    there = app.at(job_address)
    found = there.jobs.get(job_address)
    if not force and not app.wants_json and sys.stdin.isatty():
        click.confirm(f"remove job {found.id}?", abort=True, err=True)
    there.jobs.remove(found.id)
    text = f"removed job {found.id}; bring it back with: swcli job recover {address_of(there, found)}"
    app.tell({"removed": found.id}, text)


@job.command()
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option("-f", "--force", is_flag=True, help="Accepted for old scripts.")
@click.pass_obj
def recover(app: CliApp, job_address: str, force: bool) -> None:
    """Bring a removed job back."""
    del force
    recovered = app.at(job_address).jobs.recover(job_address).id
    app.tell({"recovered": recovered}, f"recovered job {recovered}")


@job.command(cls=WordsAfterCommand)
@click.argument("job_address", metavar="JOB", shell_complete=completes("job"))
@click.option(
    "--executor",
    default=None,
    metavar="NAME",
    help="Another executor than the job had: thread, process, container, ray, …",
)
@click.option("--address", default="", metavar="HOST:PORT", help="With a job on Ray: the cluster, see model run.")
@click.option("--image", default="", metavar="IMAGE", help="Another image of the containers.")
@click.option(
    "--replicas",
    default=None,
    type=ReplicasType(),
    metavar="N|auto",
    help="Another number of tasks per step; auto: as many as fit this machine.",
)
@click.option(
    "--concurrency",
    default=None,
    type=click.IntRange(min=1),
    metavar="N",
    help="Another number of calls of an async predict in flight per task.",
)
@click.option("--max-errors", default="", metavar="N|P%", help="Another number of rows per step that may fail.")
@click.option(
    "--failed", is_flag=True, help="Try the rows that failed again, also of a job that succeeded; evaluate runs anew."
)
@TIME_LIMIT
@click.option("-f", "--force", is_flag=True, help="Accepted for old scripts.")
@click.pass_obj
def resume(  # noqa: PLR0917 - click passes them by name
    app: CliApp,
    job_address: str,
    executor: str | None,
    address: str,
    image: str,
    replicas: Replicas | None,
    concurrency: int | None,
    max_errors: str,
    failed: bool,
    time_limit: float | None,
    force: bool,
) -> None:
    """Go on with a job from the rows that are not done.

    With --failed, rows that were recorded as failed count as not done. Their earlier errors stay in the table `retried_errors`, and the rows of
    `results` that came of it are marked `_retried`.

    Behind -- stand options of the handlers that are secrets: their values are not kept, and have to be given again.
    """
    from starwhale.cli.render.job_progress import ProgressLines
    from starwhale.domain.job import ResumeChanges

    del force
    count, fits = split_replicas(replicas)
    if (there := server_of(app, job_address)) is not None:
        if executor or address or image or fits or concurrency or time_limit is not None or words_after():
            message = "a job on a server goes on where and as it was submitted"
            raise UsageError(message, hint="of the options, --failed, --replicas N and --max-errors can be given")
        found = there.jobs.get(job_address)  # the server would take a word like `latest` in a project of its own choice
        row = there.server_jobs.resume(found.id, failed=failed, replicas=count, max_errors=max_errors)
        app.tell({"job": row}, f"job {row['id'][:12]} goes on at {there.name}")
        return
    changes = ResumeChanges(
        executor=executor,
        image=image,
        replicas=count,
        fits_replicas=fits,
        concurrency=concurrency,
        max_errors=max_errors,
        failed=failed,
        time_limit_s=time_limit,
        arguments=words_after(),
    )
    from starwhale.cli.outcome import finish

    with ProgressLines(app) as progress:
        options = dataclasses.replace(progress.options(), address=address)
        outcome = app.instance().jobs.resume(job_address, changes, options=options)
    finish(app, outcome)
