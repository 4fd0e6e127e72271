"""Metrics against scikit-learn and SciPy on random data, ties and missing classes among it, and what does not count."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starwhale.errors import NotFoundError, UsageError
from starwhale.results.estimate import Setting, make_figures
from starwhale.results.figure import Figure, FiguresFound
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.metric import Measured
from starwhale.results.metrics.registry import BUILTIN, find_metric, metric_names

sk = pytest.importorskip("sklearn.metrics")
LABELS = st.integers(0, 3)
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60)
SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60)
NUMBERS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=40)
SEVERAL = st.lists(st.tuples(st.sets(LABELS, max_size=3), st.sets(LABELS, max_size=3)), min_size=1, max_size=40)


def measure(name: str, **columns: Any) -> Measured:
    return find_metric(name).measure(Examples(**columns))[0]


def same(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, abs=1e-12, nan_ok=True)


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_labels_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    y, p = [a for a, _ in pairs], [b for _, b in pairs]
    for average in ("micro", "macro", "weighted"):
        for name, theirs in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
            found = measure(f"{name}_{average}", labels=y, predictions=p)
            same(found.value, quietly(theirs, y, p, average=average, zero_division=0))
        same(
            measure(f"f0.5_{average}", labels=y, predictions=p).value,
            quietly(sk.fbeta_score, y, p, beta=0.5, average=average, zero_division=0),
        )
    same(measure("accuracy", labels=y, predictions=p).value, sk.accuracy_score(y, p))
    same(measure("hamming_loss", labels=y, predictions=p).value, sk.hamming_loss(y, p))
    same(measure("mcc", labels=y, predictions=p).value, quietly(sk.matthews_corrcoef, y, p))
    if len({*y, *p}) > 1:
        same(measure("kappa", labels=y, predictions=p).value, quietly(sk.cohen_kappa_score, y, p))
    per_label = find_metric("recall_per_class").measure(Examples(labels=y, predictions=p))
    theirs = quietly(sk.recall_score, y, p, average=None, zero_division=0)
    assert [each.value for each in per_label] == pytest.approx(list(theirs))


@settings(max_examples=30, deadline=None)
@given(SEVERAL)
def test_lists_of_labels_agree_with_scikit_learn(pairs: list[tuple[set[int], set[int]]]) -> None:
    y, p = [sorted(a) for a, _ in pairs], [sorted(b) for _, b in pairs]
    order = sorted({each for column in (y, p) for row in column for each in row})
    if not order:
        return
    ours, theirs = ([[each in row for each in order] for row in column] for column in (y, p))
    for average in ("micro", "macro", "weighted"):
        same(
            measure(f"f1_{average}", labels=y, predictions=p).value,
            quietly(sk.f1_score, np.array(ours, int), np.array(theirs, int), average=average, zero_division=0)
            if len(order) > 1
            else measure(f"f1_{average}", labels=y, predictions=p).value,
        )
    same(
        measure("accuracy", labels=y, predictions=p).value, float(np.mean([a == b for a, b in zip(y, p, strict=True)]))
    )
    same(measure("hamming_loss", labels=y, predictions=p).value, float((np.array(ours) != np.array(theirs)).mean()))


@settings(max_examples=30, deadline=None)
@given(SCORED)
def test_orders_with_ties_agree_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    y, s = [a for a, _ in pairs], [b / 9 for _, b in pairs]
    if len(set(y)) < 2:
        assert math.isnan(measure("auroc", labels=y, scores=s).value)
        return
    same(measure("auroc", labels=y, scores=s).value, sk.roc_auc_score(y, s))
    same(measure("average_precision", labels=y, scores=s).value, sk.average_precision_score(y, s))
    same(measure("brier", labels=y, scores=s).value, sk.brier_score_loss(y, s))
    same(measure("log_loss", labels=y, scores=s).value, sk.log_loss(y, s))


@settings(max_examples=30, deadline=None)
@given(NUMBERS)
def test_numbers_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    y, p = [float(a) for a, _ in pairs], [b / 3 for _, b in pairs]
    same(measure("mae", labels=y, predictions=p).value, sk.mean_absolute_error(y, p))
    same(measure("mse", labels=y, predictions=p).value, sk.mean_squared_error(y, p))
    same(measure("rmse", labels=y, predictions=p).value, sk.root_mean_squared_error(y, p))
    if len(set(y)) > 1:
        same(measure("r2", labels=y, predictions=p).value, sk.r2_score(y, p))
    if all(y):
        same(measure("mape", labels=y, predictions=p).value, sk.mean_absolute_percentage_error(y, p))


def test_probabilities_of_several_labels_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 200)
    scores = rng.dirichlet([1, 1, 1, 1], 200)
    found = {
        name: measure(name, labels=y.tolist(), scores=scores.tolist())
        for name in ("auroc", "log_loss", "brier", "top2_accuracy")
    }
    same(found["auroc"].value, sk.roc_auc_score(y, scores, multi_class="ovr"))
    same(found["log_loss"].value, sk.log_loss(y, scores))
    same(found["brier"].value, sk.brier_score_loss(y, scores, scale_by_half=False))
    same(found["top2_accuracy"].value, sk.top_k_accuracy_score(y, scores, k=2))


INFLUENCES: dict[str, Callable[..., float]] = {
    **{
        f"{name}_{average}": lambda y, p, w, f=f, average=average: f(y, p, average=average, sample_weight=w)
        for average in ("micro", "macro", "weighted")
        for name, f in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score))
    },
    "kappa": lambda y, p, w: sk.cohen_kappa_score(y, p, sample_weight=w),
    "mcc": lambda y, p, w: sk.matthews_corrcoef(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y > 0, p, sample_weight=w),
}


@pytest.mark.parametrize("name", INFLUENCES)
def test_an_example_adds_what_more_weight_on_it_adds(name: str) -> None:
    """The derivative of scikit-learn's weighted value, by differences: standard errors rest on it."""
    rng, n = np.random.default_rng(4), 60
    y = rng.integers(0, 3, n)
    p = np.where(rng.random(n) < 0.6, y, rng.integers(0, 3, n))
    columns: dict[str, Any] = {"labels": y.tolist(), "predictions": p.tolist()}
    if name == "average_precision":
        columns = {"labels": (y > 0).tolist(), "scores": p.tolist()}
    slopes = np.empty(n)
    for position in range(n):
        step = np.zeros(n)
        step[position] = 1e-5
        above, below = (INFLUENCES[name](y, p, 1 + sign * step) for sign in (1, -1))
        slopes[position] = (above - below) / 2e-5 * n
    assert measure(name, **columns).influence == pytest.approx(slopes, abs=1e-6)


