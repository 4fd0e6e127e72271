"""A comparison in words and as JSON. What is told first is one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from starwhale.domain.counted import counted
from starwhale.results.compare.runs import say_odd
from starwhale.results.compare.verdict import Outcome

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison, Delta, MetricComparison
    from starwhale.results.compare.intervals import Interval
    from starwhale.results.compare.runs import Run

LISTED_FLIPS = 1_000
"""Rows that were gained, and lost, that JSON lists; `wins` and `losses` count all."""


class Told(Protocol):
    """What a figure is one of."""

    @property
    def is_share(self) -> bool:
        """Whether it is told in percent, and its differences in points."""
        ...


def sentence(comparison: Comparison) -> str:
    """Say in one sentence what came of it: of the one candidate, or of the best of several.

    Example: `verif_6b is better than ft_175b by 4.3 points [1.5, 7.1]; 209 gained, 152 lost`.
    """
    metric = comparison.main
    if not metric.deltas:
        return f"there is nothing to compare: no row has a score of {metric.name} in every run"
    best = best_candidate(comparison)
    return _one(metric, comparison, best)


def best_candidate(comparison: Comparison) -> Run:
    """Return the candidate with the best value of the first metric."""
    metric = comparison.main
    sign = 1 if metric.higher_is_better else -1
    return max(comparison.candidates, key=lambda run: sign * metric.values[run.id].value)


def _one(metric: MetricComparison, comparison: Comparison, run: Run) -> str:
    delta = metric.deltas[run.id]
    found, base = delta.difference, comparison.baseline.name
    of_several = len(comparison.candidates) > 1
    called = f"{run.name}, the best of {len(comparison.candidates)}," if of_several else run.name
    changed = f"{found.wins:,} gained, {found.losses:,} lost"
    if not metric.higher_is_better:
        changed = f"{found.losses:,} gained, {found.wins:,} lost"
    changed = f"; {changed}" if metric.tells_rows else ""
    if delta.verdict.outcome in {Outcome.BETTER, Outcome.WORSE}:
        size = amount(abs(found.delta), metric)
        near, far = sorted((abs(delta.low), abs(delta.high)))
        ends = interval(near, far, metric)
        margin = delta.verdict.margin
        small = " (less than the margin)" if margin is not None and far < margin else ""
        return f"{called} is {delta.verdict.outcome} than {base} by {size} {ends}{small}{changed}"
    shown = f"{signed(found.delta, metric)} {interval(delta.low, delta.high, metric)}"
    if delta.verdict.outcome is Outcome.EQUIVALENT:
        return (
            f"{called} and {base} differ by no more than {amount(delta.verdict.margin or 0, metric)}: {shown}{changed}"
        )
    tail = delta.verdict.text.partition(": ")[2]
    needs = f"; {tail}" if tail else ""
    return f"cannot tell whether {called} is better than {base}: {shown}{needs}{changed}"


def notes(comparison: Comparison) -> list[str]:
    """Say what a reader has to know of how rows were brought together; nothing where there is nothing to say."""
    paired = comparison.paired
    said = [f"{counted(len(paired.ids), 'row')}, paired by {comparison.paired_by}"]
    said += [
        f"{counted(count, 'row')} of {name} left out: another run lacks {'it' if count == 1 else 'them'}"
        for name, count in paired.left_out.items()
        if count
    ]
    if paired.changed:
        said.append(
            f"{counted(len(paired.changed), 'row')} left out, of which the content is not the same in all runs, such as {paired.changed[0]}"
        )
    said += [
        f"{counted(run.failed, 'row')} of {run.name} failed"
        for run in (comparison.baseline, *comparison.candidates)
        if run.failed
    ]
    if paired.repeats > 1:
        said.append(f"up to {paired.repeats} scores of one row were averaged")
    for each in comparison.metrics:
        said += [] if each.slice else say_odd(comparison.runs, each.name)
    said += paired.unlike
    said += paired.remarks
    main = comparison.main
    if main.missing:
        bounds = next((each.bounds for each in main.deltas.values() if each.bounds), None)
        between = (
            f"; with them the difference is between {signed(bounds[0], main)} and {signed(bounds[1], main)}"
            if bounds
            else ""
        )
        said.append(
            f"{counted(main.missing, 'row')} {'has' if main.missing == 1 else 'have'} no score of {main.name} in every run{between}"
        )
    clusters = next((each.clusters for each in main.values.values() if each.clusters is not None), None)
    if clusters is not None:
        said.append(f"rows lie in {counted(clusters, 'cluster')}")
    looks = sum(len(each.deltas) for each in comparison.metrics if not each.slice)
    if looks > 1:
        said.append(f"intervals and p are corrected for {looks} comparisons (Holm)")
    return said


def value_text(value: Interval, metric: MetricComparison) -> str:
    """Write a value with its interval."""
    if not value.is_known:
        return f"{_plain(value.value, metric)} ({value.method})"
    return f"{_plain(value.value, metric)} [{_plain(value.low, metric)}, {_plain(value.high, metric)}]"


def delta_cells(delta: Delta, metric: MetricComparison) -> tuple[str, str, str]:
    """Write the difference with its interval, p, and the verdict, each in a few characters."""
    size = signed(delta.difference.delta, metric).removesuffix(" points")
    short = delta.verdict.text.replace(": needs about ", ", ~")
    return f"{size} {interval(delta.low, delta.high, metric)}", p_text(delta.p_corrected), short


def details(delta: Delta, metric: MetricComparison) -> str:
    """Write what else is known of a difference, in one line."""
    found = delta.difference
    said = [f"{found.test}, {found.interval}", f"{found.wins:,} more, {found.losses:,} less, {found.ties:,} the same"]
    if not math.isnan(delta.verdict.mde):
        said.append(f"these rows resolve {amount(delta.verdict.mde, metric)}")
    if not math.isnan(found.correlation):
        said.append(f"ρ {found.correlation:.2f}".replace("-", "−"))
    if not math.isnan(found.effect):
        said.append(f"d {found.effect:.2f}".replace("-", "−"))
    if found.p != delta.p_corrected:
        said.append(f"p alone {p_text(found.p)} {interval(found.low, found.high, metric)}")
    if delta.bounds is not None:
        said.append(f"with missing scores {signed(delta.bounds[0], metric)} to {signed(delta.bounds[1], metric)}")
    return "; ".join(said)


def signed(delta: float, metric: Told) -> str:
    """Write a difference with its sign: shares in points."""
    return f"{_number(delta, metric, sign='+')}{_unit(metric)}"


def amount(size: float, metric: Told) -> str:
    """Write the size of a difference."""
    return f"{_number(size, metric)}{_unit(metric)}"


def interval(low: float, high: float, metric: Told) -> str:
    """Write an interval of a difference, or that there is none; an end is written as 0 only when it is."""
    if math.isnan(low):
        return "[no interval]"
    return f"[{_end(low, metric)}, {_end(high, metric)}]"


def _end(value: float, metric: Told) -> str:
    text = _number(value, metric)
    if not metric.is_share or value == 0 or float(text.replace("−", "-")):
        return text
    sign = "−" if value < 0 else ""
    return f"{sign}{abs(value) * 100:.2g}" if abs(value) >= 1e-6 else f"{sign}0+"


def p_text(p: float) -> str:
    """Write a p value: three digits after the point, or that it is below what these show."""
    if math.isnan(p):
        return "none"
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _unit(metric: Told) -> str:
    return " points" if metric.is_share else ""


def _number(value: float, metric: Told, sign: str = "") -> str:
    text = f"{value * 100:{sign}.1f}" if metric.is_share else f"{value:{sign}.3g}"
    return text.replace("-", "−") if text not in {"-0.0", "+0.0", "-0"} else "0.0" if metric.is_share else "0"


def _plain(value: float, metric: MetricComparison) -> str:
    return f"{value * 100:.1f}" if metric.is_share else f"{value:.4g}".replace("-", "−")


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:  # Any: a JSON object
    """Return the shape of `swcli job compare -o json`."""
    runs = (comparison.baseline, *comparison.candidates)
    return {
        "sentence": comparison.sentence,
        "baseline": comparison.baseline.id,
        "runs": [{"id": run.id, "name": run.name, "rows": len(set(run.ids)), "failed": run.failed} for run in runs],
        "paired_rows": len(comparison.paired.ids),
        "paired_by": comparison.paired_by,
        "left_out": dict(comparison.paired.left_out),
        "changed": list(comparison.paired.changed[:LISTED_FLIPS]),
        "notes": notes(comparison),
        "metrics": [_metric_to_json(each) for each in comparison.metrics],
        "flips": {run: _flips_to_json(*found) for run, found in comparison.flips.items()},
    }


def _flips_to_json(gained: Sequence[Any], lost: Sequence[Any]) -> dict[str, Any]:  # Any: ids, and a JSON object
    return {"gained": list(gained[:LISTED_FLIPS]), "lost": list(lost[:LISTED_FLIPS])}


def _metric_to_json(metric: MetricComparison) -> dict[str, Any]:  # Any: a JSON object
    return {
        "name": metric.name,
        "slice": metric.slice,
        "n": metric.n,
        "missing": metric.missing,
        "higher_is_better": metric.higher_is_better,
        "values": {run: _value_to_json(each) for run, each in metric.values.items()},
        "deltas": {run: _delta_to_json(each) for run, each in metric.deltas.items()},
        "ranks": {run: list(each) for run, each in metric.ranks.items()},
    }


def _value_to_json(value: Interval) -> dict[str, Any]:  # Any: a JSON object
    return {
        "value": value.value,
        "se": value.standard_error,
        "ci95": [value.low, value.high],
        "n": value.count,
        "method": value.method,
        "clusters": value.clusters,
        "design_effect": value.design_effect,
    }


def _delta_to_json(delta: Delta) -> dict[str, Any]:  # Any: a JSON object
    found = delta.difference
    return {
        "delta": found.delta,
        "se": found.standard_error,
        "ci95": [found.low, found.high],
        "ci95_corrected": [delta.low, delta.high],
        "p": found.p,
        "p_corrected": delta.p_corrected,
        "test": found.test,
        "interval": found.interval,
        "mde": delta.verdict.mde,
        "rows_needed": delta.verdict.rows_needed,
        "verdict": delta.verdict.text,
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
        "effect": found.effect,
        "rho": found.correlation,
        "bounds": None if delta.bounds is None else list(delta.bounds),
    }
