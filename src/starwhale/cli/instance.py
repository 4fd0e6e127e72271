"""`swcli instance`: the instances that commands can work on: this machine's, and servers that the user has logged in to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.cli.render.render_table import Column, Kind, render_table
from starwhale.cli.versions import emit_pairs
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


@click.group(cls=SwGroup, name="instance", aliases={"ls": "list", "use": "select"})
def instance() -> None:
    """See which instance commands work on."""


@instance.command("list", cls=SwCommand)
@click.pass_obj
def list_(app: CliApp) -> None:
    """List the instances; * is the one in use."""
    found = app.instance().list_instances()

    def render(console: Console) -> None:
        columns = [
            Column(title="", kind=Kind.WHOLE),
            Column(title="name", kind=Kind.WHOLE),
            Column(title="project", kind=Kind.WHOLE),
            Column(title="where", kind=Kind.TEXT),
        ]
        cells = [
            {
                "": "*" if each["in_use"] else "",
                "name": each["name"],
                "project": each["current_project"],
                "where": each["uri"],
            }
            for each in found
        ]
        render_table(console, columns, cells)

    app.emit(found, render)


@instance.command("info", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.pass_obj
def info(app: CliApp, name: str) -> None:
    """Show where an instance keeps things; a server is asked whether it answers."""
    emit_pairs(app, app.instance().describe(name))


@instance.command("select", cls=SwCommand)
@click.argument("name", metavar="INSTANCE")
@click.pass_obj
def select(app: CliApp, name: str) -> None:
    """Make an instance the one of URIs that name none: `local`, or the alias of a server."""
    found = app.instance().select_instance(name)
    app.tell(found, f"instance {found['name']} is in use")


@instance.command("login", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.option("--alias", default="", help="Name for the instance in URIs; the host's name by default.")
@click.option("--token", default="", help="Its token; from SW_TOKEN, or asked for, by default.")
@click.option("--username", default="", hidden=True)
@click.option("--password", default="", hidden=True)
@click.pass_obj
def login(app: CliApp, name: str, alias: str, token: str, username: str, password: str) -> None:
    """Log in to a server by its address, such as http://host:8082, with its token.

    The token is kept beside the configuration, in a file that only you may read. `local` needs no login.
    """
    from starwhale.instances.place import servers

    if username or password:
        message = "servers have no users yet" if not token else "a token and a username are two ways to log in"
        raise UsageError(message, hint="give --token alone; the server shows it at its first start")
    if name == servers.LOCAL:
        app.tell({"name": name, "logged_in": True}, f"instance {name} needs no login")
        return
    servers.plain_address(name)
    token = token or app.settings.server_token
    if not token and sys.stdin.isatty():
        token = click.prompt(f"token of {name}", hide_input=True, err=True)
    made = servers.login(app.settings, name, token=token.strip(), alias=alias)
    text = f"logged in to {made.address} as {made.alias}; its projects: swcli project list -i {made.alias}"
    app.tell({"name": made.alias, "uri": made.address, "logged_in": True}, text)


@instance.command("logout", cls=SwCommand)
@click.argument("name", default="local", metavar="[INSTANCE]")
@click.pass_obj
def logout(app: CliApp, name: str) -> None:
    """Forget a server and its token."""
    from starwhale.instances.place import servers

    if name == servers.LOCAL:
        app.tell({"name": name, "logged_in": False}, f"instance {name} has no login")
        return
    found = servers.logout(app.settings, name)
    app.tell({"name": found.alias, "logged_in": False}, f"logged out of {found.alias} ({found.address})")
