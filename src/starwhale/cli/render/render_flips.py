"""The examples that changed: their ids, and with `--full` what each run gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.results.compare.examples import Flip
    from starwhale.results.compare.runs import Id

SHOWN_IDS = 5
"""Examples named per direction without `--full`."""
FULL_IDS = 100
"""The same with `--full`."""
FULL_EXAMPLES = 10
"""Those of them that are shown with their outputs, with `--full`."""
_STYLES = {"-": "red", "+": "green"}
_CELL = 70


def render_flips(
    console: Console, flips: tuple[Sequence[Id], Sequence[Id]], examples: Sequence[Flip], *, is_full: bool
) -> None:
    """Show what was gained and lost.

    Args:
        console: Where.
        flips: Ids of the rows that were gained, and lost.
        examples: What lies behind some of them; shown with `--full`.
        is_full: Whether `--full` was given.
    """
    from rich.text import Text

    count = FULL_IDS if is_full else SHOWN_IDS
    for word, ids in zip(("gained", "lost"), flips, strict=True):
        if ids:
            more = f" and {len(ids) - count:,} more" if len(ids) > count else ""
            console.print(Text(f"{word}: {', '.join(map(str, ids[:count]))}{more}", overflow="fold"))
    for each in examples if is_full else ():
        _render_example(console, each)


def _render_example(console: Console, flip: Flip) -> None:
    from rich.text import Text

    from starwhale.results.compare.examples import as_text, output_diff
    from starwhale.results.compare.told_flips import told_cells
    from starwhale.results.pages.markup import one_line

    cells = ", ".join(
        f"{name.removeprefix('input/')} {one_line(as_text(value), _CELL)}" for name, value in told_cells(flip)
    )
    head = f"{flip.change} {flip.id}" + (f": {cells}" if cells else "")
    console.print(Text(head, style="bold", overflow="fold"))
    for line in output_diff(flip, widest=console.width - 4) or [" both gave the same output"]:
        console.print(Text(f"  {line}", style=_STYLES.get(line[0], "dim"), overflow="fold"))
