"""The table of commands, and the one place where a call begins and ends."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import click

from starwhale.cli import original
from starwhale.cli.app import CliApp
from starwhale.cli.command import LazyCommand, SwGroup, add_not_built
from starwhale.cli.failures import report_failure
from starwhale.settings import VERSION, read_settings

_EVALUATE = "Evaluate"
_KEEP = "Look after"
COMMANDS = {
    "init": LazyCommand("starwhale.cli.init:init", "Write an evaluation and ten rows to begin with.", _EVALUATE),
    "dataset": LazyCommand("starwhale.cli.dataset:dataset", "Build and read versioned datasets.", _EVALUATE),
    "model": LazyCommand("starwhale.cli.model:model", "Package models, and run their evaluation.", _EVALUATE),
    "job": LazyCommand("starwhale.cli.job:job", "Look at jobs and go on with them.", _EVALUATE),
    "runtime": LazyCommand("starwhale.cli.runtime:runtime", "Lock environments, and run in them.", _EVALUATE),
    "ui": LazyCommand("starwhale.cli.ui:ui", "Open the console in a browser.", _EVALUATE),
    "gc": LazyCommand("starwhale.cli.gc:gc", "Delete for good what was removed, and left-over files.", _KEEP),
    "check": LazyCommand(
        "starwhale.cli.check:check", "Look at this machine: what works, and what must be mended.", _KEEP
    ),
    "project": LazyCommand("starwhale.cli.project:project", "Make, choose, remove and recover projects.", _KEEP),
    "instance": LazyCommand("starwhale.cli.instance:instance", "See which instance commands work on.", _KEEP),
    "server": LazyCommand("starwhale.cli.server:server", "Serve the local instance, with a token.", _KEEP),
    "config": LazyCommand("starwhale.cli.config:config", "Show or edit the configuration file.", _KEEP),
    "completion": LazyCommand("starwhale.cli.completion:completion", "Complete commands in the shell.", _KEEP),
}
"""Commands by name, imported when they are used."""
ALIASES = {"ds": "dataset", "mp": "model", "rt": "runtime", "prj": "project", "svr": "server"}
"""Other words for the same commands."""
NOT_BUILT = {
    "assistance": "Share a terminal",
    "debug": "Look at raw tables",
    "board": "Terminal interface",
}
"""Commands of the specification that do not exist yet."""

_EPILOG = "Exit: 0 done, 1 failed, 2 usage, 3 cannot tell, 70 a bug, 130 interrupted."


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(VERSION)
        ctx.exit(0)


@click.group(cls=SwGroup, name="swcli", lazy=COMMANDS, aliases=ALIASES, epilog=_EPILOG)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    hidden=True,  # whoever looks for it tries it; the page has to fit one screen
    help="Print the version.",
)
def swcli() -> None:
    """Evaluate models on versioned data. Every command takes -o json, -v and -h."""


add_not_built(swcli, NOT_BUILT)
for _param in swcli.params:
    if isinstance(_param, click.Option) and _param.name in {"output", "verbose"}:
        _param.hidden = True  # the last line says it for every command


def run(argv: Sequence[str]) -> int:
    """Run one call of `swcli` and return its exit code; nothing escapes.

    Args:
        argv: The words after the program's name.
    """
    refusal = refuse_platform()
    if refusal:
        click.echo(f"Error: {refusal}", err=True)
        return 1
    if said := original.warning(original.here()):
        click.echo(said, err=True)
    app = CliApp(read_settings())
    app.wants_json = _asks_json(argv)
    try:
        code: object = swcli.main(args=list(argv), prog_name="swcli", standalone_mode=False, obj=app)
    except BaseException as error:  # noqa: BLE001 - the entry point: every failure becomes a message and an exit code
        return report_failure(app, error)
    finally:
        app.close()
    return code if isinstance(code, int) else 0  # a number when a command left by `exit`


def refuse_platform() -> str:
    """Say why this system cannot run the program; empty when it can."""
    if sys.platform == "win32":
        return "Windows is not supported: use the Windows Subsystem for Linux (wsl --install)"
    return ""


def _asks_json(argv: Sequence[str]) -> bool:
    """Whether errors must be JSON even when the parsing itself fails."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    pairs = itertools.pairwise(words)
    return any(a in ("-o", "--output") and b == "json" for a, b in pairs) or "--output=json" in words