def test_delongs_error_is_delongs() -> None:
    """Against the definition: variances of placements among positives and among negatives."""
    rng = np.random.default_rng(7)
    y = rng.random(120) < 0.4
    s = np.round(rng.normal(size=120) + y, 1)
    kernel = (s[y][:, None] > s[~y]) + 0.5 * (s[y][:, None] == s[~y])
    variance = kernel.mean(1).var(ddof=1) / y.sum() + kernel.mean(0).var(ddof=1) / (~y).sum()
    found = make_figures(find_metric("auroc"), Examples(labels=y.tolist(), scores=s.tolist()))[0]
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert found.method == "DeLong on log odds 95%"
    assert 0 < found.low < found.value < found.high < 1


def test_errors_agree_with_the_bootstrap() -> None:
    """The spread of 2,000 resamples, drawn row by row, is the standard error."""
    rng, n = np.random.default_rng(9), 400
    y = rng.integers(0, 3, n)
    p = np.where(rng.random(n) < 0.7, y, rng.integers(0, 3, n))
    found = make_figures(find_metric("f1_macro"), Examples(labels=y.tolist(), predictions=p.tolist()))[0]
    drawn = [sk.f1_score(y[rows], p[rows], average="macro") for rows in rng.integers(0, n, (400, n))]
    assert found.standard_error == pytest.approx(float(np.std(drawn)), rel=0.15)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)


