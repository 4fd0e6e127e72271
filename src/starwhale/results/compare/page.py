"""A comparison as a page that needs nothing: the sentence, values and differences as dots with whiskers, slices, the examples that changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from starwhale.domain.counted import counted
from starwhale.results.compare.examples import Flip, as_text, output_diff
from starwhale.results.compare.telling import best_candidate, delta_cells, details, notes, value_text
from starwhale.results.compare.told_flips import told_cells
from starwhale.results.pages.drawings import axis_of, scale, whisker
from starwhale.results.pages.markup import one_line
from starwhale.results.pages.sheet import columns, said, section, text, whole_page

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison, MetricComparison
    from starwhale.results.compare.runs import Run

SHOWN_EXAMPLES = 20
"""Rows of each direction."""
SHOWN_SLICES = 60
_CELL = 300


def comparison_page(comparison: Comparison) -> str:
    """Write a comparison as a whole page."""
    title = f"{' and '.join(each.name for each in comparison.candidates)} against {comparison.baseline.name}"
    return whole_page(title, _sections(comparison, title))


def _sections(comparison: Comparison, title: str) -> Iterator[str]:
    yield f'<h1>{text(comparison.sentence)}</h1><p class="soft">{text(title)}</p>{said(notes(comparison))}'
    for metric in comparison.metrics:
        if not metric.slice:
            unit = " (%)" if metric.is_share else ""
            yield section(
                f"{metric.name}{unit}", columns(_values(comparison, metric), _differences(comparison, metric))
            )
    sliced = [each for each in comparison.metrics if each.slice]
    yield section("Slices", _slices(comparison, sliced)) if sliced else ""
    yield columns(*(_flips(comparison, word) for word in ("lost", "gained")))


def _values(comparison: Comparison, metric: MetricComparison) -> str:
    values = [(run, metric.values[run.id]) for run in comparison.runs]
    axis = axis_of(
        [each for _, value in values for each in (value.value, value.low, value.high)], is_share=metric.is_share
    )
    cells = ['<div><h3>Each run</h3><div class="figures three">']
    for run, value in values:
        rank = metric.ranks.get(run.id)
        place = f" · rank {'–'.join(map(str, dict.fromkeys(rank)))}" if rank else ""
        cells += _line(
            f"{run.name}{place}", value_text(value, metric), whisker(value.value, value.low, value.high, axis)
        )
    return "".join([*cells, _axis(axis, metric), "</div></div>"])


def _differences(comparison: Comparison, metric: MetricComparison) -> str:
    told = [run for run in comparison.candidates if run.id in metric.deltas]
    if not told:
        return ""
    unit = " (points)" if metric.is_share else ""
    heading = f"Difference to {comparison.baseline.name}{unit}"
    drawn = _deltas([(run.name, metric, run) for run in told])
    more = "".join(
        f'<p class="soft small">{text(f"{run.name}: {details(metric.deltas[run.id], metric)}")}</p>' for run in told
    )
    return f"<div><h3>{text(heading)}</h3>{drawn}<details><summary>how it was found</summary>{more}</details></div>"


def _slices(comparison: Comparison, sliced: Sequence[MetricComparison]) -> str:
    best = best_candidate(comparison)
    judged = [each for each in sliced if best.id in each.deltas]
    few = [f"{each.slice} ({each.n})" for each in sliced if best.id not in each.deltas]
    of = f"Difference of {best.name} to {comparison.baseline.name}; exploration: p corrected by Benjamini and Hochberg"
    pieces = [f'<p class="soft small">{text(of)}</p>']
    for name in dict.fromkeys(each.name for each in judged):
        listed = [each for each in judged if each.name == name]
        lines = [(f"{each.slice} · {counted(each.n, 'row')}", each, best) for each in listed[:SHOWN_SLICES]]
        pieces.append(f"<h3>{text(name)}</h3>{_deltas(lines)}")
        pieces += said([f"and {len(listed) - SHOWN_SLICES} more"]) if len(listed) > SHOWN_SLICES else []
    return "".join([*pieces, said([f"too few rows: {', '.join(few[:SHOWN_SLICES])}"]) if few else ""])


def _deltas(lines: Sequence[tuple[str, MetricComparison, Run]]) -> str:
    """Draw differences on one axis with a line at 0."""
    found = [(name, metric, metric.deltas[run.id]) for name, metric, run in lines]
    axis = axis_of(
        [0.0, *(each for _, _, delta in found for each in (delta.difference.delta, delta.low, delta.high))],
        is_share=False,
    )
    cells = ['<div class="figures three">']
    for name, metric, delta in found:
        size, p, verdict = delta_cells(delta, metric)
        drawn = whisker(delta.difference.delta, delta.low, delta.high, axis, reference=0.0)
        kind = {"better": "good", "worse": "bad"}.get(str(delta.verdict.outcome), "soft")
        cells += _line(
            name,
            size,
            f'{drawn}<span class="small {kind}">{text(verdict)}</span><span class="soft small"> · p {text(p)}</span>',
        )
    return "".join([*cells, _axis(axis, lines[0][1]), "</div>"])


def _line(name: str, value: str, drawn: str) -> tuple[str, str, str]:
    return f"<div>{text(name)}</div>", f'<div class="num">{text(value)}</div>', f'<div class="draw">{drawn}</div>'


def _axis(axis: tuple[float, float], metric: MetricComparison) -> str:
    """Draw the numbers of an axis, in percent or points where the values beside it are."""
    if not all(map(math.isfinite, axis)):
        return ""
    times = 100 if metric.is_share else 1
    return f'<div></div><div></div><div class="draw">{scale((axis[0] * times, axis[1] * times))}</div>'


def _flips(comparison: Comparison, word: str) -> str:
    best = best_candidate(comparison)
    ids = comparison.flips[best.id][word == "lost"]
    if not ids:
        return ""
    shown = [each for each in comparison.examples if each.run == best.name and each.change == word][:SHOWN_EXAMPLES]
    body = "".join(map(_example, shown)) or f"<p>{text(', '.join(map(str, ids[:SHOWN_EXAMPLES])))}</p>"
    more = len(ids) - (len(shown) or SHOWN_EXAMPLES)
    tail = said([f"and {more:,} more"]) if more > 0 else ""
    return section(f"{counted(len(ids), 'row')} {word} by {best.name}", f"{body}{tail}")


def _example(flip: Flip) -> str:
    cells = ", ".join(f"{name} {one_line(as_text(value), _CELL)}" for name, value in told_cells(flip))
    diff = "\n".join(output_diff(flip)) or "both gave the same output"
    return f"<p><code>{text(str(flip.id))}</code> {text(cells)}</p><pre>{text(diff)}</pre>"
