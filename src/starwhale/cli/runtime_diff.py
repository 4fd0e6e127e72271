"""`swcli runtime diff`: what differs between two locked environments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand
from starwhale.cli.complete_names import completes
from starwhale.cli.visible import visible_line

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.runtimes.diff import RuntimeDiff

LIMIT = 50
"""Packages that are listed by default."""


@click.command("diff", cls=SwCommand)
@click.argument("base", shell_complete=completes("runtime"))
@click.argument("compare", shell_complete=completes("runtime"))
@click.option("--limit", type=click.IntRange(min=0), default=LIMIT, show_default=True, help="Packages that are listed.")
@click.pass_obj
def diff(app: CliApp, base: str, compare: str, *, limit: int) -> None:
    """Compare two versions, of one runtime or of two: pinned packages, Python, processors, CUDA, image.

    Under -o json every package that differs is listed.
    """
    found = app.instance().runtimes.diff(base, compare)
    app.emit(found.to_json(), lambda console: render(console, found, limit))


def render(console: Console, found: RuntimeDiff, limit: int) -> None:
    """Print what differs, packages by name, at most so many of them."""
    _print(console, f"base:    {found.base}")
    _print(console, f"compare: {found.compare}")
    if found.is_same:
        _print(console, "no difference")
        return
    for name, (old, new) in found.facts.items():
        _print(console, f"{name}: {_word(old)} → {_word(new)}")
    lines = {
        **{name: f"+ {name} {version}" for name, version in found.added.items()},
        **{name: f"- {name} {version}" for name, version in found.removed.items()},
        **{name: f"~ {name} {old} → {new}" for name, (old, new) in found.changed.items()},
    }
    if not lines:
        _print(console, "packages: no difference")
        return
    counts = f"{len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} removed"
    _print(console, f"packages: {counts}")
    for name in sorted(lines)[:limit]:
        _print(console, f"  {visible_line(lines[name])}")
    if len(lines) > limit:
        _print(console, f"  … and {len(lines) - limit} more; see more with --limit, or all with -o json")


def _word(value: Any) -> str:  # Any: JSON
    if value is None or value == "":
        return "none"
    return visible_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
