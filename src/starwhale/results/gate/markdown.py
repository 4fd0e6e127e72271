"""A gate as a comment of a pull request: one sentence, a table, and the examples that changed, folded and within bounds.

Everything that users wrote is escaped, so that no name of a rule, column or row becomes markup, a mention or a link.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from starwhale.results.compare.runs import Id
from starwhale.results.gate.findings import Outcome, RuleFinding
from starwhale.results.gate.telling import by_outcome, figure, level, sentence, title, why

if TYPE_CHECKING:
    from starwhale.results.gate.report import Gate

SHOWN_RULES = 50
"""Rules in the table; the broken ones come first."""
SHOWN_FLIPS = 20
"""Rows of each direction."""
SHOWN_CHARACTERS = 200
"""Of one value."""
_MARKS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔"}
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@&$]|(?<=www)\.|:(?=//)|^[-+=]|(?<=^\d)[.)]")
"""What may become markup, a mention, a formula or a link; at the beginning also a list."""


_HIDDEN = {"@": "\\@\u200b", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


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


def escaped(text: str, most: int = SHOWN_CHARACTERS) -> str:
    r"""Write a text of a user's so that it stays that text: on one line, without markup, mentions and links.

    Example:
        >>> escaped("a|b <img> 2 - 1")
        'a\\|b &lt;img&gt; 2 - 1'
    """
    return _SPECIAL.sub(lambda found: _HIDDEN.get(found[0], f"\\{found[0]}"), _one_line(text, most))


def code(text: str, most: int = SHOWN_CHARACTERS) -> str:
    r"""Write a text of a user's as code, which nothing is read into; also in the cell of a table.

    Example:
        >>> code("numbers_#@#_59"), code("a`b")
        ('`numbers_#@#_59`', '``a`b``')
    """
    line = _one_line(text, most).replace("|", "\\|")
    fence = "`" * (max((len(each) for each in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _one_line(text: str, most: int) -> str:
    line = " ".join(visible_text(text).split())
    return line if len(line) <= most else f"{line[:most]}…"


def visible_text(text: str) -> str:
    """Write what turns the direction of a line, and other characters that nobody sees, as a mark."""
    return _UNSEEN.sub("�", text)


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
    lines: list[str] = []
    for word, ids in zip(("lost", "gained"), reversed(gate.flips), strict=True):
        if ids:
            lines += [
                "",
                "<details>",
                f"<summary>{len(ids):,} rows {word} by {escape(_one_line(gate.flip_metric, SHOWN_CHARACTERS))}</summary>",
                "",
            ]
            lines += [*_listed(ids), "", "</details>"]
    return lines


def _listed(ids: Sequence[Id]) -> list[str]:
    lines = [f"- {code(str(each))}" for each in ids[:SHOWN_FLIPS]]
    more = len(ids) - SHOWN_FLIPS
    return [*lines, f"- and {more:,} more"] if more > 0 else lines
