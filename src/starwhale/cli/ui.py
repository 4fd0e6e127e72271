"""`swcli ui`: the console of the local instance, in a browser."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand


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
    if host not in {"127.0.0.1", "localhost", "::1"}:
        app.say(f"whoever reaches {host} can read and change everything here: there is no login")
    words = [sys.executable, "-m", "starwhale.server", "--say-json", "--host", host]
    process = subprocess.Popen([*words, *(["--port", str(port)] if port else [])], stdout=subprocess.PIPE, text=True)
    said: dict[str, Any] = {}
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = _read(process.stdout.readline())
        if "address" in said:
            address = said["address"]
            app.tell({"address": address}, f"the console is at {address} (Ctrl-C ends it)")
            sys.stdout.flush()
            if opens:
                click.launch(address)
        code = process.wait()
    except KeyboardInterrupt:
        code = _wait_for_end(process)
    finally:
        signal.signal(signal.SIGTERM, before)
        if process.poll() is None:
            process.terminate()
            process.wait()
    if "error" in said:
        from starwhale.errors import told_error

        raise told_error(**said["error"])
    if code > 0:
        click.get_current_context().exit(code)


def _wait_for_end(process: subprocess.Popen[str]) -> int:
    """End a server, which has got the same Ctrl-C from a terminal already; a second one ends it at once."""
    process.terminate()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.kill()
        code = process.wait()
    return max(code, 0)


def _read(line: str) -> dict[str, Any]:  # Any: JSON
    try:
        return json.loads(line) if line.strip() else {}
    except ValueError:
        return {}
