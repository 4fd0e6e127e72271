"""`swcli runtime run`, `activate` and `restore`: use the environment of a version."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.stage_line import StageLine
from starwhale.domain.uri import parse_uri
from starwhale.errors import RestoreError, UsageError
from starwhale.settings import child_environment

if TYPE_CHECKING:
    from starwhale.instances.environments import Environment

_SHELLS = {"bash": ("--norc", "-i"), "zsh": ("-f", "-i"), "fish": ("-i",), "sh": ("-i",)}
_PROMPTS = {"bash": "\\w $ ", "zsh": "%~ %# ", "sh": "$ "}
"""What stands behind the name of the runtime: the folder, where the shell can say it."""
_FISH_PROMPT = (
    "functions -c fish_prompt starwhale_prompt; function fish_prompt; echo -n '({name}) '; starwhale_prompt; end"
)
"""Puts the name of the runtime before the user's own prompt."""
_SETTINGS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command("run", cls=SwCommand, context_settings=_SETTINGS)
@click.option("--cwd", type=click.Path(exists=True, file_okay=False), help="Folder that the command runs in.")
@click.option("--live-stream", is_flag=True, hidden=True, help="Without effect: output is never held back.")
@click.option("-f", "--force-restore", is_flag=True, help="Make the environment anew first.")
@click.argument("uri", shell_complete=completes("runtime"))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(app: CliApp, /, **given: Any) -> None:  # Any: one value per option
    """Run a command in the environment of a version, which is made first where it is not there.

    What is not right with the environment is mended, and said on the standard error stream. The command's exit code is ours.

    \b
    Example: swcli runtime run digits-runtime -- python -c 'import sklearn'
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    words, cwd = list(given["command"]), given["cwd"]
    if words[:1] == ["--cwd"] and len(words) > 2:  # options may stand behind the URI, as they always could
        cwd, words = words[1], words[2:]
    words = words[1:] if words[:1] in (["--"], ["--live-stream"]) else words
    if not words:
        raise UsageError("there is no command to run", hint="write it after the URI: swcli runtime run URI -- python")
    found = _restore(app, given["uri"], is_forced=given["force_restore"])
    environment = child_environment(found.variables, without=("PYTHONHOME",))
    program = _find(words[0], found.variables["PATH"])
    app.close()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    try:
        child = subprocess.Popen([program, *words[1:]], cwd=cwd, env=environment, preexec_fn=_listen_again)  # noqa: PLW1509 - no threads run yet
        code = child.wait()
    except OSError as error:
        message = f"{words[0]} cannot be run: {error.strerror}"
        raise RestoreError(message, hint="see that it is installed in the runtime") from error
    finally:
        signal.signal(signal.SIGINT, before)
    click.get_current_context().exit(code if code >= 0 else 128 - code)


@click.command("activate", cls=SwCommand)
@click.argument("uri", shell_complete=completes("runtime"))
@click.option("-f", "--force-restore", is_flag=True, help="Make the environment anew first.")
@click.pass_obj
def activate(app: CliApp, uri: str, *, force_restore: bool) -> None:
    """Open a shell in the environment of a version; without a terminal, print what activates it in yours."""
    found = _restore(app, uri, is_forced=force_restore)
    script = found.prefix / "bin" / "activate"
    shell = app.settings.shell
    if shell == "fish":
        script = script.with_suffix(".fish")
    value = {"uri": found.uri, "prefix": str(found.prefix), "command": f"source {shlex.quote(str(script))}"}
    if app.wants_json or not (sys.stdin.isatty() and sys.stdout.isatty()) or shell not in _SHELLS:
        app.tell(value, value["command"])
        return
    variables = {
        **found.variables,
        "SW_ACTIVATED_RUNTIME_URI_IN_SHELL": found.uri,
        "SW_ACTIVATED_RUNTIME_PREFIX_IN_SHELL": str(found.prefix),
        "SW_ACTIVATED_RUNTIME_MODE_IN_SHELL": "venv",
    }
    name = parse_uri(found.uri).name
    words = list(_SHELLS[shell])
    if shell == "fish":
        words += ["-C", _FISH_PROMPT.format(name=name)]
    else:
        variables["PS1"] = f"({name}) {_PROMPTS[shell]}"
    click.echo(f"in {found.uri}; leave with: exit", err=True)
    app.close()
    os.execve(_find(shell, variables["PATH"]), [shell, *words], child_environment(variables))  # noqa: S606 - an interactive shell is asked for


@click.command("restore", cls=SwCommand)
@click.argument("uri", shell_complete=completes("runtime"))
@click.option("-f", "--force", "force_restore", is_flag=True, help="Make it anew in any case.")
@click.option("--verify", "is_verified", is_flag=True, help="Read every byte of it; what differs is named, and mended.")
@click.pass_obj
def restore(app: CliApp, uri: str, *, force_restore: bool, is_verified: bool) -> None:
    """Make the environment of a version, or mend it, and say where it is."""
    verbs = app.at(uri).runtimes
    found = _restore(app, uri, is_forced=force_restore)
    damage: list[str] = []
    if is_verified and not force_restore:
        damage = verbs.verify(found)
        for each in damage:
            _say(f"damaged: {each}")
        if damage:
            found = _restore(app, uri, is_forced=True)
    value = {"uri": found.uri, "prefix": str(found.prefix), "python": found.python, "mended": damage}
    app.tell(value, f"ready: {found.prefix}")


def _restore(app: CliApp, uri: str, *, is_forced: bool) -> Environment:
    with StageLine(app) as line:
        return app.at(uri).runtimes.restore(uri, line.say, is_forced=is_forced, on_stage=line.on_stage)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _find(program: str, path: str) -> str:
    import shutil

    found = program if os.sep in program else shutil.which(program, path=path)
    if found is None or (os.sep in program and not Path(program).exists()):
        message = f"there is no program {program!r} in the runtime, nor on this machine"
        raise RestoreError(message, hint="add what has it to the runtime, or mend the name")
    return found


def _listen_again() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
