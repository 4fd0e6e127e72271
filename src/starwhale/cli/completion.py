"""`swcli completion`: what the shell offers after Tab."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "swcli"
VARIABLE = "_SWCLI_COMPLETE"
"""Set by the script while the shell asks what fits."""


@click.group(cls=SwGroup, name="completion")
def completion() -> None:
    """Complete commands, options and names in the shell."""


@completion.command("show", cls=SwCommand)
@click.argument("shell", required=False, metavar="[bash|zsh|fish]")
@click.pass_obj
def show(app: CliApp, shell: str | None) -> None:
    """Print the script for a shell; yours where none is named."""
    name = _shell(app, shell)
    script = make_script(name)
    app.tell({"shell": name, "script": script}, script)


@completion.command("install", cls=SwCommand)
@click.argument("shell", required=False, metavar="[bash|zsh|fish]")
@click.pass_obj
def install(app: CliApp, shell: str | None) -> None:
    """Write the script, and one line that loads it into the shell's own file; a second call changes nothing."""
    name = _shell(app, shell)
    home = app.settings.home
    try:
        changed = write_script(name, home, app.settings.config_path.parent)
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}"
        raise UsageError(message, hint=f"load it yourself: swcli completion show {name}") from error
    value = {"shell": name, "files": [str(path) for path in changed]}
    text = f"wrote {', '.join(value['files'])}" if changed else "it is there already"
    app.tell(value, f"{text}; it works in every {name} that is opened from now on")


def make_script(shell: str) -> str:
    """Return the script that a shell reads, for `swcli` and for `sw`."""
    found = get_completion_class(shell)
    if found is None:
        raise NotImplementedError(shell)  # all of SHELLS are known to click
    script = found(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    text = script.source_template % script.source_vars()
    more = {
        "bash": "complete -o nosort -F {name} sw",
        "zsh": "compdef {name} sw",
        "fish": 'complete --no-files --command sw --arguments "({name})";',
    }[shell]
    return f"{text.rstrip()}\n{more.format(name=script.func_name)}\n"


def write_script(shell: str, home: Path, folder: Path) -> list[Path]:
    """Write the script and what loads it; returns the files that were changed.

    Args:
        shell: One of `SHELLS`.
        home: The user's home directory.
        folder: Where the script goes, for shells that load files only from where they are told.
    """
    if shell == "fish":
        return _write(home / ".config" / "fish" / "completions" / f"{PROGRAM}.fish", make_script(shell))
    script = folder / f"completion.{shell}"
    changed = _write(script, make_script(shell))
    startup = home / f".{shell}rc"
    line = f"[ -f {shlex.quote(str(script))} ] && . {shlex.quote(str(script))}"
    before = startup.read_text(encoding="utf-8", errors="surrogateescape") if startup.exists() else ""
    if line in before.splitlines():
        return changed
    gap = "" if not before or before.endswith("\n") else "\n"
    with startup.open("a", encoding="utf-8") as file:
        file.write(f"{gap}{line}\n")
    return [*changed, startup]


def _write(path: Path, text: str) -> list[Path]:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text, encoding="utf-8")
    return [path]


def _shell(app: CliApp, given: str | None) -> str:
    name = given or app.settings.shell
    if name not in SHELLS:
        message = f"no completion for the shell {name!r}" if name else "which shell this is cannot be told"
        raise UsageError(message, hint=f"name one of {', '.join(SHELLS)}")
    return name
