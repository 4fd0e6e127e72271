"""`swcli config`: the user's configuration file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand, SwGroup
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

TEMPLATE = """# Settings of swcli. All of it may be left out; the environment wins over it.
#
# storage:
#   root: ~/evaluations        # where datasets, models, jobs and results are kept
# instances:
#   local:
#     current_project: self    # set by: swcli project select
"""
"""What a file begins with that was not there."""


@click.group(cls=SwGroup, name="config")
def config() -> None:
    """Show or edit the configuration file."""


@config.command("show", cls=SwCommand)
@click.pass_obj
def show(app: CliApp) -> None:
    """Show the file's place and text, and what holds."""
    from starwhale.instances.place.configuration import read_configuration
    from starwhale.instances.place.root import choose_root

    found = read_configuration(app.settings.config_path)
    text = found.path.read_text(encoding="utf-8") if found.path.is_file() else ""
    value: dict[str, Any] = {
        "path": str(found.path),
        "exists": found.path.is_file(),
        "root": str(choose_root(app.settings, found)),
        "current_project": found.current_project,
        "text": text,
    }

    def render(console: Console) -> None:
        place = value["path"] if value["exists"] else f"{value['path']} (not there: nothing is set)"
        lines = [f"file: {place}", f"root: {value['root']}", f"current project: {value['current_project']}"]
        for line in [*lines, *(["", text.rstrip()] if text else [])]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    app.emit(value, render)


@config.command("edit", cls=SwCommand)
@click.pass_obj
def edit(app: CliApp) -> None:
    """Open the file in your editor (VISUAL, EDITOR, or what is there); it is replaced only when it can be read."""
    from starwhale.instances.place.configuration import not_writable, read_configuration, replace_configuration

    if not sys.stdin.isatty():
        message = "swcli config edit needs a terminal"
        raise UsageError(message, hint="look with: swcli config show; edit the file that it names")
    path = app.settings.config_path
    draft = path.with_name(f"{path.name}.draft")
    is_fresh = not draft.exists()
    if is_fresh:  # what was left of an edit that broke the file is gone on with
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(path.read_text(encoding="utf-8") if path.is_file() else TEMPLATE, encoding="utf-8")
        except OSError as error:
            raise not_writable(path, error) from error
    before = draft.read_text(encoding="utf-8")
    try:
        click.edit(filename=str(draft), editor=app.settings.editor or None)
    except BaseException:
        if is_fresh and draft.read_text(encoding="utf-8") == before:
            draft.unlink()
        raise
    try:
        read_configuration(draft)
    except UsageError as error:
        hint = f"{path} is as it was; what you wrote is in {draft}: swcli config edit opens it again"
        raise UsageError(error.message, hint=hint) from error
    replace_configuration(path, draft)
    app.tell({"path": str(path)}, f"saved {path}")
