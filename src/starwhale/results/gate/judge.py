"""Rules on a run: kept when the whole interval lies on the right side of the bound, broken when it lies on the wrong one.

A gate passes only when every rule is kept, so that nothing has to be corrected for that (an intersection–union test: Berger 1982). It
fails when one rule is broken, which chance alone brings about the more often the more rules there are: a rule is broken only at the level that
Holm's procedure asks for. The interval that is shown is the one that decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.compare.comparison import alone_where_unknown
from starwhale.results.compare.differences import compare_scores
from starwhale.results.compare.flips import find_flips
from starwhale.results.compare.intervals import cluster_numbers, mean_interval
from starwhale.results.compare.measured import MeasuredPair, find_interval
from starwhale.results.compare.power import rows_needed, smallest_resolvable
from starwhale.results.compare.runs import Paired, Run, pair, say_odd
from starwhale.results.gate.findings import GateQuestion, Outcome, RuleFinding
from starwhale.results.gate.report import Gate
from starwhale.results.gate.rules import Rule, Wants
from starwhale.results.metrics.metric import Measured, Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FEW_ROWS = 10
"""Fewer rows decide nothing."""
_LESS_IS_BETTER = frozenset(
    {
        "error",
        "errors",
        "loss",
        "rmse",
        "mse",
        "mae",
        "mape",
        "wer",
        "cer",
        "perplexity",
        "nll",
        "brier",
        "ece",
        "latency",
        "duration",
        "time",
        "seconds",
        "cost",
        "tokens",
    }
)
"""Words in names of metrics of which less is better, as far as anybody can tell by a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The runs that some rules are about, with the scores that these name."""

    run: Run
    """What is to pass."""
    baseline: Run | None = None
    """What it is compared with."""
    run_missing: int = 0
    """Rows of the run that failed or are lacking, and so stand nowhere in it."""
    baseline_missing: int = 0
    """The same of the baseline."""

    def brought_together(self, rule: Rule, columns: Sequence[str]) -> Paired:
        """Pair the rows that a rule is about: of both runs, or of the one."""
        runs = (self.run, self.baseline) if rule.is_relative and self.baseline is not None else (self.run,)
        return pair(runs, (rule.metric,), columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """A rule with the scores that it is judged by."""

    rule: Rule
    slice: str
    wants: Wants
    bound: float
    scores: Floats
    """Shape (1 or 2, rows): of the run, and of the baseline where the rule asks for it; no NaN."""
    clusters: list[Any] | None  # Any: values of users
    is_share: bool
    missing: int
    confidence: float
    allows_missing: bool
    measured: tuple[Measured, ...] = ()
    """Of a metric that is no mean: what it is of the run, and of the baseline."""
    metric: Metric | None = None
    """That metric."""

    @property
    def n(self) -> int:
        return self.scores.shape[1]

    def measure(self, confidence: float) -> _Measured:
        """Compute the figure with its interval at one level."""
        if self.metric is not None and self.measured:
            return self._measure(self.metric, confidence)
        if self.rule.is_relative:
            found = compare_scores(self.scores[0], self.scores[1], confidence=confidence, clusters=self.clusters)
            return _Measured(found.delta, found.low, found.high, found.standard_error, found.interval)
        value = mean_interval(self.scores[0], confidence, self.clusters)
        return _Measured(value.value, value.low, value.high, value.standard_error, value.method)

    def _measure(self, metric: Metric, confidence: float) -> _Measured:
        """Compute the figure of a metric that is no mean."""
        groups = None if self.clusters is None else cluster_numbers(self.clusters)
        if self.rule.is_relative:
            pair = MeasuredPair(self.measured[0], self.measured[1], groups, self.scores[0] - self.scores[1])
            found = pair.difference(confidence)
            return _Measured(found.delta, found.low, found.high, found.standard_error, found.interval)
        value = find_interval(self.measured[0], metric, self.n, confidence, groups)
        return _Measured(value.value, value.low, value.high, value.standard_error, value.method)


@dataclass(frozen=True, slots=True)
class _Measured:
    found: float
    low: float
    high: float
    error: float
    method: str


def judge_rules(rules: Sequence[tuple[Rule, Evidence]], question: GateQuestion) -> tuple[RuleFinding, ...]:
    """Judge rules, each by its evidence, all of them together.

    Raises:
        NotFoundError: A metric, a column or a slice does not exist, or runs share no row.
        UsageError: A bound makes no sense for its metric.
    """
    looks = [look for rule, evidence in rules for look in _looks(rule, evidence, question)]
    return _decide(looks, question.confidence)


def _looks(rule: Rule, evidence: Evidence, question: GateQuestion) -> list[_Look]:
    columns = dict.fromkeys([*(column for column, _ in rule.where), *filter(None, (question.cluster,))])
    paired = evidence.brought_together(rule, tuple(columns))
    wants, bound = _resolved(rule, question)
    is_share = rule.metric in paired.shares
    _check_bound(rule, bound, is_share=is_share)
    outside = evidence.run_missing + (evidence.baseline_missing if rule.is_relative else 0)
    return [
        _look(rule, paired, rows, _Asked(name, wants, bound, outside), question)
        for name, rows in (_slices(rule, paired) if rule.where else [("", None)])
    ]


@dataclass(frozen=True, slots=True)
class _Asked:
    slice: str
    wants: Wants
    bound: float
    outside: int
    """Rows that stand nowhere, and may belong here."""


def _look(rule: Rule, paired: Paired, rows: Sequence[int] | None, asked: _Asked, question: GateQuestion) -> _Look:
    import numpy as np

    every = paired.scores[rule.metric]
    chosen = every if rows is None else every[:, rows]
    known: npt.NDArray[np.bool_] = np.asarray(~np.isnan(chosen).any(axis=0))
    groups = alone_where_unknown(paired.columns[question.cluster]) if question.cluster else None
    if groups is not None and rows is not None:
        groups = [groups[each] for each in rows]
    measured: tuple[Measured, ...] = ()
    metric = paired.measured.get(rule.metric)
    if metric is not None and known.any():
        places = np.flatnonzero(known).tolist()
        places = places if rows is None else [rows[each] for each in places]
        measured = tuple(metric.measure(each.take(places))[0] for each in paired.examples[rule.metric])
    return _Look(
        measured=measured,
        metric=metric,
        rule=rule,
        slice=asked.slice,
        wants=asked.wants,
        bound=asked.bound,
        scores=chosen[:, known],
        clusters=None if groups is None else [each for each, is_known in zip(groups, known, strict=True) if is_known],
        is_share=rule.metric in paired.shares and metric is None,
        missing=int((~known).sum()) + asked.outside,
        confidence=question.confidence,
        allows_missing=question.allows_missing,
    )


def _resolved(rule: Rule, question: GateQuestion) -> tuple[Wants, float]:
    """Return sign and bound; what `better` and `worse` mean depends on the metric."""
    if rule.wants not in {Wants.NOT_WORSE, Wants.BETTER}:
        return rule.wants, rule.bound
    lower = rule.metric in question.lower_is_better
    words = set(rule.metric.lower().replace("/", ".").replace("_", ".").replace("-", ".").split("."))
    if not lower and words & _LESS_IS_BETTER:
        raise UsageError(
            f"is less of {rule.metric!r} better? {rule.text!r} has to know",
            hint=f"say --lower-is-better {rule.metric}, or write the rule with >= or <=",
        )
    if rule.wants is Wants.BETTER:
        return (Wants.BELOW, -rule.bound) if lower else (Wants.ABOVE, rule.bound)
    return (Wants.AT_MOST, rule.bound) if lower else (Wants.AT_LEAST, -rule.bound)


def _check_bound(rule: Rule, bound: float, *, is_share: bool) -> None:
    """Refuse a bound that a share cannot reach: 90 is meant as 90 %, most likely."""
    lowest = -1.0 if rule.is_relative else 0.0
    if not is_share or lowest <= bound <= 1:
        return
    what = "its difference lies between -1 and 1" if rule.is_relative else "it lies between 0 and 1"
    hint = f"write {abs(bound):g} points" if rule.is_relative else f"write {bound:g}%, or {bound / 100:g}"
    raise UsageError(f"{rule.text!r} asks {bound:g} of {rule.metric}, and {what}", hint=hint)


def _slices(rule: Rule, paired: Paired) -> list[tuple[str, list[int]]]:
    """Return what a rule looks at: the name of a slice and its rows; `*` gives a slice for each value, the most frequent first."""
    found: dict[str, list[int]] = {}
    for row in range(len(paired.ids)):
        values = [(column, str(paired.columns[column][row]), wanted) for column, wanted in rule.where]
        if all(wanted in {None, value} for _, value, wanted in values):
            found.setdefault(", ".join(f"{column}={value}" for column, value, _ in values), []).append(row)
    if not found:
        column, wanted = next((each for each in rule.where if each[1] is not None), ("", ""))
        there = {str(each) for each in paired.columns[column]} if column else set[str]()
        raise NotFoundError(
            f"no row has {', '.join(f'{name}={value}' for name, value in rule.where)}, which {rule.text!r} asks for",
            hint=nearest(wanted or "", there) or "take another slice",
        )
    return sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))


# --------------------------------------------------------------------------------------------------------------- verdicts


def _decide(looks: Sequence[_Look], confidence: float) -> tuple[RuleFinding, ...]:
    """Judge all rules: those that are kept by themselves, those that are broken together."""
    findings: dict[int, RuleFinding] = {}
    left: list[int] = []
    for position, look in enumerate(looks):
        measured = look.measure(confidence)
        why = _unusable(look, measured)
        if why:
            findings[position] = _finding(look, measured, confidence, Outcome.INCONCLUSIVE, why)
        elif _is_kept(look, measured):
            unsure = "" if look.allows_missing else _missing_may_break(look, measured)
            outcome = Outcome.INCONCLUSIVE if unsure else Outcome.PASS
            findings[position] = _finding(look, measured, confidence, outcome, unsure)
        else:
            left.append(position)
    return _claim_broken(looks, left, findings, confidence)


def _claim_broken(
    looks: Sequence[_Look], left: list[int], findings: dict[int, RuleFinding], confidence: float
) -> tuple[RuleFinding, ...]:
    """Holm's procedure, step by step: of m rules that could be broken, one is at level 1 − α/m, then another at 1 − α/(m − 1), …"""
    level, m = confidence, len(looks)
    while left:
        level = 1 - (1 - confidence) / m
        broken = [position for position in left if _is_broken(looks[position], looks[position].measure(level))]
        if not broken:
            break
        for position in broken:
            findings[position] = _finding(looks[position], looks[position].measure(level), level, Outcome.FAIL, "")
        left = [position for position in left if position not in broken]
        m -= len(broken)
    for position in left:
        findings[position] = _finding(looks[position], looks[position].measure(level), level, Outcome.INCONCLUSIVE, "")
    return tuple(findings[position] for position in range(len(looks)))


