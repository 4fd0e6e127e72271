"""What lies behind a flip: the row's input and label, and what each of the two runs gave."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.results.compare.runs import Id, Run
from starwhale.results.pages.markup import visible_text

OUTPUTS = frozenset({"output", "outputs", "prediction", "predicted", "answer", "response", "generated", "completion"})
"""Names of columns that hold what a run gave, also where two runs gave the same."""
SHOWN_LINES = 8
"""Of the diff of one row."""
WIDEST = 160
"""Characters of one line of it."""
_CONTEXT = 30
"""Characters that are kept before the first difference of two long lines."""
Cells = Mapping[str, Any]  # Any: values of users


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One row on which a candidate did better or worse than the baseline."""

    run: str
    """Name of the candidate."""
    id: Id
    """The row."""
    change: str
    """`gained` or `lost`."""
    before: float
    """Score of the baseline."""
    after: float
    """Score of the candidate."""
    shared: Cells
    """What both had: inputs, labels."""
    baseline: Cells
    """What the baseline gave."""
    candidate: Cells
    """What the candidate gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A candidate beside the baseline, by one metric, with the rows of both that changed."""

    baseline: Run
    """What it is compared with."""
    candidate: Run
    """The other."""
    metric: str
    """Name of the metric."""
    gained: Sequence[Id]
    """Rows on which it does better, the largest change first."""
    lost: Sequence[Id]
    """Rows on which it does worse."""

    def first(self, most: int | None) -> Pair:
        """Return it with so many rows of each direction; None for all."""
        return Pair(
            baseline=self.baseline,
            candidate=self.candidate,
            metric=self.metric,
            gained=self.gained[:most],
            lost=self.lost[:most],
        )


def describe_flips(pair: Pair, baseline: Mapping[Id, Cells], candidate: Mapping[Id, Cells]) -> list[Flip]:
    """Put together what is known of the rows that changed, the lost ones first.

    A column on which both runs agree in all these rows is shared; outputs, and columns on which they do not, are given per run.

    Args:
        pair: What changed.
        baseline: Cells of these rows in the baseline.
        candidate: Cells of these rows in the candidate.
    """
    ids = [*pair.lost, *pair.gained]
    ours, theirs = ({each: rows.get(each, {}) for each in ids} for rows in (candidate, baseline))
    names = list(dict.fromkeys(name for rows in (theirs, ours) for cells in rows.values() for name in cells))
    own = [name for name in names if is_output(name) or any(_differs(ours[row], theirs[row], name) for row in ids)]
    shared = [name for name in names if name not in own]
    before, after = _scores(pair.baseline, pair.metric, ids), _scores(pair.candidate, pair.metric, ids)
    lost = set(pair.lost)
    return [
        Flip(
            run=pair.candidate.name,
            id=row,
            change="lost" if row in lost else "gained",
            before=before[row],
            after=after[row],
            shared={name: theirs[row].get(name, ours[row].get(name)) for name in shared},
            baseline={name: theirs[row].get(name) for name in own},
            candidate={name: ours[row].get(name) for name in own},
        )
        for row in ids
    ]


def is_output(name: str) -> bool:
    """Whether a column holds what a run gave."""
    return name in OUTPUTS or name.startswith("output/")


def _differs(ours: Cells, theirs: Cells, name: str) -> bool:
    return name in ours and name in theirs and as_text(ours[name]) != as_text(theirs[name])


def _scores(run: Run, metric: str, ids: Sequence[Id]) -> dict[Id, float]:
    """Return the mean score of each row over its repeats."""
    found: dict[Id, list[float]] = {each: [] for each in ids}
    for row, score in zip(run.ids, run.metrics[metric], strict=True):
        if row in found:
            found[row].append(score)
    return {row: sum(scores) / len(scores) if scores else float("nan") for row, scores in found.items()}


def rows_of_columns(run: Run, ids: Sequence[Id], metric: str) -> dict[Id, dict[str, Any]]:  # Any: values of users
    """Return the cells of some rows of a run that holds its columns, a file; of repeats the first, and without the metric."""
    wanted = set(ids)
    names = [name for name in run.columns if name != metric]
    found: dict[Id, dict[str, Any]] = {}
    for position, row in enumerate(run.ids):
        if row in wanted and row not in found:
            found[row] = {name: run.columns[name][position] for name in names}
    return found


def as_text(value: Any) -> str:  # Any: a value of a user
    """Write a cell as text: texts as they are, collections as JSON, media and bytes by what they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    if hasattr(value, "mime_type"):
        to_text = getattr(value, "to_str", None)
        return str(to_text()) if callable(to_text) else repr(value)
    return "" if value is None else str(value)


def output_diff(flip: Flip, *, most: int = SHOWN_LINES, widest: int = WIDEST) -> list[str]:
    """Return how what both gave differs, as lines with `-` for the baseline and `+` for the candidate; empty where it does not.

    Args:
        flip: The row.
        most: Lines, the last of which says how many more there are.
        widest: Characters of a line; long ones are shown from shortly before their first difference.
    """
    lines: list[str] = []
    several = len(flip.baseline) > 1
    for name in flip.baseline:
        before, after = as_text(flip.baseline[name]), as_text(flip.candidate[name])
        if before != after:
            lines += [f" {name}:"] if several else []
            lines += _diff(before, after, widest)
    if len(lines) > most:
        return [*lines[: most - 1], f" … {len(lines) - most + 1} more lines"]
    return lines


def _diff(before: str, after: str, widest: int) -> list[str]:
    old, new = visible_text(before).splitlines() or [""], visible_text(after).splitlines() or [""]
    if len(old) == len(new) == 1:
        start = _common(old[0], new[0])
        return [f"-{_cut(old[0], start, widest)}", f"+{_cut(new[0], start, widest)}"]
    if max(len(old), len(new)) > 2_000:  # comparing takes the square of it
        return [f"-{len(old)} lines", f"+{len(new)} lines"]
    compared = list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
    return [each[0] + _cut(each[1:], 0, widest) for each in compared if not each.startswith("@@")]


def _common(old: str, new: str) -> int:
    """Number of characters that both begin with."""
    return next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def _cut(line: str, start: int, widest: int) -> str:
    if len(line) <= widest:
        return line
    begin = max(min(start - _CONTEXT, len(line) - widest), 0)
    head, tail = "…" if begin else "", "…" if begin + widest < len(line) else ""
    return f"{head}{line[begin : begin + widest]}{tail}"
