"""A gate in words and as JSON. What is told first is one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.results.compare.telling import interval, signed
from starwhale.results.compare.verdict import rounded
from starwhale.results.gate.findings import Outcome, RuleFinding

if TYPE_CHECKING:
    from starwhale.results.gate.report import Gate

LISTED_FLIPS = 1_000
"""Rows that were gained, and lost, that JSON lists; the counts are of all."""
_ORDER = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


def sentence(gate: Gate) -> str:
    """Say in one sentence what came of it.

    Example: `new fails the gate: accuracy >= baseline - 0.01 is broken: −4.3 points [−7.1, −1.5]`.
    """
    run, count = gate.run.name, len(gate.findings)
    first = by_outcome(gate)[0]
    same = sum(each.outcome is gate.outcome for each in gate.findings)
    if gate.outcome is Outcome.PASS:
        return f"{run} passes the gate: " + (f"{_told(first)}" if count == 1 else f"all {count} rules hold")
    several = f"{same} of {count} rules; first " if count > 1 else ""
    if gate.outcome is Outcome.FAIL:
        return f"{run} fails the gate: {several}{_told(first)}"
    return f"cannot tell whether {run} passes the gate: {several}{_told(first)}"


def _told(found: RuleFinding) -> str:
    what = {Outcome.PASS: "holds", Outcome.FAIL: "is broken", Outcome.INCONCLUSIVE: "is open"}[found.outcome]
    reason = f"; {text}" if (text := why(found)) else ""
    return f"{title(found)} {what}: {figure(found)}{reason}"


def by_outcome(gate: Gate) -> list[RuleFinding]:
    """Return the findings, the broken rules first and the kept ones last."""
    return sorted(gate.findings, key=lambda each: _ORDER.index(each.outcome))


def title(found: RuleFinding) -> str:
    """Name a rule, and the slice where one rule looks at several."""
    is_star = any(value is None for _, value in found.rule.where)
    return f"{found.rule.title} ({found.slice})" if is_star else found.rule.title


def figure(found: RuleFinding) -> str:
    """Write what the bound was compared with, and its interval.

    Example: `−0.3 points [−1.4, 0.8]`, or `91.2 % [89.0, 93.1]`.
    """
    if math.isnan(found.found):
        return "no score"
    if found.rule.is_relative:
        return f"{signed(found.found, found)} {interval(found.low, found.high, found)}"
    unit = " %" if found.is_share else ""
    ends = "[no interval]" if math.isnan(found.low) else f"[{_plain(found.low, found)}, {_plain(found.high, found)}]"
    return f"{_plain(found.found, found)}{unit} {ends}"


def why(found: RuleFinding) -> str:
    """Say why a rule is open, and what would decide it; empty for others."""
    if found.outcome is not Outcome.INCONCLUSIVE:
        return ""
    if found.why:
        return found.why
    return f"needs about {counted(rounded(found.rows_needed), 'row')}" if found.rows_needed else "lies on the bound"


def level(found: RuleFinding) -> str:
    """Write the level of an interval, with as many digits as tell it from 100 %.

    Example: `95 %`, `98.33 %`.
    """
    return f"{found.confidence * 100:.4g} %"


def _plain(value: float, found: RuleFinding) -> str:
    return f"{value * 100:.1f}" if found.is_share else f"{value:.4g}".replace("-", "−")


def as_text(gate: Gate, most: int = 20) -> str:
    """Write a gate in plain lines: the sentence, the notes, each rule, and some of the rows that were lost."""
    lines = [sentence(gate), *gate.notes]
    listed = by_outcome(gate)
    for each in listed[:most]:
        reason = f"; {text}" if (text := why(each)) else ""
        lines.append(f"{each.outcome}: {title(each)}: {figure(each)}{reason} ({counted(each.n, 'row')})")
    if len(listed) > most:
        lines.append(f"and {len(listed) - most} more rules")
    lost = gate.flips[1]
    if lost:
        more = f" and {len(lost) - most:,} more" if len(lost) > most else ""
        lines.append(f"lost: {', '.join(map(str, lost[:most]))}{more}")
    return "\n".join(lines)


def gate_to_json(gate: Gate) -> dict[str, Any]:  # Any: a JSON object
    """Return the shape of `swcli job gate -o json`."""
    gained, lost = gate.flips
    return {
        "verdict": str(gate.outcome),
        "exit_code": gate.exit_code,
        "sentence": sentence(gate),
        "run": {"id": gate.run.id, "name": gate.run.name},
        "baseline": None if gate.baseline is None else {"id": gate.baseline.id, "name": gate.baseline.name},
        "rules": [_finding_to_json(each) for each in gate.findings],
        "notes": list(gate.notes),
        "flips": {
            "metric": gate.flip_metric,
            "gained_count": len(gained),
            "lost_count": len(lost),
            "gained": list(gained[:LISTED_FLIPS]),
            "lost": list(lost[:LISTED_FLIPS]),
        },
    }


def _finding_to_json(found: RuleFinding) -> dict[str, Any]:  # Any: a JSON object
    return {
        "rule": found.rule.text,
        "name": found.rule.name,
        "metric": found.rule.metric,
        "slice": found.slice,
        "is_relative": found.rule.is_relative,
        "wants": found.wants,
        "bound": found.bound,
        "verdict": str(found.outcome),
        "why": why(found),
        "value": found.value,
        "baseline": found.baseline if found.rule.is_relative else None,
        "found": found.found,
        "ci": [found.low, found.high],
        "confidence": found.confidence,
        "method": found.method,
        "n": found.n,
        "missing": found.missing,
        "resolves": found.resolves,
        "rows_needed": found.rows_needed,
    }
