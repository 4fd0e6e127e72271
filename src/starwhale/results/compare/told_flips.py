"""Flips for a reader of Markdown: folded, and within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from starwhale.domain.counted import counted
from starwhale.results.compare.examples import Flip, as_text, is_output, output_diff
from starwhale.results.compare.runs import Id
from starwhale.results.pages.markup import code, diff_block, escaped, one_line

SHOWN = 20
"""Rows of each direction."""
WITH_OUTPUTS = 10
"""Those of them whose outputs are shown: a comment of a pull request may hold 65,536 characters."""
SHOWN_CELLS = 4
"""Cells of a row that both runs share, which are shown."""
_CELL = 120


def folded(word: str, ids: Sequence[Id], metric: str, examples: Mapping[Id, Flip]) -> list[str]:
    """Write the rows of one direction as a block that unfolds; nothing where there are none.

    Args:
        word: `gained` or `lost`.
        ids: All of them.
        metric: By what.
        examples: What lies behind some of them.
    """
    if not ids:
        return []
    lines = ["", "<details>", f"<summary>{counted(len(ids), 'row')} {word} by {escape(one_line(metric))}</summary>", ""]
    for place, each in enumerate(ids[:SHOWN]):
        lines.append(f"- {code(str(each))}{shared_cells(examples.get(each))}")
        if each in examples and place < WITH_OUTPUTS:
            lines += ["", *(f"  {line}" for line in _outputs(examples[each])), ""]
    more = len(ids) - SHOWN
    return [*lines, *([f"- and {more:,} more"] if more > 0 else []), "", "</details>"]


def _outputs(flip: Flip) -> list[str]:
    lines = output_diff(flip)
    return diff_block(lines) if lines else ["both gave the same output"]


def shared_cells(flip: Flip | None) -> str:
    """Write the first cells that both runs share: inputs and labels."""
    if flip is None:
        return ""
    cells = [
        f"{escaped(name.removeprefix('input/'), 40)} {code(as_text(value), _CELL)}" for name, value in told_cells(flip)
    ]
    return f": {', '.join(cells)}" if cells else ""


def told_cells(flip: Flip) -> list[tuple[str, object]]:
    """Return names and values of the shared cells that are worth a look."""
    listed = [(name, value) for name, value in flip.shared.items() if value is not None and not is_output(name)]
    return listed[:SHOWN_CELLS]
