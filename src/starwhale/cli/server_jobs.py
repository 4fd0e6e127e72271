"""What `swcli model run` and `swcli job` do with jobs of a server: one call each, shown in short; `-o json` gives what the server says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.errors import NotBuiltYetError

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.cli.app import CliApp
    from starwhale.domain.job import RunRequest
    from starwhale.domain.json_shape import Json
    from starwhale.instances.instance import Instance
    from starwhale.instances.jobs.verbs import JobVerbs

_SHOWN = ("id", "name", "status", "handler", "datasets", "rows")


def server_of(app: CliApp, uri: str) -> Instance | None:
    """Return the server that a URI names, or that is selected; None for this machine."""
    found = app.at(uri)
    return found if found.login is not None else None


def jobs_here(app: CliApp, *addresses: str) -> JobVerbs:
    """Return the verbs of this machine's jobs, for what cannot be asked of a server yet.

    Args:
        app: The program.
        addresses: How the jobs are addressed that are meant; files of predictions may be among them.

    Raises:
        NotBuiltYetError: One of them is a job of a server: its URI says so, or that server is selected and no URI says otherwise.
    """
    for each in addresses:
        there = server_of(app, each)
        if there is None or _is_file(each):
            continue
        uri = each if "/" in each else f"cloud://{there.name}/project/{there.project}/job/{each}"
        message = f"job {each!r} is one of the server {there.name}, and this cannot be asked of a server yet"
        here = f"one of this machine is local/project/{app.instance().project}/job/{each.rpartition('/')[2]}"
        raise NotBuiltYetError(message, hint=f"bring it here first: swcli job copy {uri} . ({here})")
    return app.instance().jobs


def _is_file(address: str) -> bool:
    from starwhale.results.compare.files import is_run_file  # rarer than a job

    return is_run_file(address)


def submit(app: CliApp, there: Instance, request: RunRequest, executor: str) -> None:
    """Submit a job, and say how to look at it."""
    from starwhale.instances.jobs.server_jobs import submit_there

    row = submit_there(
        app.instance(), there, request, executor=executor, on_stage=lambda text: click.echo(text, err=True)
    )
    uri = f"cloud://{there.name}/project/{row['project']}/job/{row['id'][:12]}"
    app.tell(
        {"job": row, "uri": uri},
        f"job {row['id'][:12]}: {row['status']} at {there.name}\nfollow it with: swcli job logs --follow {uri}",
    )


def show_list(
    app: CliApp, there: Instance, project: str, *, page: int, size: int, removed: bool, fullname: bool
) -> None:
    """List jobs of one page, from 1, the newest first."""
    name = "" if not project else project.rpartition("/project/")[2] or project
    found = there.server_jobs.list(name, limit=size * page + 1, removed=removed)
    rows = found[size * (page - 1) : size * page]

    def render(console: Console) -> None:
        columns = [Column(title=title, kind=Kind.WHOLE if title in {"id", "status"} else Kind.TEXT) for title in _SHOWN]
        whole = [{**_cells(each), "id": each["id"]} for each in rows]
        render_table(console, columns, whole if fullname else [_cells(each) for each in rows])
        if len(found) > size * page:
            console.print(f"there are more: --page {page + 1}", markup=False)

    app.emit([{"job": each} for each in rows], render)


def _cells(row: Json) -> dict[str, str]:
    rows = f"{row['done']:,} of {row['rows']:,}" + (f", {row['failed']:,} failed" if row["failed"] else "")
    shown = {**row, "id": row["id"][:12], "datasets": ", ".join(row["datasets"]), "rows": rows if row["rows"] else ""}
    return {name: str(shown[name] or "") for name in _SHOWN}


def show_info(app: CliApp, there: Instance, job: str) -> None:
    """Show what is told of a job."""
    found = there.server_jobs.get(job)

    def render(console: Console) -> None:
        row = found["job"]
        for name, value in {
            **_cells(row),
            "model": row["model"],
            "executor": row["executor"],
            "error": row["error"],
        }.items():
            if value:
                console.print(f"{name:>9}  {value}", markup=False, highlight=False)
        for name, value in row["summary"].items():
            low_high = row["intervals"].get(name)
            interval = f"   95 % interval {low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else ""
            console.print(f"{name:>9}  {value}{interval}", markup=False, highlight=False)
        for each in found["steps"]:
            done = "" if each["total"] is None else f": {each['done']:,} of {each['total']:,} rows"
            console.print(f"     step  {each['name']}  {each['status']}{done}", markup=False, highlight=False)

    app.emit(found, render)


def show_logs(app: CliApp, there: Instance, job: str, *, limit: int, follow: bool) -> None:
    """Show what user code has printed; with `follow` until the job has ended."""
    if follow:
        before: object = None
        for each in there.server_jobs.follow_logs(job, limit=limit):
            name = _title(each)
            if not app.wants_json and name != before:
                click.echo(name)
            before = name
            for line in each["lines"]:
                facts = {name: each[name] for name in ("step", "task", "attempt")} | {"line": line}
                click.echo(json.dumps(facts, ensure_ascii=False) if app.wants_json else line)
        return
    found = list(there.server_jobs.logs(job, limit=limit or 5000))

    def render(_console: Console) -> None:
        for each in found:
            click.echo(_title(each))
            for line in each["lines"]:
                click.echo(line)
        if not found:
            click.echo("nothing was printed")

    app.emit(found, render)


def _title(log: Json) -> str:
    who = (
        f"{log['step']}, task {log['task']}, attempt {log['attempt']}"
        if log["step"]
        else f"worker process {log['task']}"
    )
    return f"== {who}{': ' + log['status'] if log['status'] else ''} =="


def tell_row(app: CliApp, row: Json) -> None:
    """Say where a job stands now."""
    app.tell({"job": row}, f"job {row['id'][:12]}: {row['status']}")
