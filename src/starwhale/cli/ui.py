"""`swcli ui`: the console of the local instance, in a browser."""

from __future__ import annotations

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.serve_until_end import LOOPBACK, serve_until_end


@click.command("ui", cls=SwCommand)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help="Port; by default the first free one from 8848 on."
)
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@click.pass_obj
def ui(app: CliApp, host: str, port: int | None, opens: bool) -> None:
    """Open the console: jobs, rows, comparisons, datasets and models in a browser, live.

    It serves this machine alone, and needs no login. Ctrl-C ends it; jobs that run go on.
    """
    app.instance()  # what is wrong with the root is said here, before anything is started
    app.close()
    if host not in LOOPBACK:
        app.say(f"whoever reaches {host} can read and change everything here: there is no login")
    words = ["--say-json", "--host", host, *(["--port", str(port)] if port else [])]

    def tell(said: dict[str, str]) -> None:
        app.tell(said, f"the console is at {said['address']} (Ctrl-C ends it)")

    serve_until_end("starwhale.server", words, tell, opens=opens)