_KEPT: dict[Wants, Callable[[float, float, float], bool]] = {
    Wants.AT_LEAST: lambda low, _high, bound: low >= bound,
    Wants.ABOVE: lambda low, _high, bound: low > bound,
    Wants.AT_MOST: lambda _low, high, bound: high <= bound,
    Wants.BELOW: lambda _low, high, bound: high < bound,
}
_BROKEN: dict[Wants, Callable[[float, float, float], bool]] = {
    Wants.AT_LEAST: lambda _low, high, bound: high < bound,
    Wants.ABOVE: lambda _low, high, bound: high < bound,
    Wants.AT_MOST: lambda low, _high, bound: low > bound,
    Wants.BELOW: lambda low, _high, bound: low > bound,
}


def _is_kept(look: _Look, measured: _Measured) -> bool:
    return _KEPT[look.wants](measured.low, measured.high, look.bound)


def _is_broken(look: _Look, measured: _Measured) -> bool:
    return _BROKEN[look.wants](measured.low, measured.high, look.bound)


def _unusable(look: _Look, measured: _Measured) -> str:
    """Say why these rows decide nothing; empty where they do."""
    if look.n < FEW_ROWS:
        return f"too few rows: {look.n}, and a gate needs {FEW_ROWS}"
    return measured.method if math.isnan(measured.low) else ""


