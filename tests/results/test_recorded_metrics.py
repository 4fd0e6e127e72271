"""Every figure that was recorded beside real data sets, through our own metrics and comparison, to the printed digits."""

from __future__ import annotations

import csv
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starwhale.results.compare.differences import Difference, compare_scores
from starwhale.results.compare.intervals import wilson
from starwhale.results.compare.ranks import resample_means
from starwhale.results.estimate import make_figures
from starwhale.results.figure import Figure
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.multi_classification import confusion_matrix
from starwhale.results.metrics.registry import find_metric

pytestmark = pytest.mark.needs_recorded_data
Expected = dict[str, Any]


def place(name: str) -> Path:
    return Path(os.environ["STARWHALE_TEST_DATA"]) / name


def expected_of(name: str) -> Expected:
    return json.loads((place(name) / "expected.json").read_text())


def figure(metric: str, **columns: Any) -> Figure:
    return make_figures(find_metric(metric), Examples(**columns))[0]


def check_pair(found: Difference, pair: Expected, *, both: int) -> None:
    """A is the candidate: it has more where only it is right."""
    assert (found.wins, found.losses, found.n, both) == (pair["only_a"], pair["only_b"], pair["n"], pair["both"])
    assert round(found.delta, 6) == pair["diff"]
    half = 1.959963984540054 * found.standard_error
    wald = [round(found.delta - half, 6), round(found.delta + half, 6)]
    assert wald == pytest.approx(pair["diff_ci95_wald"], abs=2e-6)
    assert found.p == pytest.approx(pair["mcnemar_exact_p"], rel=1e-9)


def test_gsm8k() -> None:
    expected = expected_of("gsm8k_replay")
    lines = (place("gsm8k_replay") / "example_model_solutions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    truth = [each["ground_truth"] for each in rows]
    right: dict[str, np.ndarray[Any, Any]] = {}
    for model, recorded in expected["accuracy"].items():
        said = [each[model]["solution"] for each in rows]
        found = figure("number_match", labels=truth, predictions=said)
        scores = find_metric("number_match").measure(Examples(labels=truth, predictions=said))[0].scores
        assert scores is not None
        right[model] = scores
        assert scores.tolist() == [float(each[model]["is_correct"]) for each in rows]
        assert found.value == recorded["accuracy"]
        assert [round(found.low, 6), round(found.high, 6)] == recorded["wilson95"]
        assert sum("\nA:" not in f"\n{each}" for each in said) == expected["no_answer_line"][model]
        drawn = resample_means(scores[None, :])
        assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx(
            expected["bootstrap95_seed0_10000"][model], abs=0.0012
        )
    together = np.stack(list(right.values())).sum(axis=0)
    found = [int((together == 4).sum()), int((together == 0).sum()), int((together > 0).sum())]
    assert found == [expected[each] for each in ("all_four_correct", "all_four_wrong", "oracle_any")]
    steps = np.array([each.count("<<") for each in truth])
    for count, recorded in expected["by_steps"].items():
        rows_of_it = np.minimum(steps, 8) == int(count)
        counted = {"n": int(rows_of_it.sum()), **{model: int(each[rows_of_it].sum()) for model, each in right.items()}}
        assert counted == recorded
    for a, b in itertools.combinations(expected["accuracy"], 2):
        both = int((right[a] * right[b]).sum())
        check_pair(compare_scores(right[a], right[b]), expected["pairs"][f"{a} vs {b}"], both=both)


def test_optdigits() -> None:
    expected = expected_of("optdigits_knn")
    with (place("optdigits_knn") / "predictions_knn.csv").open() as lines:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    labels = [each["label"] for each in rows]
    for k, recorded in expected["k"].items():
        said = [each[f"knn{k}"] for each in rows]
        found = figure("accuracy", labels=labels, predictions=said)
        assert found.value * 100 == pytest.approx(recorded["accuracy_pct"], rel=1e-14)
        share = wilson(recorded["correct"], found.n)
        assert [round(share.low, 6), round(share.high, 6)] == recorded["wilson95"]
        assert figure("f1_macro", labels=labels, predictions=said).value == pytest.approx(
            recorded["macro_f1"], rel=1e-14
        )
    matrix = confusion_matrix(labels, [each["knn1"] for each in rows], list(range(10)))
    assert matrix == expected["confusion_k1"]
    for name, pair in expected["pairs"].items():
        a, b = ([float(each[f"knn{which[1:]}"] == each["label"]) for each in rows] for which in name.split(" vs "))
        check_pair(compare_scores(a, b), pair, both=int(np.dot(a, b)))


def test_mnist() -> None:
    expected = expected_of("mnist_t10k_replay")
    folder = place("mnist_t10k_replay")
    labels = np.load(folder / "mnist_test_set_original_labels.npy").astype(int).tolist()
    said = np.load(folder / "mnist_test_set_pyx_argmax_predicted_labels.npy").astype(int).tolist()
    scores = np.load(folder / "mnist_test_set_pyx.npy").tolist()
    accuracy = figure("accuracy", labels=labels, predictions=said)
    assert (accuracy.value, accuracy.method) == (expected["accuracy"], "Wilson 95%")
    assert [round(accuracy.low, 6), round(accuracy.high, 6)] == expected["wilson95"]
    names = {
        "f1_macro": "macro_f1", "f1_weighted": "weighted_f1", "precision_macro": "macro_precision", "recall_macro": "macro_recall",
        "kappa": "cohen_kappa", "mcc": "mcc",
    }  # fmt: skip
    for metric, name in names.items():
        assert figure(metric, labels=labels, predictions=said).value == pytest.approx(expected[name], rel=1e-13)
    of_scores = {
        "log_loss": "log_loss_sklearn", "brier": "brier_sum_over_classes", "ece": "ece15", "ece10": "ece10", "auroc": "auc_ovr_macro",
        "top2_accuracy": "top2", "top3_accuracy": "top3",
    }  # fmt: skip
    for metric, name in of_scores.items():
        assert figure(metric, labels=labels, scores=scores).value == pytest.approx(expected[name], rel=1e-12)
    for metric, name in (("recall_per_class", "per_class_recall"), ("precision_per_class", "per_class_precision")):
        found = make_figures(find_metric(metric), Examples(labels=labels, predictions=said))
        assert [each.value for each in found] == pytest.approx(expected[name], rel=1e-14)
    assert confusion_matrix(labels, said, list(range(10))) == expected["confusion"]
    assert [labels.count(each) for each in range(10)] == expected["class_counts"]
