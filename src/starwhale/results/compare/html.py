"""A comparison in a notebook: the sentence, a table, drawings, and the examples that changed. Texts of users are escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starwhale.results.compare.examples import Flip, as_text, output_diff
from starwhale.results.compare.svg import Mark, interval_svg
from starwhale.results.compare.telling import best_candidate, delta_cells, notes, value_text
from starwhale.results.compare.told_flips import told_cells
from starwhale.results.pages.markup import one_line

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison, MetricComparison
    from starwhale.results.compare.runs import Run

SHOWN_EXAMPLES = 10
"""Rows of each direction."""
SHOWN_SLICES = 20
_LEFT = ' style="text-align:left"'


def comparison_html(comparison: Comparison) -> str:
    """Draw a comparison; it needs no script and no network."""
    whole = [each for each in comparison.metrics if not each.slice]
    sliced = [each for each in comparison.metrics if each.slice]
    pieces = [
        f"<b>{escape(comparison.sentence)}</b>",
        f'<div style="opacity:.7">{escape("; ".join(notes(comparison)))}</div>',
    ]
    for metric in whole:
        pieces += [_table(comparison, metric), _values(comparison, metric), _differences(comparison, metric)]
    if sliced:
        pieces.append(_slices(comparison, sliced))
    pieces += [_flips(comparison, word) for word in ("lost", "gained")]
    return f'<div class="starwhale-comparison">{"".join(pieces)}</div>'


def _table(comparison: Comparison, metric: MetricComparison) -> str:
    unit = " %" if metric.is_share else ""
    heads = (f"{metric.name}{unit}", "value", *(["rank"] if metric.ranks else []), "Δ", "p", "verdict")
    rows = "".join(_row(comparison, metric, run) for run in comparison.runs)
    return f"<table><tr>{''.join(f'<th{_LEFT}>{escape(each)}</th>' for each in heads)}</tr>{rows}</table>"


def _row(comparison: Comparison, metric: MetricComparison, run: Run) -> str:
    delta = metric.deltas.get(run.id)
    told = ("baseline" if run is comparison.baseline else "", "", "") if delta is None else delta_cells(delta, metric)
    rank = metric.ranks.get(run.id)
    ranks = ["–".join(map(str, dict.fromkeys(rank)))] if rank else []
    cells = (run.name, value_text(metric.values[run.id], metric), *ranks, *told)
    return f"<tr>{''.join(f'<td{_LEFT}>{escape(each)}</td>' for each in cells)}</tr>"


def _values(comparison: Comparison, metric: MetricComparison) -> str:
    marks = [
        Mark(label=run.name, value=value.value, low=value.low, high=value.high, text=value_text(value, metric))
        for run in comparison.runs
        for value in (metric.values[run.id],)
    ]
    return f"<div>{interval_svg(f'{metric.name} of each run', marks)}</div>"


def _differences(comparison: Comparison, metric: MetricComparison) -> str:
    marks = [_mark(run.name, metric, run) for run in comparison.candidates if run.id in metric.deltas]
    title = f"{metric.name}: difference to {comparison.baseline.name}"
    return f"<div>{interval_svg(title, marks, has_zero=True)}</div>" if marks else ""


def _mark(label: str, metric: MetricComparison, run: Run) -> Mark:
    delta = metric.deltas[run.id]
    text = f"Δ {delta_cells(delta, metric)[0]}"
    verdict = str(delta.verdict.outcome)
    return Mark(label=label, value=delta.difference.delta, low=delta.low, high=delta.high, text=text, verdict=verdict)


def _slices(comparison: Comparison, sliced: list[MetricComparison]) -> str:
    best = best_candidate(comparison)
    judged = [each for each in sliced if best.id in each.deltas]
    marks = [_mark(each.slice, each, best) for each in judged[:SHOWN_SLICES] if each.name == comparison.main.name]
    few = [f"{each.slice} ({each.n})" for each in sliced if best.id not in each.deltas]
    said = f"<div>too few rows: {escape(', '.join(few[:SHOWN_SLICES]))}</div>" if few else ""
    drawn = interval_svg(f"difference of {best.name} by slice", marks, has_zero=True) if marks else ""
    summary = f"{len(sliced)} slices of {best.name} (exploration: p corrected by Benjamini and Hochberg)"
    return f'<details open=""><summary>{escape(summary)}</summary>{drawn}{said}</details>'


def _flips(comparison: Comparison, word: str) -> str:
    best = best_candidate(comparison)
    ids = comparison.flips[best.id][word == "lost"]
    if not ids:
        return ""
    shown = [each for each in comparison.examples if each.run == best.name and each.change == word][:SHOWN_EXAMPLES]
    rows = "".join(_example(each) for each in shown)
    listed = rows or escape(", ".join(map(str, ids[:SHOWN_EXAMPLES])))
    more = len(ids) - (len(shown) or SHOWN_EXAMPLES)
    tail = f"<div>and {more:,} more: <code>.flips</code></div>" if more > 0 else ""
    return f"<details><summary>{len(ids):,} {word} by {escape(best.name)}</summary>{listed}{tail}</details>"


def _example(flip: Flip) -> str:
    cells = ", ".join(f"{name} {one_line(as_text(value), 80)}" for name, value in told_cells(flip))
    diff = "\n".join(output_diff(flip)) or "both gave the same output"
    return f'<div><code>{escape(str(flip.id))}</code> {escape(cells)}<pre style="margin:0 0 .5em 1em">{escape(diff)}</pre></div>'
