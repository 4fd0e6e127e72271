"""Curves: against scikit-learn on random scores with ties, before they are thinned to what a drawing shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from starwhale.results.curve import Curve, CurveKind, thinned
from starwhale.results.figure import FiguresFound
from starwhale.results.measure_curves import measure_curves, precision_points, roc_points
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.registry import find_metric

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=60).filter(
    lambda rows: len({each[0] for each in rows}) == 2
)


@settings(deadline=None, max_examples=60)
@given(SCORED)
def test_points_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([each[0] for each in rows]), np.array([each[1] / 12 for each in rows])
    x, y = roc_points(truth, scores)
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(x, fpr)
    np.testing.assert_allclose(y, tpr)
    recall_of, precision_of = precision_points(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    known = list(zip(recall.round(9).tolist(), precision.round(9).tolist(), strict=True))[:-1]
    ours = list(zip(np.round(recall_of, 9).tolist(), np.round(precision_of, 9).tolist(), strict=True))[1:]
    assert sorted(ours) == sorted(known)


def test_the_area_under_a_thinned_curve_is_nearly_the_metric() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(5000) < 0.4
    scores = truth * 0.8 + rng.normal(size=5000)
    x, y = thinned(*roc_points(truth, scores))
    assert len(x) < 250
    whole = auc(*roc_curve(truth, scores)[:2])
    assert auc(x, y) == pytest.approx(whole, abs=2e-3)


def test_reliability_has_what_each_bin_is() -> None:
    sure = [0.1] * 10 + [0.9] * 20
    labels = [1] * 2 + [0] * 8 + [1] * 17 + [0] * 3
    (found,) = measure_curves(find_metric("ece"), Examples(labels=labels, scores=sure, positive=1))
    assert found.kind is CurveKind.RELIABILITY
    assert (found.x, found.y, found.n) == ((0.1, 0.9), (0.2, 0.85), (10, 20))
    assert all(low < share < high for low, share, high in zip(found.low, found.y, found.high, strict=True))
    assert measure_curves(find_metric("accuracy"), Examples(labels=labels, predictions=labels)) == []


def test_a_curve_of_each_label_and_what_is_kept_is_equal() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300).tolist()
    scores = rng.dirichlet([1, 1, 1], 300).tolist()
    found = measure_curves(find_metric("auroc"), Examples(labels=labels, scores=scores))
    assert [each.label for each in found] == ["0", "1", "2"]
    kept = FiguresFound(curves=tuple(found))
    assert FiguresFound.from_json(kept.to_json()) == kept


@pytest.mark.parametrize("broken", [{"kind": "circle"}, {"y": [0.0]}, {"x": "0"}])
def test_what_is_no_curve_is_refused(broken: dict[str, object]) -> None:
    whole = Curve(metric="auroc", kind=CurveKind.ROC, x=(0.0, 1.0), y=(0.0, 1.0)).to_json()
    with pytest.raises(TypeError):
        Curve.from_json({**whole, **broken})


def test_scores_by_label_name_their_labels_also_those_that_no_row_has() -> None:
    """A mapping with a label that is never true used to be taken for probabilities that do not add up."""
    scores = [{"cat": 0.5, "dog": 0.2, "bird": 0.3}, {"cat": 0.1, "dog": 0.6, "bird": 0.3}]
    examples = Examples(labels=["cat", "dog"], scores=scores)
    (measured,) = find_metric("log_loss").measure(examples)
    assert measured.value == pytest.approx(-(np.log(0.5) + np.log(0.6)) / 2)
    (measured,) = find_metric("brier").measure(examples)
    assert measured.value == pytest.approx((0.25 + 0.04 + 0.09 + 0.01 + 0.16 + 0.09) / 2)
