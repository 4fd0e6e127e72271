"""Points with intervals as an SVG that needs nothing: no script, no network, and the colours of the page around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LINE, LEFT, RIGHT = 640, 24, 170, 190
_COLORS = {"better": "#1a7f37", "worse": "#cf222e", "no difference": "#0969da", "cannot tell": "#9a6700"}
_CHARACTERS = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One line of the drawing."""

    label: str
    """What it is."""
    value: float
    """Where the point is."""
    low: float
    """Where the interval begins; NaN for none."""
    high: float
    """Where it ends."""
    text: str
    """What is written on the right."""
    verdict: str = ""
    """What colours it."""


def interval_svg(title: str, marks: Sequence[Mark], *, has_zero: bool = False) -> str:
    """Draw points with intervals on one axis, one line each; texts of users are escaped.

    Args:
        title: Read out by a screen reader.
        marks: From the top.
        has_zero: Draw a line at 0.
    """
    known = [each for mark in marks for each in (mark.value, mark.low, mark.high) if math.isfinite(each)]
    known += [0.0] if has_zero else []
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0

    def x(value: float) -> float:
        return LEFT + (value - low + room) / (high - low + 2 * room) * (WIDTH - LEFT - RIGHT)

    height = LINE * len(marks) + 8
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    style = 'style="max-width:100%;font:12px sans-serif" fill="currentColor" stroke="none"'
    lines = [f'<svg role="img" aria-label="{escape(title)}" {size} {style}>']
    if has_zero:
        lines.append(
            f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height}" stroke="currentColor" stroke-dasharray="4 4" opacity=".5"/>'
        )
    for place, mark in enumerate(marks):
        lines += _line(mark, LINE * place + LINE / 2 + 4, x)
    return "".join([*lines, "</svg>"])


def _line(mark: Mark, y: float, at: Callable[[float], float]) -> list[str]:
    color = _COLORS.get(mark.verdict, "currentColor")
    label = mark.label if len(mark.label) <= _CHARACTERS else f"{mark.label[: _CHARACTERS - 1]}…"
    lines = [f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>']
    if math.isfinite(mark.low) and math.isfinite(mark.high):
        lines.append(
            f'<line x1="{at(mark.low):.1f}" x2="{at(mark.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}" stroke-width="2"/>'
        )
    if math.isfinite(mark.value):
        lines.append(f'<circle cx="{at(mark.value):.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
    lines.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4:.1f}">{escape(mark.text)}</text>')
    return lines
