"""Figures as a grid for a page: what, value, interval, dot and whisker on one axis, rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.results.pages.drawings import axis_of, scale, whisker
from starwhale.results.pages.sheet import text
from starwhale.results.reports.figure_words import ends_text, number, sliced

if TYPE_CHECKING:
    from starwhale.results.figure import Figure

_AGREEMENT = frozenset({"kappa", "mcc"})
"""Metrics without a unit that lie between −1 and 1, and can share an axis."""


def figure_groups(figures: Sequence[Figure], *, has_labels: bool) -> str:
    """Draw the figures over all rows, those of one unit on one axis.

    Args:
        figures: Of one job.
        has_labels: Whether labels have a table of their own, so that their figures are left out here.
    """
    groups: dict[str, list[Figure]] = {}
    for each in figures:
        if not each.slice and not (has_labels and each.label):
            key = each.unit or ("agreement" if each.metric in _AGREEMENT else each.name)
            groups.setdefault(key, []).append(each)
    return _grid([(found, [each.name for each in found]) for found in groups.values()]) if groups else ""


def label_groups(figures: Sequence[Figure]) -> str:
    """Draw the figures of single labels over all rows, metric by metric."""
    groups: dict[str, list[Figure]] = {}
    for each in figures:
        if each.label and not each.slice:
            groups.setdefault(each.metric, []).append(each)
    return "".join(
        f"<h3>{text(name)}</h3>{_grid([(found, [each.label for each in found])])}" for name, found in groups.items()
    )


def slice_groups(figures: Sequence[Figure], *, has_labels: bool) -> str:
    """Draw the figures of slices, by column and metric, each beside the value over all rows; all metrics but the first are folded."""
    whole = {each.name: each.value for each in figures if not each.slice}
    pieces: list[str] = []
    for column, found in sliced(figures).items():
        by_metric: dict[str, list[Figure]] = {}
        for each in found:
            if not (has_labels and each.label):
                by_metric.setdefault(each.name, []).append(each)
        for place, (name, listed) in enumerate(by_metric.items()):
            heading = f"{name} by {column}" if column else name
            drawn = _grid([(listed, [each.slice for each in listed])], reference=whole.get(name, math.nan))
            folded = f"<details><summary>{text(heading)}</summary>{drawn}</details>"
            pieces.append(folded if place else f"<h3>{text(heading)}</h3>{drawn}")
    return "".join(pieces)


def _grid(groups: Sequence[tuple[Sequence[Figure], Sequence[str]]], reference: float = math.nan) -> str:
    """Draw groups of figures with what each is called; each group has an axis of its own."""
    confidence = f"{groups[0][0][0].confidence:.0%}".replace("%", " %")
    heads = (("", ""), ("num", "value"), ("num", f"{confidence} interval"), ("draw", ""), ("num n", "n"))
    cells = ['<div class="figures">', *(f'<div class="head {kind}">{head}</div>' for kind, head in heads)]
    for figures, names in groups:
        ends = [each for figure in figures for each in (figure.value, figure.low, figure.high)]
        axis = axis_of([*ends, reference], is_share=figures[0].is_share)
        for figure, name in zip(figures, names, strict=True):
            cells += _line(figure, name, axis, reference)
        if any(each.has_interval for each in figures):
            cells.append(
                f'<div class="head"></div><div class="head"></div><div class="head"></div><div class="draw">{scale(axis)}</div><div class="n"></div>'
            )
    return "".join([*cells, "</div>"])


def _line(figure: Figure, name: str, axis: tuple[float, float], reference: float) -> Sequence[str]:
    drawn = whisker(figure.value, figure.low, figure.high, axis, reference)
    if not figure.has_interval:
        drawn = f'<span class="soft small">no interval: {text(figure.method)}</span>'
    return (
        f'<div title="{text(figure.meaning)}">{text(name)}</div>',
        f'<div class="num">{number(figure.value)}</div>',
        f'<div class="num soft">{ends_text(figure) if figure.has_interval else ""}</div>',
        f'<div class="draw">{drawn}</div>',
        f'<div class="num n">{figure.n:,}</div>',
    )
