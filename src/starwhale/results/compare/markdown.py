"""A comparison as a comment of a pull request: one sentence, a table per metric, slices and flips folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starwhale.results.compare.telling import best_candidate, delta_cells, notes, value_text
from starwhale.results.compare.told_flips import folded
from starwhale.results.pages.markup import code, escaped

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison, MetricComparison

SHOWN_SLICES = 50
"""Lines of the table of slices."""


def comparison_to_markdown(comparison: Comparison) -> str:
    """Write a comparison for a pull request."""
    lines = [f"**{escaped(comparison.sentence, 1_000)}**"]
    for metric in comparison.metrics:
        if not metric.slice:
            lines += ["", *_metric(comparison, metric)]
    sliced = [each for each in comparison.metrics if each.slice]
    if sliced:
        lines += ["", *_slices(comparison, sliced)]
    lines += ["", f"<sub>{'; '.join(escaped(each, 500) for each in notes(comparison))}</sub>"]
    best = best_candidate(comparison)
    gained, lost = comparison.flips[best.id]
    shown = {each.id: each for each in comparison.examples if each.run == best.name}
    name = comparison.main.name
    lines += [*folded("lost", lost, name, shown), *folded("gained", gained, name, shown)]
    return "\n".join([*lines, ""])


def _metric(comparison: Comparison, metric: MetricComparison) -> list[str]:
    unit = " %" if metric.is_share else ""
    lines = [f"| {code(metric.name)}{unit} | value | Δ | p | verdict |", "|---|---|---|---|---|"]
    for run in comparison.runs:
        delta = metric.deltas.get(run.id)
        cells = (
            ("baseline" if run is comparison.baseline else "", "", "") if delta is None else delta_cells(delta, metric)
        )
        told = (escaped(run.name), escaped(value_text(metric.values[run.id], metric)), *map(escaped, cells))
        lines.append(f"| {' | '.join(told)} |")
    return lines


def _slices(comparison: Comparison, sliced: list[MetricComparison]) -> list[str]:
    best = best_candidate(comparison)
    lines = [
        "<details>",
        f"<summary>{len(sliced)} slices (exploration: p corrected by Benjamini and Hochberg)</summary>",
        "",
    ]
    lines += [f"| slice | metric | rows | Δ of {escaped(best.name)} | p | verdict |", "|---|---|---:|---|---|---|"]
    for each in sliced[:SHOWN_SLICES]:
        delta = each.deltas.get(best.id)
        cells = ("", "", "too few rows") if delta is None else delta_cells(delta, each)
        lines.append(f"| {code(each.slice)} | {code(each.name)} | {each.n:,} | {' | '.join(map(escaped, cells))} |")
    if (more := len(sliced) - SHOWN_SLICES) > 0:
        lines.append(f"| and {more} more | | | | | |")
    return [*lines, "", "</details>"]
