"""`swcli check`: look at this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from starwhale.cli import original
from starwhale.cli.app import CliApp
from starwhale.cli.command import SwCommand

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances.place.check import Check

_COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command("check", cls=SwCommand)
@click.pass_obj
def check(app: CliApp) -> None:
    """Look at this machine: Python, packages, the storage root, and programs beside.

    Exits with 1 when something must be mended; what is merely not installed is a note. Nothing is written.
    """
    from starwhale.instances.place.check import CheckOutcome, check_machine

    found = [_environment(), *check_machine(app.settings)]
    wrong = [each for each in found if each.verdict is CheckOutcome.WRONG]
    app.emit(
        {"ok": not wrong, "checks": [each.to_json() for each in found]},
        lambda console: _render(console, found, wrong),
    )
    if wrong:
        click.get_current_context().exit(1)


def _environment() -> Check:
    from starwhale.instances.place.check import Check, CheckOutcome

    there = original.here()
    return Check(
        name="environment",
        verdict=CheckOutcome.WRONG if there else CheckOutcome.OK,
        found=f"the original starwhale is here too: {', '.join(there)}" if there else "this program alone",
        hint=original.mend_here() if there else "",
    )


def _render(console: Console, found: list[Check], wrong: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for title in ("verdict", "name", "found"):
        table.add_column(title, overflow="fold", no_wrap=title == "verdict")
    for each in found:
        text = each.found + (f"\n→ {each.hint}" if each.hint and each not in wrong else "")
        table.add_row(Text(each.verdict, style=_COLOURS[each.verdict]), Text(each.name), Text(text))
    console.print(table)
    for each in wrong:  # in one line each, to be copied
        console.print(f"\nmend {each.name}: {each.hint}", markup=False, highlight=False, soft_wrap=True)
    if not wrong:
        console.print("\nnothing must be mended", markup=False)
