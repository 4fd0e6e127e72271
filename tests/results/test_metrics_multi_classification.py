"""The classification report against the worked fixture and against scikit-learn."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from starwhale.results.metrics.multi_classification import classification_tables, ordered_labels

TRUE, GUESS = list("aabbcc"), list("abbbca")
PROBABILITIES = [[0.8, 0.1, 0.1], [0.3, 0.5, 0.2], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7], [0.5, 0.1, 0.4]]


def test_worked_fixture() -> None:
    report = classification_tables(TRUE, GUESS, PROBABILITIES, all_labels=["a", "b", "c"])
    summary = report["summary"]
    for average in ("macro avg", "weighted avg"):
        assert summary[average] == pytest.approx(
            {"precision": 0.7222222222222222, "recall": 2 / 3, "f1-score": 0.6555555555555556, "support": 6.0},
            abs=1e-12,
        )
    assert summary["accuracy"] == pytest.approx(2 / 3, abs=1e-12)
    assert summary["hamming_loss"] == pytest.approx(1 / 3, abs=1e-12)
    assert summary["cohen_kappa_score"] == pytest.approx(0.5, abs=1e-12)
    assert list(report["labels"]["a"].values()) == [0.5, 0.5, 0.5, 2.0, 3, 1, 1, 1, 0.875]
    assert [report["labels"][label]["auc"] for label in "abc"] == [0.875, 1.0, 1.0]
    assert report["confusion_matrix"]["binarylabel"] == [[1 / 6, 1 / 6, 0], [0, 1 / 3, 0], [1 / 6, 0, 1 / 6]]
    curve = report["roc_auc"]["a"]
    assert list(zip(curve["tpr"], curve["fpr"], curve["thresholds"], strict=True)) == [
        (0, 0, math.inf), (0.5, 0, 0.8), (0.5, 0.25, 0.5), (1, 0.25, 0.3), (1, 0.5, 0.2), (1, 1, 0.1),
    ]  # fmt: skip
    assert [len(report["roc_auc"][label]["fpr"]) for label in "bc"] == [5, 5]


def test_labels_are_ordered_by_value_and_zeros_are_kept() -> None:
    assert ordered_labels([11, 2, 10, 0]) == [0, 2, 10, 11]
    report = classification_tables([0, 1], [1, 0])
    assert report["summary"]["accuracy"] == 0.0


@pytest.mark.parametrize("normalize", ["true", "pred", "all"])
def test_equals_scikit_learn(normalize: str) -> None:
    metrics: Any = pytest.importorskip("sklearn.metrics")
    draw = random.Random(7)
    labels = list(range(12))
    true = [draw.choice(labels) for _ in range(300)]
    guess = [each if draw.random() < 0.6 else draw.choice(labels) for each in true]
    scores = [[round(draw.random(), 2) for _ in labels] for _ in true]
    report = classification_tables(true, guess, scores, normalize=normalize, all_labels=labels)
    expected = metrics.classification_report(true, guess, labels=labels, output_dict=True)
    for name in ("macro avg", "weighted avg"):
        assert report["summary"][name] == pytest.approx(expected[name])
    assert report["summary"]["accuracy"] == pytest.approx(expected["accuracy"])
    assert report["summary"]["hamming_loss"] == pytest.approx(metrics.hamming_loss(true, guess))
    assert report["summary"]["cohen_kappa_score"] == pytest.approx(metrics.cohen_kappa_score(true, guess))
    matrix = metrics.confusion_matrix(true, guess, labels=labels, normalize=normalize)
    for mine, theirs in zip(report["confusion_matrix"]["binarylabel"], matrix.tolist(), strict=True):
        assert mine == pytest.approx(theirs)
    for label in labels:
        fpr, tpr, thresholds = metrics.roc_curve([each == label for each in true], [row[label] for row in scores])
        curve = report["roc_auc"][str(label)]
        assert curve["fpr"] == pytest.approx(fpr.tolist())
        assert curve["tpr"] == pytest.approx(tpr.tolist())
        assert curve["thresholds"] == pytest.approx(thresholds.tolist())
        assert curve["auc"] == pytest.approx(metrics.auc(fpr, tpr))
