"""Comparisons by metrics that are no means: paired bootstrap, DeLong, the delta method, and what cannot be compared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.findings import Comparison, Question
from starwhale.results.compare.measured import MeasuredPair, bootstrap_ends
from starwhale.results.compare.runs import RowMeasure, Run
from starwhale.results.compare.telling import notes
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.label_counts import count_labels, right_rows
from starwhale.results.metrics.metric import Field
from starwhale.results.metrics.registry import find_metric

sk = pytest.importorskip("sklearn.metrics")
N = 400


def run(name: str, metric: str, **columns: Any) -> Run:
    found = find_metric(metric)
    examples = Examples(**columns)
    scores = [0.0] * len(examples)
    if Field.PREDICTION in found.needs and metric != "rmse":
        scores = right_rows(count_labels(examples)).tolist()
    return Run(
        id=name,
        name=name,
        ids=list(range(len(examples))),
        metrics={metric: scores},
        measures={metric: RowMeasure(metric=found, examples=examples)},
        columns={
            "half": [each % 2 for each in range(len(examples))],
            "group": [each // 4 for each in range(len(examples))],
        },
    )


def labels(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 3, N)


def said(true: Any, share: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(N) < share, true, rng.integers(0, 3, N))


def compare(metric: str, *runs: Run, **options: Any) -> Comparison:
    return compare_runs(runs[0], runs[1:], Question(metrics=(metric,), **options))


def test_f1_is_compared_by_resamples_that_both_share() -> None:
    true = labels()
    predictions = [said(true, share, seed) for seed, share in ((1, 0.6), (2, 0.75))]
    found = compare(
        "f1_macro",
        *(run(f"r{k}", "f1_macro", labels=true.tolist(), predictions=p.tolist()) for k, p in enumerate(predictions)),
    )
    delta = found.main.deltas["r1"]
    values = [sk.f1_score(true, p, average="macro") for p in predictions]
    assert [each.value for each in found.main.values.values()] == pytest.approx(values)
    assert delta.difference.test == "paired bootstrap"
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, N, N)
        a, b = (sk.f1_score(true[rows], p[rows], average="macro") for p in predictions)
        drawn.append(b - a)
    assert [delta.low, delta.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
    assert delta.difference.standard_error == pytest.approx(float(np.std(drawn)), rel=0.15)
    assert found.sentence.startswith("r1 is better than r0 by")
    right = [p == true for p in predictions]
    assert (delta.difference.wins, delta.difference.losses) == (
        int((right[1] & ~right[0]).sum()),
        int((right[0] & ~right[1]).sum()),
    )


def test_auroc_is_compared_by_delong() -> None:
    """The paired error is that of placements, by the definition."""
    rng = np.random.default_rng(3)
    y = rng.random(N) < 0.4
    scores = [np.round(rng.normal(size=N) + each * y, 1) for each in (1.0, 1.4)]
    placed = []
    for s in scores:
        kernel = (s[y][:, None] > s[~y]) + 0.5 * (s[y][:, None] == s[~y])
        placed.append((kernel.mean(1), kernel.mean(0)))
    variance = sum(
        float((placed[1][side] - placed[0][side]).var(ddof=1)) / count
        for side, count in ((0, y.sum()), (1, (~y).sum()))
    )
    found = compare(
        "auroc", *(run(f"r{k}", "auroc", labels=y.tolist(), scores=s.tolist()) for k, s in enumerate(scores))
    )
    difference = found.main.deltas["r1"].difference
    assert difference.test == "DeLong's paired test"
    assert difference.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert difference.delta == pytest.approx(sk.roc_auc_score(y, scores[1]) - sk.roc_auc_score(y, scores[0]))
    assert "gained" not in found.sentence


def test_clusters_slices_and_ranks_of_metrics() -> None:
    true = labels()
    runs = [
        run(f"r{k}", "kappa", labels=true.tolist(), predictions=said(true, share, k).tolist())
        for k, share in enumerate((0.5, 0.8, 0.52))
    ]
    found = compare("kappa", *runs, by=("half",), cluster="group")
    assert found.main.deltas["r1"].difference.test == "paired delta method over clusters"
    assert found.main.ranks["r1"] == (1, 1)
    assert [each.slice for each in found.metrics] == ["", "half=0", "half=1"]
    rows = list(range(0, N, 2))
    sliced = sk.cohen_kappa_score(true[rows], np.array(runs[1].measures["kappa"].examples.predictions)[rows])
    assert found.metrics[1].values["r1"].value == pytest.approx(sliced)


def test_interval_and_p_agree_at_every_level() -> None:
    rng = np.random.default_rng(1)
    for shift in np.linspace(-3, 3, 61):
        drawn = np.sort(rng.normal(size=999) + shift)
        for confidence in (0.8, 0.95, 0.99, 0.9999):
            p, low, high = bootstrap_ends(drawn, confidence)
            assert (p < 1 - confidence) == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("metric", "count", "changed", "said_of_it"),
    [
        ("f1_macro", 90, 20, "too few rows for a test: 90"),
        ("f1_macro", 300, 4, "too few rows changed for a test: 4"),
        ("f1_macro", 300, 0, "every row is the same"),
    ],
)
def test_few_rows_and_few_changes_decide_nothing(metric: str, count: int, changed: int, said_of_it: str) -> None:
    true = [each % 3 for each in range(count)]
    other = [(each + 1) % 3 if place < changed else each for place, each in enumerate(true)]
    a, b = (find_metric(metric).measure(Examples(labels=true, predictions=each))[0] for each in (true, other))
    found = MeasuredPair(b, a, None, np.zeros(count)).difference(0.95)
    assert found.interval.startswith(said_of_it)
    assert math.isnan(found.p) or found.p == 1.0


def test_biased_figures_are_not_tested() -> None:
    y = [each % 2 for each in range(200)]
    found = compare("ece", *(run(f"r{k}", "ece", labels=y, scores=[0.5 + k / 10] * 200) for k in range(2)))
    assert found.main.deltas["r1"].verdict.text == "cannot tell"
    assert found.main.deltas["r1"].difference.interval == "it is biased upwards"


def test_labels_that_one_run_alone_gives_are_named() -> None:
    true = [each % 2 for each in range(200)]
    odd = [7 if each % 20 == 0 else each % 2 for each in range(200)]
    even = [each % 2 if each % 3 else 1 for each in range(200)]
    found = compare(
        "f1_macro", *(run(name, "f1_macro", labels=true, predictions=p) for name, p in (("a", even), ("b", odd)))
    )
    assert "b alone says '7', which is the label of no row" in notes(found)


def test_rows_of_no_known_cluster_are_alone_and_slices_are_bounded() -> None:
    rng = np.random.default_rng(2)
    runs = [
        Run(
            id=name,
            name=name,
            ids=list(range(300)),
            metrics={"m": rng.random(300).tolist()},
            columns={"group": [None] * 150 + [each // 3 for each in range(150)], "each": list(range(300))},
        )
        for name in ("a", "b")
    ]
    found = compare("m", *runs, cluster="group", by=("each",))
    assert found.main.values["a"].clusters == 200
    assert len(found.metrics) == 101
    assert "each has 300 values: the 100 most frequent are compared" in notes(found)
