"""`swcli server`: serve the local instance, with its console, to whoever has its token."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.cli.serve_until_end import LOOPBACK
from starwhale.cli.versions import emit_pairs
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.instances.server import ServerVerbs

PORT = 8082
"""Port of a server: logins name it, so that it does not change from start to start."""
_MODULE = "starwhale.server"


@click.group(cls=SwGroup, name="server")
def server() -> None:
    """Serve the local instance to other machines, with a token."""


@server.command("start", cls=SwCommand)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Port; 0 for a free one.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="Another name that browsers reach it under.")
@click.option("-d", "--background", "--detach", is_flag=True, help="Return when it answers; it runs on.")
@click.option("--new-token", is_flag=True, help="Make a new token; the old one is good no more.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the token from a file, such as a mounted secret.",
)
@click.pass_obj
def start(
    app: CliApp,
    *,
    host: str,
    port: int,
    names: tuple[str, ...],
    background: bool,
    new_token: bool,
    token_file: Path | None,
) -> None:
    """Serve the local instance and its console, to whoever has its token.

    The token is made at the first start and shown once. Ctrl-C ends the server, or `swcli server stop` from elsewhere.
    """
    if new_token and token_file:
        raise UsageError("--new-token and --token-file exclude each other", hint="give one of them")
    verbs = app.instance().server
    verbs.refuse_second()
    if token_file:
        verbs.access.take_token(token_file.read_text(encoding="utf-8").strip())
    _warn(host)
    words = ["--say-json", "--login", "--host", host, "--port", str(port)]
    words += [word for name in names for word in ("--name", name)]
    _run(app, verbs, words, background=background, new_token=new_token)


@server.command("stop", cls=SwCommand)
@click.option("-f", "--force", is_flag=True, help="End it at once, whatever it is doing.")
@click.pass_obj
def stop(app: CliApp, force: bool) -> None:
    """End the server of this root; what it has begun to answer is finished."""
    found = app.instance().server.stop(force=force)
    app.tell({"stopped": found.address, "pid": found.pid}, f"the server at {found.address} has ended")


@server.command("status", cls=SwCommand)
@click.pass_obj
def status(app: CliApp) -> None:
    """Say whether the server of this root runs, and where; exit code 1 where it does not."""
    found = app.instance().server.status()
    emit_pairs(app, found.to_json())
    if not found.is_running:
        click.get_current_context().exit(1)


@server.command("token", cls=SwCommand)
@click.pass_obj
def token(app: CliApp) -> None:
    """Make a new token and show it once; the old one, and sessions begun with it, end at once."""
    made = app.instance().server.access.make_token()
    app.tell({"token": made}, _shown(made))


def _run(app: CliApp, verbs: ServerVerbs, words: list[str], *, background: bool, new_token: bool) -> None:
    from starwhale.instances.server_process import ServerProcess

    process = ServerProcess(_MODULE, words, log=verbs.log if background else None)
    if background:
        _tell(app, verbs, process.started(), new_token=new_token, end="swcli server stop ends it")
        process.leave()
        return
    with process.passing_on():
        try:
            said = process.started()
        except KeyboardInterrupt:
            code = process.wait()
        else:
            _tell(app, verbs, said, new_token=new_token, end="Ctrl-C ends it")
            code = process.wait()
    if code:
        click.get_current_context().exit(code)


def _tell(app: CliApp, verbs: ServerVerbs, said: dict[str, Any], *, new_token: bool, end: str) -> None:
    """Say where it answers, and the token where one was made; before that the server lets in nobody."""
    made = verbs.access.make_token() if new_token or not verbs.access.has_token else ""
    address = said["address"]
    lines = [f"the server answers at {address} ({end})"]
    if made:
        lines += [_shown(made), f"log in from another machine: swcli instance login {address} --alias NAME"]
    app.tell({"address": address, **({"token": made} if made else {})}, "\n".join(lines))
    sys.stdout.flush()


def _shown(made: str) -> str:
    return f"token: {made}\nit is shown this once; who has it can read and change everything"


def _warn(host: str) -> None:
    if host not in LOOPBACK:
        text = f"warning: what is sent to {host} is not encrypted, the token neither: put a proxy with TLS before it, or use a network of your own"
        click.echo(text, err=True)