def figure(name: str, **columns: Any) -> Figure:
    return make_figures(find_metric(name), Examples(**columns))[0]


def test_what_does_not_count_is_counted() -> None:
    nan, infinite = math.nan, math.inf
    found = figure("accuracy", labels=[1, 1, 1, 1, None], predictions=[1, nan, None, infinite, 1])
    assert (found.n, found.missing, found.not_finite, found.value) == (1, 2, 2, 1.0)
    assert found.bounds == (0.2, 1.0)
    numbers = figure("mae", labels=[1.0, 2.0], predictions=[1.0, nan])
    assert (numbers.n, numbers.not_finite, numbers.bounds) == (1, 1, None)


@pytest.mark.parametrize("name", [each for each in metric_names() if not each.endswith("_binary")])
def test_no_row_one_row_and_one_label_end_well(name: str) -> None:
    needs = find_metric(name).needs
    for count in (0, 1, 3):
        columns: dict[str, Any] = {"labels": [1] * count}
        columns["scores" if "scores" in needs else "predictions"] = [1.0 if "scores" in needs else 1] * count
        if name.startswith("top"):
            columns["scores"] = [[0.0, 1.0]] * count
            columns["classes"] = (0, 1)
        for found in make_figures(find_metric(name), Examples(**columns)):
            assert found.n == count
            assert found.to_json() == Figure.from_json(found.to_json()).to_json()
            assert found.has_interval == (not math.isnan(found.high))
            assert found.method


def test_small_sets_get_no_interval_that_would_not_hold() -> None:
    y = [0, 1] * 20
    assert figure("f1_macro", labels=y, predictions=y[::-1]).method == "too few rows for an interval: 40 of at least 50"
    y = [0, 1] * 100
    assert figure("f1_macro", labels=y, predictions=[1, *y[1:]]).method == "too few rows are wrong for an interval: 1"
    rare = [1] * 10 + [0] * 90
    scores = [each / 100 for each in range(100)]
    assert (
        figure("auroc", labels=rare, scores=scores).method
        == "too few rows of one kind for an interval: 10 of at least 30"
    )


def test_shares_among_some_rows_have_the_interval_of_a_share() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(900) < 0.5).tolist()
    p = [bool(a ^ (each < 0.2)) for a, each in zip(y, rng.random(900), strict=True)]
    found = figure("precision", labels=y, predictions=p)
    assert found.name == "precision[True]"
    assert found.method == f"Wilson 95% of {sum(p)} rows"
    f1 = figure("f1", labels=y, predictions=p)
    assert f1.value == pytest.approx(sk.f1_score(y, p))
    assert f1.low < f1.value < f1.high


def test_alike_rows_widen_every_interval() -> None:
    rng = np.random.default_rng(3)
    clusters = [each for each in range(50) for _ in range(6)]
    y = rng.integers(0, 3, 50).repeat(6).tolist()
    right = (rng.random(50) < 0.7).repeat(6)
    p = [a if ok else (a + 1) % 3 for a, ok in zip(y, right, strict=True)]
    examples = Examples(labels=y, predictions=p)
    for name in ("accuracy", "f1_macro", "kappa", "recall_per_class"):
        alone = make_figures(find_metric(name), examples)[0]
        together = make_figures(find_metric(name), examples, Setting(clusters=clusters))[0]
        assert together.clusters == 50
        assert together.design_effect > 4
        assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_repeats_of_a_row_are_no_rows_of_their_own() -> None:
    ids = [each for each in range(60) for _ in range(3)]
    y = [each % 2 for each in ids]
    p = [a if each % 3 else 1 - a for a, each in zip(y, ids, strict=True)]
    found = make_figures(find_metric("accuracy"), Examples(labels=y, predictions=p), Setting(ids=ids))[0]
    assert (found.repeats, found.clusters, found.design_effect) == (3, None, pytest.approx(3, rel=0.05))


