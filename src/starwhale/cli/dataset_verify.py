"""`swcli dataset verify`: read a whole version and name what is damaged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.render.render_table import show_bytes
from starwhale.domain.counted import counted

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.datasets.verify import Verified

SHOWN_CELLS = 10
"""Lost values that a line names."""


@click.command("verify", cls=SwCommand)
@click.argument("uri", shell_complete=completes("dataset"))
@click.pass_context
def verify(ctx: click.Context, uri: str) -> None:
    """Read every byte of a version; say which files are damaged, what is lost, and which versions are hit.

    The exit code is 1 when anything is damaged.
    """
    app = ctx.ensure_object(CliApp)
    shows = sys.stderr.isatty() and app.settings.progress

    def progress(done: int, total: int) -> None:
        if shows:
            click.echo(f"\r{show_bytes(done)} of {show_bytes(total)}\x1b[K", err=True, nl=False)

    found = app.at(uri).datasets.verify(uri, progress)
    if shows:
        click.echo("\r\x1b[K", err=True, nl=False)
    app.emit(found.to_json(), lambda console: _render(console, found))
    if not found.is_whole:
        ctx.exit(1)


def _render(console: Console, found: Verified) -> None:
    from starwhale.datasets.verify import say_versions

    version = found.version
    if found.is_whole:
        lines = [
            f"{version.uri.full} is whole: {counted(version.row_count or 0, 'row')}, {show_bytes(version.size_bytes)}"
        ]
    else:
        count = len(found.damages)
        lines = [f"{version.uri.full} is damaged in {count} place{'' if count == 1 else 's'}"]
    for damage, hit in zip(found.damages, found.hit, strict=True):
        lines += [damage.reason, f"  lost: {damage.lost}"]
        if damage.cells:
            cells = ", ".join(f"column {name} of row {key!r}" for key, name in damage.cells[:SHOWN_CELLS])
            left = len(damage.cells) - SHOWN_CELLS
            lines.append(f"  which is: {cells}" + (f" and {left} more" if left > 0 else ""))
        lines.append(f"  needed by: {say_versions(hit)}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
