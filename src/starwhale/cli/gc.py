"""`swcli gc`: delete for good what was removed, and files that nothing refers to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances.garbage.collect import Collection

_UNITS = ("B", "KB", "MB", "GB", "TB")


@click.command("gc", cls=SwCommand)
@click.option("--dry-run", is_flag=True, help="Show what would go, and take nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def gc(app: CliApp, dry_run: bool, yes: bool) -> None:
    """Delete for good what was removed, and files that nothing refers to.

    What a job was run on, what a tag of yours points at and what another process has open stays, and the list says so.
    """
    verbs = app.instance().garbage
    found = verbs.plan()
    if dry_run or not found.items:
        _show(app, found, is_done=False, is_dry=dry_run)
        return
    if not yes:
        _ask(app, found)
    _show(app, verbs.collect(found), is_done=True, is_dry=False)


def _ask(app: CliApp, found: Collection) -> None:
    if not sys.stdin.isatty():
        message = f"swcli gc would delete {_size(found.size_bytes)} for good, and there is no terminal to ask"
        raise UsageError(message, hint="look with: swcli gc --dry-run; go ahead with: swcli gc --yes")
    if not app.wants_json:
        _show(app, found, is_done=False, is_dry=True)
    click.confirm("delete this for good?", abort=True, err=True)


def _show(app: CliApp, found: Collection, *, is_done: bool, is_dry: bool) -> None:
    def render(console: Console) -> None:
        from itertools import groupby

        verb = "deleted" if is_done else "would delete"
        for kind, items in groupby(found.items, key=lambda each: each.kind):
            for each in items:
                files = f"{each.file_count} file{'' if each.file_count == 1 else 's'}, {_size(each.size_bytes)}"
                console.print(f"{verb} {kind} {each.name} ({files})", markup=False, soft_wrap=True)
        for each in found.kept:
            console.print(f"left {each.kind} {each.name}: {each.reason}", markup=False, soft_wrap=True)
        if found.items:
            console.print(f"{verb} {_size(found.size_bytes)} in all", markup=False)
        else:
            console.print("there is nothing to delete", markup=False)

    app.emit({"dry_run": is_dry, **found.to_json()}, render)


def _size(count: int) -> str:
    """Write a number of bytes for people.

    Example:
        >>> _size(999), _size(1_234_567)
        ('999 B', '1.2 MB')
    """
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"
