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
OTHER_NAMES = ("sw", "starwhale")
"""Console scripts that are the same program."""
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
    home = {"bash": app.settings.home, "zsh": app.settings.zsh_home, "fish": app.settings.fish_home}[name]
    try:
        changed = write_script(name, home, app.settings.config_path.parent)
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}"
        raise UsageError(message, hint=f"load it yourself: swcli completion show {name}") from error
    value = {"shell": name, "files": [str(path) for path in changed]}
    text = f"wrote {', '.join(value['files'])}" if changed else "it is there already"
    app.tell(value, f"{text}; it works in every {name} that is opened from now on")


def make_script(shell: str) -> str:
    """Return the script that a shell reads, for `swcli` and its other names."""
    found = get_completion_class(shell)
    if found is None:
        raise NotImplementedError(shell)  # all of SHELLS are known to click
    script = found(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    text = script.source_template % script.source_vars()
    more = {
        "bash": "complete -o nosort -F {name} {program}",
        "zsh": "compdef {name} {program}",
        "fish": 'complete --no-files --command {program} --arguments "({name})";',
    }[shell]
    lines = [more.format(name=script.func_name, program=each) for each in OTHER_NAMES]
    return "\n".join([_with_compdef(text.strip()) if shell == "zsh" else text.strip(), *lines, ""])


def _with_compdef(script: str) -> str:
    """Start zsh's completion where nobody has: a bare zsh has no `compdef`, and would complain at each start."""
    first, _, rest = script.partition("\n")  # `#compdef`, which zsh wants in the first line
    return f"{first}\n(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -i }}\n{rest}"


def write_script(shell: str, home: Path, folder: Path) -> list[Path]:
    """Write the script and what loads it; returns the files that were changed.

    Args:
        shell: One of `SHELLS`.
        home: Where the shell looks for its own files: the home directory, or fish's folder.
        folder: Where the script goes, for shells that load files only from where they are told.
    """
    if shell == "fish":
        folder = home / "completions"  # fish reads the file that is named like the command
        return [
            path for each in (PROGRAM, *OTHER_NAMES) for path in _write(folder / f"{each}.fish", make_script(shell))
        ]
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