def _missing_may_break(look: _Look, measured: _Measured) -> str:
    """Say that rows without a score could make a kept rule a broken one; empty where they cannot."""
    if not look.missing:
        return ""
    rows = f"{counted(look.missing, 'row')} {'has' if look.missing == 1 else 'have'} no score"
    if not look.is_share:
        return f"{rows}, and nobody knows what it would be"
    wants_more = look.wants in {Wants.AT_LEAST, Wants.ABOVE}
    worst = (-1.0 if look.rule.is_relative else 0.0) if wants_more else 1.0
    at_worst = (measured.found * look.n + worst * look.missing) / (look.n + look.missing)
    breaks = _BROKEN[look.wants](at_worst, at_worst, look.bound)
    return f"{rows}; were they as bad as can be, the rule would be broken" if breaks else ""


def _finding(look: _Look, measured: _Measured, level: float, outcome: Outcome, why: str) -> RuleFinding:
    is_open = outcome is Outcome.INCONCLUSIVE and not why
    needed = rows_needed(measured.error, look.n, measured.found - look.bound, level) if is_open else None
    means = look.scores.mean(axis=1) if look.n else [math.nan, math.nan]
    if look.measured:
        means = [each.value for each in look.measured]
    return RuleFinding(
        rule=look.rule,
        slice=look.slice,
        wants=str(look.wants),
        bound=look.bound,
        outcome=outcome,
        why=why,
        is_share=look.is_share,
        value=float(means[0]),
        baseline=float(means[1]) if look.rule.is_relative else math.nan,
        found=measured.found,
        low=measured.low,
        high=measured.high,
        confidence=level,
        method=measured.method,
        n=look.n,
        missing=look.missing,
        resolves=smallest_resolvable(measured.error, level),
        rows_needed=needed if needed is not None and needed > look.n else None,
    )


