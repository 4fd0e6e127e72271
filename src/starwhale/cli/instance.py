"""`swcli instance`: the instances that commands can work on; there is one until servers are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.cli.versions import emit_pairs

if TYPE_CHECKING:
    from rich.console import Console


@click.group(cls=SwGroup, name="instance", aliases={"ls": "list", "use": "select"})
def instance() -> None:
    """See which instance commands work on."""


@instance.command("list", cls=SwCommand)
@click.pass_obj
def list_(app: CliApp) -> None:
    """List the instances; * is the one in use."""
    found = [app.instance().describe()]

    def render(console: Console) -> None:
        columns = [
            Column(title="", kind=Kind.WHOLE),
            Column(title="name", kind=Kind.WHOLE),
            Column(title="project", kind=Kind.WHOLE),
            Column(title="root", kind=Kind.TEXT),
        ]
        cells = [
            {
                "": "*" if each["in_use"] else "",
                "name": each["name"],
                "project": each["current_project"],
                "root": each["uri"],
            }
            for each in found
        ]
        render_table(console, columns, cells)

    app.emit(found, render)


@instance.command("info", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.pass_obj
def info(app: CliApp, name: str) -> None:
    """Show where an instance keeps things, and what is in it."""
    emit_pairs(app, app.instance().describe(name))


@instance.command("select", cls=SwCommand)
@click.argument("name", metavar="INSTANCE")
@click.pass_obj
def select(app: CliApp, name: str) -> None:
    """Make an instance the one that commands work on."""
    found = app.instance().describe(name)
    app.tell(found, f"instance {found['name']} is in use")


@instance.command("login", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.option("--alias", default="", help="Name for the instance in URIs.")
@click.option("--username", default="", help="Who logs in.")
@click.option("--password", default="", help="Their password.")
@click.option("--token", default="", help="A token instead of both.")
@click.pass_obj
def login(app: CliApp, name: str, alias: str, username: str, password: str, token: str) -> None:
    """Log in to a server (servers do not exist yet; `local` needs no login)."""
    from starwhale.instances.place.servers import login as log_in

    log_in(name, alias=alias, username=username, password=password, token=token)
    app.tell({"name": name, "logged_in": True}, f"instance {name} needs no login")


@instance.command("logout", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.pass_obj
def logout(app: CliApp, name: str) -> None:
    """Log out of a server (servers do not exist yet)."""
    from starwhale.instances.place.servers import logout as log_out

    log_out(name)
    app.tell({"name": name, "logged_in": False}, f"instance {name} has no login")
