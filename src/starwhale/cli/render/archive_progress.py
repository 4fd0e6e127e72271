"""How far an archive is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import click

from starwhale.cli.app import CliApp
from starwhale.cli.render.render_table import show_bytes


@contextmanager
def shown_bytes(app: CliApp) -> Generator[Callable[[int, int], None] | None]:
    """Give what shows bytes of bytes on one line of the terminal, and wipe the line at the end; None where nobody looks."""
    if not (sys.stderr.isatty() and app.settings.progress):
        yield None
        return
    shown = ""

    def show(done: int, total: int) -> None:
        nonlocal shown
        text = f"{show_bytes(done)} of {show_bytes(total)}"
        if text != shown:
            click.echo(f"\r{text}\x1b[K", err=True, nl=False)
            shown = text

    try:
        yield show
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


__all__ = ["shown_bytes"]
