"""`swcli project`: what everything else is sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.domain.uri import as_instance

if TYPE_CHECKING:
    from rich.console import Console

_INFO = ("name", "location", "created_at")


@click.group(
    "project", cls=SwGroup, aliases={"ls": "list", "rm": "remove", "use": "select", "new": "create", "add": "create"}
)
def project() -> None:
    """Make, choose, remove and recover projects."""


@project.command("create", cls=SwCommand)
@click.argument("name", metavar="PROJECT")
@click.pass_obj
def create(app: CliApp, name: str) -> None:
    """Make a project."""
    made = app.at(name).projects.create(name).name
    app.tell({"created": made}, f"created project {made}; make it the current one with: swcli project select {made}")


@project.command("list", cls=SwCommand)
@click.option("-i", "--instance", "instance_name", default="", help="The instance.")
@click.option("--show-removed", is_flag=True, help="Show the removed ones instead.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(min=1), help="Page, from 1.")
@click.option("--size", default=20, show_default=True, type=click.IntRange(min=1), help="Projects per page.")
@click.pass_obj
def list_(app: CliApp, instance_name: str, show_removed: bool, page: int, size: int) -> None:
    """List projects, the oldest first."""
    verbs = app.at(as_instance(instance_name)).projects
    found = verbs.list(limit=size + 1, offset=(page - 1) * size, removed=show_removed)
    rows = [verbs.describe(each) for each in found[:size]]

    def render(console: Console) -> None:
        cells = [
            {"name": row["name"], "current": "yes" if row["in_use"] else "", "created": row["created_at"][:16]}
            for row in rows
        ]
        current, created = Column(title="current", kind=Kind.WHOLE), Column(title="created", kind=Kind.TIME)
        render_table(console, [Column(title="name"), current, created], cells)
        if len(found) > size:
            console.print(f"there are more: --page {page + 1}", markup=False)

    app.emit(rows, render)


@project.command("select", cls=SwCommand)
@click.argument("uri", metavar="PROJECT")
@click.pass_obj
def select(app: CliApp, uri: str) -> None:
    """Make a project the current one."""
    chosen = app.instance().select_project(uri).name
    app.tell({"selected": chosen}, f"project {chosen} is the current one now")


@project.command("info", cls=SwCommand)
@click.argument("uri", metavar="PROJECT")
@click.pass_obj
def info(app: CliApp, uri: str) -> None:
    """Show a project."""
    verbs = app.at(uri).projects
    described = verbs.describe(verbs.info(uri))
    value = {name: described[name] for name in _INFO}

    def render(console: Console) -> None:
        for name, each in value.items():
            console.print(f"{name}: {each}", markup=False, soft_wrap=True)

    app.emit(value, render)


@project.command("remove", cls=SwCommand)
@click.argument("uri", metavar="PROJECT")
@click.pass_obj
def remove(app: CliApp, uri: str) -> None:
    """Hide a project with everything in it; `recover` brings it back."""
    removed = app.at(uri).projects.remove(uri).name
    text = f"removed project {removed} with everything in it; bring it back with: swcli project recover {removed}"
    app.tell({"removed": removed}, text)


@project.command("recover", cls=SwCommand)
@click.argument("uri", metavar="PROJECT")
@click.pass_obj
def recover(app: CliApp, uri: str) -> None:
    """Bring a removed project back."""
    recovered = app.at(uri).projects.recover(uri).name
    app.tell({"recovered": recovered}, f"recovered project {recovered} with everything in it")