# -------------------------------------------------------------------------------------------------------------- the whole


def judge_gate(
    rules: Sequence[tuple[Rule, Evidence]], question: GateQuestion, *, paired_by: str = "", notes: Sequence[str] = ()
) -> Gate:
    """Judge a run by rules.

    Args:
        rules: Each with the runs that it is about; all of one run and one baseline.
        question: How.
        paired_by: What made rows of the two one row; empty where no rule names the baseline.
        notes: What has to be known besides.

    Raises:
        NotFoundError: A metric, a column or a slice does not exist, or the runs share no row.
        UsageError: A bound makes no sense for its metric.
    """
    findings = judge_rules(rules, question)
    first = rules[0][1]
    relative = next(((rule, evidence) for rule, evidence in rules if rule.is_relative), None)
    if relative is None:
        said = (*notes, *_rows(first, None), *_unscored(rules))
        return Gate(run=first.run, baseline=None, findings=findings, notes=said)
    rule, evidence = relative
    paired = evidence.brought_together(rule, ())
    ours, theirs = paired.scores[rule.metric]
    lower = rule.metric in question.lower_is_better or rule.wants in {Wants.AT_MOST, Wants.BELOW}
    return Gate(
        run=evidence.run,
        baseline=evidence.baseline,
        findings=findings,
        notes=(
            f"{counted(len(paired.ids), 'row')}, paired by {paired_by}",
            *notes,
            *_rows(evidence, paired),
            *_unscored(rules),
        ),
        flips=find_flips(ours, theirs, paired.ids, lower_is_better=lower),
        flip_metric=rule.metric,
    )


def _unscored(rules: Sequence[tuple[Rule, Evidence]]) -> list[str]:
    """Say which scores are NaN or infinite, once for each metric and run."""
    said = [
        each
        for rule, evidence in rules
        for run in (evidence.run, evidence.baseline if rule.is_relative else None)
        if run is not None
        for each in say_odd([run], rule.metric)
    ]
    return list(dict.fromkeys(said))


def _rows(evidence: Evidence, paired: Paired | None) -> list[str]:
    """Say which rows are not in the figures, and why."""
    said: list[str] = []
    lacking = ((evidence.run, evidence.run_missing), (evidence.baseline, evidence.baseline_missing))
    for run, count in lacking:
        if run is not None and count:
            said.append(
                f"{counted(count, 'row')} of {run.name} {'failed' if run.failed else 'is missing' if count == 1 else 'are missing'}"
            )
    if paired is None:
        return said
    if not any(count for _, count in lacking):
        said += [
            f"{counted(n, 'row')} of {name} left out: the other run lacks {'it' if n == 1 else 'them'}"
            for name, n in paired.left_out.items()
            if n
        ]
    if paired.changed:
        said.append(
            f"{counted(len(paired.changed), 'row')} left out, of which the content has changed, such as {paired.changed[0]}"
        )
    if paired.repeats > 1:
        said.append(f"up to {paired.repeats} scores of one row were averaged")
    return said
