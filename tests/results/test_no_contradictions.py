"""Interval, p, verdict and gate never contradict each other: simulated pairs of every kind that a comparison may meet."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.differences import compare_scores
from starwhale.results.compare.findings import Question
from starwhale.results.compare.runs import Run
from starwhale.results.compare.verdict import Outcome, judge
from starwhale.results.gate.findings import GateQuestion
from starwhale.results.gate.judge import Evidence, judge_gate
from starwhale.results.gate.rules import parse_rule

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

SMALL, LARGE = 3_000, 100_000
BETTER, AT_LEAST = parse_rule("m > baseline"), parse_rule("m >= baseline - 0.03")


def draw_pair(rng: np.random.Generator) -> tuple[Floats, Floats, Floats | None]:
    """Draw scores of two systems, and now and then clusters: 5 to 400 rows, right or wrong more often than graded."""
    n = int(rng.integers(5, 400))
    clusters = np.sort(rng.integers(0, max(n // 3, 2), n)).astype(float) if rng.random() < 0.2 else None
    if rng.random() < 0.25:
        hard = rng.normal(size=n)
        return hard + rng.normal(rng.normal(0, 0.2), 1, n), hard + rng.normal(0, 1, n), clusters
    first, apart = rng.beta(1, 1), rng.beta(1, 8)
    base = rng.random(n) < first
    flips = rng.random(n) < apart
    ours = np.where(flips, rng.random(n) < rng.beta(1, 1), base)
    return ours.astype(float), base.astype(float), clusters


def contradictions(pairs: int, seed: int) -> Counter[str]:
    """Count what contradicts what, over so many pairs."""
    rng = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    for number in range(pairs):
        ours, base, clusters = draw_pair(rng)
        level = float(rng.choice([0.95, 0.95, 0.9, 0.99]))
        difference = compare_scores(ours, base, confidence=level, clusters=clusters)
        verdict = judge(difference, margin=0.05, confidence=level)
        outside = difference.low > 0 or difference.high < 0
        found["pairs"] += 1
        if math.isnan(difference.low):
            found["withheld"] += 1
            found["verdict without an interval"] += verdict.outcome is not Outcome.UNDECIDED
            continue
        found["p against interval"] += (difference.p < 1 - level) != outside
        found["delta outside its interval"] += not difference.low <= difference.delta <= difference.high
        is_side = {
            Outcome.BETTER: difference.low > 0,
            Outcome.WORSE: difference.high < 0,
            Outcome.EQUIVALENT: difference.low > -0.05 and difference.high < 0.05 and not outside,
            Outcome.UNDECIDED: not outside,
        }
        found["verdict against interval"] += not is_side[verdict.outcome]
        if number % 10 == 0:
            found.update(_whole(ours, base, clusters))
    return found


def _whole(ours: Floats, base: Floats, clusters: Floats | None) -> Counter[str]:
    """Compare as the command does, three metrics at once and thus corrected; and beside it a gate."""
    ids = list(range(len(ours)))
    columns = {} if clusters is None else {"page": clusters.tolist()}
    metrics = ("m", "half", "back")
    scores = [{"m": each.tolist(), "half": (each * 0.5).tolist(), "back": (1 - each).tolist()} for each in (ours, base)]
    run, baseline = (
        Run(id=name, name=name, ids=ids, metrics=each, columns=columns)
        for name, each in zip(("new", "old"), scores, strict=True)
    )
    cluster = "" if clusters is None else "page"
    compared = compare_runs(baseline, [run], Question(metrics=metrics, cluster=cluster))
    found: Counter[str] = Counter(compared=1)
    for metric in compared.metrics:
        delta = metric.deltas["new"]
        outside = delta.low > 0 or delta.high < 0
        is_decided = delta.verdict.outcome in {Outcome.BETTER, Outcome.WORSE}
        found["corrected interval against corrected p"] += (delta.p_corrected < 0.05) != outside
        found["corrected verdict against interval"] += is_decided != outside
    evidence = Evidence(run=run, baseline=baseline)
    gate = judge_gate([(BETTER, evidence), (AT_LEAST, evidence)], GateQuestion(cluster=cluster), paired_by="id")
    alone = compare_scores(ours, base, clusters=clusters)
    is_better = len(ours) >= 10 and alone.p < 0.05 and alone.delta > 0
    found["gate against verdict"] += (gate.findings[0].outcome == "pass") != is_better
    for each in gate.findings:
        if not each.why:
            is_kept = each.low > each.bound if each.wants == ">" else each.low >= each.bound
            side = "pass" if is_kept else "fail" if each.high < each.bound else "inconclusive"
            found["gate against its interval"] += each.outcome != side
    return found


def _none_of(found: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in found.items() if count and name not in {"pairs", "withheld", "compared"}}


@pytest.mark.needs_time
def test_nothing_contradicts_anything_in_simulated_pairs() -> None:
    found = contradictions(SMALL, seed=1)
    assert _none_of(found) == {}
    assert found["withheld"] < SMALL / 10
    assert found["compared"] > SMALL / 20


@pytest.mark.soak
def test_nothing_contradicts_anything_in_a_hundred_thousand_pairs() -> None:
    found = contradictions(LARGE, seed=2)
    assert _none_of(found) == {}
    assert found["pairs"] == LARGE
