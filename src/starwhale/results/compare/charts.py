"""A comparison as charts: Vega-Lite specifications that hold their data, as plain dictionaries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.telling import best_candidate

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison, MetricComparison

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
MIME_TYPE = "application/vnd.vegalite.v5+json"
MOST_SLICES = 40
"""Slices of one chart; the most frequent ones."""
Spec = dict[str, Any]  # Any: JSON


def chart_specs(comparison: Comparison) -> dict[str, Spec]:
    """Return charts by name: `values` with their intervals, `differences` to the baseline, and `slices` where there are some.

    With several metrics the first two have a row for each.
    """
    whole = [each for each in comparison.metrics if not each.slice]
    found = {"values": _intervals("Values with 95 % intervals", _values(comparison, whole), "run", zero=False)}
    differences = _differences(comparison, whole)
    if differences:
        title = f"Differences to {comparison.baseline.name}"
        found["differences"] = _intervals(title, differences, "run", zero=True)
    sliced = [each for each in comparison.metrics if each.slice and each.name == comparison.main.name][:MOST_SLICES]
    if rows := _slices(comparison, sliced):
        title = f"Difference of {best_candidate(comparison).name} to {comparison.baseline.name} by slice"
        found["slices"] = _intervals(title, rows, "slice", zero=True)
    return found


def all_charts(comparison: Comparison) -> Spec:
    """Return one specification with all charts, one below the other."""
    charts = [
        {name: part for name, part in each.items() if name != "$schema"} for each in chart_specs(comparison).values()
    ]
    return {"$schema": SCHEMA, "vconcat": charts, "resolve": {"scale": {"color": "independent"}}}


def _values(comparison: Comparison, whole: list[MetricComparison]) -> list[Spec]:
    rows: list[Spec] = []
    for metric in whole:
        for run in comparison.runs:
            value = metric.values[run.id]
            verdict = "baseline" if run is comparison.baseline else _verdict(metric, run.id)
            rows.append(_row(metric, value.value, value.low, value.high) | {"run": run.name, "verdict": verdict})
    return rows


def _differences(comparison: Comparison, whole: list[MetricComparison]) -> list[Spec]:
    return [
        _row(metric, delta.difference.delta, delta.low, delta.high)
        | {"run": run.name, "verdict": _verdict(metric, run.id)}
        for metric in whole
        for run in comparison.candidates
        if (delta := metric.deltas.get(run.id)) is not None
    ]


def _slices(comparison: Comparison, sliced: list[MetricComparison]) -> list[Spec]:
    run = best_candidate(comparison).id
    return [
        _row(metric, delta.difference.delta, delta.low, delta.high)
        | {"slice": f"{metric.slice} ({metric.n:,})", "verdict": _verdict(metric, run)}
        for metric in sliced
        if (delta := metric.deltas.get(run)) is not None
    ]


def _verdict(metric: MetricComparison, run: str) -> str:
    return str(metric.deltas[run].verdict.outcome) if run in metric.deltas else "too few rows"


def _row(metric: MetricComparison, value: float, low: float, high: float) -> Spec:
    """Return a row of data; shares in percent, and what is not known as null."""
    scale = 100 if metric.is_share else 1
    ends = {"value": value, "low": low, "high": high}
    unit = f"{metric.name} (%)" if metric.is_share else metric.name
    return {"metric": unit, **{name: each * scale if math.isfinite(each) else None for name, each in ends.items()}}


def _intervals(title: str, rows: list[Spec], field: str, *, zero: bool) -> Spec:
    """Draw points with intervals, one line per run or slice."""
    y = {"field": field, "type": "nominal", "sort": None, "title": None}
    verdicts = ["better", "worse", "no difference", "cannot tell", "baseline", "too few rows"]
    colours = ["#1a7f37", "#cf222e", "#0969da", "#9a6700", "#6e7781", "#6e7781"]
    color = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": verdicts, "range": colours},
        "legend": None,
    }
    x = {"type": "quantitative", "scale": {"zero": zero}, "title": None}
    tooltip = [{"field": name} for name in (field, "value", "low", "high", "verdict")]
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": color},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70},
            "encoding": {"x": {**x, "field": "value"}, "y": y, "color": color, "tooltip": tooltip},
        },
    ]
    if zero:
        layers.insert(
            0, {"mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.6}, "encoding": {"x": {"datum": 0}}}
        )
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    base: Spec = {"$schema": SCHEMA, "title": title, "data": {"values": rows}}
    if len(metrics) == 1:
        layers[-1]["encoding"]["x"] = {**layers[-1]["encoding"]["x"], "title": metrics[0]}
        return {**base, "width": 420, "layer": layers}
    return {
        **base,
        "facet": {"row": {"field": "metric", "type": "nominal", "title": None}},
        "spec": {"width": 420, "layer": layers},
        "resolve": {"scale": {"x": "independent"}},
    }
