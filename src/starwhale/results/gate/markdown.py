"""A gate as a comment of a pull request: one sentence, a table, and the examples that changed, folded and within bounds.

Everything that users wrote is escaped, so that no name of a rule, column or row becomes markup, a mention or a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.results.compare.told_flips import folded
from starwhale.results.gate.findings import Outcome, RuleFinding
from starwhale.results.gate.telling import by_outcome, figure, level, sentence, title, why
from starwhale.results.pages.markup import code, escaped

if TYPE_CHECKING:
    from starwhale.results.gate.report import Gate

SHOWN_RULES = 50
"""Rules in the table; the broken ones come first."""
_MARKS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔"}


def gate_to_markdown(gate: Gate) -> str:
    """Write a gate for a pull request or the summary of a CI job."""
    lines = [f"**{_MARKS[gate.outcome]} {escaped(sentence(gate), 1_000)}**", ""]
    lines += ["| | rule | found | rows |", "|---|---|---|---:|"]
    listed = by_outcome(gate)
    lines += [_row(each) for each in listed[:SHOWN_RULES]]
    if (more := len(listed) - SHOWN_RULES) > 0:
        lines.append(f"| | and {more} more | | |")
    lines += ["", f"<sub>{'; '.join(escaped(each, 500) for each in (*gate.notes, *_levels(gate)))}</sub>"]
    lines += _flips(gate)
    return "\n".join([*lines, ""])


def _row(found: RuleFinding) -> str:
    reason = f" ({escaped(text)})" if (text := why(found)) else ""
    cells = (_MARKS[found.outcome], code(title(found)), f"{escaped(figure(found))}{reason}", f"{found.n:,}")
    return f"| {' | '.join(cells)} |"


def _levels(gate: Gate) -> list[str]:
    """Say at what level intervals stand, once."""
    listed = list(dict.fromkeys(level(each) for each in gate.findings))
    wider = ", wider where several rules could be broken by chance" if len(listed) > 1 else ""
    return [f"intervals at {' and '.join(listed)}{wider}"]


def _flips(gate: Gate) -> list[str]:
    gained, lost = gate.flips
    shown = {each.id: each for each in gate.examples}
    return [*folded("lost", lost, gate.flip_metric, shown), *folded("gained", gained, gate.flip_metric, shown)]