def test_answers_in_text() -> None:
    same(
        figure("number_match", labels=["1000", "#### 5", 7], predictions=["1,000.00", "so\nA: $5.", "seven"]).value,
        2 / 3,
    )
    same(figure("exact_match", labels=[["a", "b"], "c"], predictions=["b ", "C"]).value, 0.5)
    same(figure("normalized_match", labels=["The Cat"], predictions=["cat!"]).value, 1.0)
    same(figure("token_f1", labels=[["a cat sat down", "no"]], predictions=["the cat sat"]).value, 0.8)


def test_calibration_says_its_bias() -> None:
    """A perfectly calibrated model: ECE is not 0, and the remark says about how much it would be; the debiased one is near 0."""
    rng = np.random.default_rng(6)
    s = rng.random(3000)
    y = (rng.random(3000) < s).tolist()
    found = figure("ece", labels=y, scores=s.tolist())
    expected = float(found.remarks[0].split("about ")[1].split()[0])
    assert 0.5 * expected < found.value < 2 * expected
    assert not found.has_interval
    assert figure("calibration_error", labels=y, scores=s.tolist()).value < found.value


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("accuracy", {"labels": ["1"], "predictions": [1]}, "none can be right"),
        ("accuracy", {"labels": [["a"], "b"], "predictions": ["a", "b"]}, "some labels are lists"),
        ("f1_binary", {"labels": ["x", "y"], "predictions": ["x", "y"]}, "nobody said which label is the positive one"),
        ("mae", {"labels": ["x"], "predictions": [1]}, "is no number"),
        ("brier", {"labels": [1], "scores": [1.5]}, "is no probability"),
        ("log_loss", {"labels": ["a", "b"], "scores": [[0.9, 0.9], [0.5, 0.5]]}, "add up to 1.8"),
        ("auroc", {"labels": ["a", "b"], "scores": [[0.1, 0.2, 0.7]] * 2}, "3 scores per row and 2 labels"),
        ("kappa", {"labels": [["a"]], "predictions": [["a"]]}, "one label per example"),
    ],
)
def test_what_cannot_be_measured_is_said(name: str, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_figures(find_metric(name), Examples(**columns))


def test_metrics_are_found_by_name() -> None:
    with pytest.raises(NotFoundError, match="no metric 'acuracy'") as caught:
        find_metric("acuracy")
    assert "accuracy" in caught.value.hint
    assert all(find_metric(name).name == name for name in metric_names())
    assert all(each.meaning for each in BUILTIN.values())


def test_figures_are_stored_and_read_whole() -> None:
    found = make_figures(
        find_metric("recall_per_class"), Examples(labels=["a", "b", "b"], predictions=["a", "b", None])
    )
    assert [each.key for each in found] == ["recall_per_class[a]", "recall_per_class[b]"]
    assert FiguresFound.from_json(FiguresFound(figures=tuple(found)).to_json()).figures == tuple(found)


def test_errors_of_0_and_1_are_no_shares() -> None:
    found = figure("mae", labels=[1.0, 2.0, 3.0, 4.0], predictions=[1.0, 3.0, 3.0, 5.0])
    assert found.method == "Student's t 95%"
    assert figure("accuracy", labels=[1, 2], predictions=[1, 2]).method == "exact (Clopper–Pearson) 95%"


@pytest.mark.parametrize("metric", ["kappa", "mcc"])
def test_agreement_with_labels_that_never_change_has_no_interval(metric: str) -> None:
    """It is 0 whatever the predictions are; an interval of 0 to 2e-16 was told once."""
    found = make_figures(find_metric(metric), Examples(labels=["a"] * 80, predictions=["a", "b"] * 40))[0]
    assert (found.value, found.has_interval) == (0.0, False)
    assert "never change" in found.method
