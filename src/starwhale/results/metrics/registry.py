"""The metrics by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from starwhale.errors import NotFoundError, nearest
from starwhale.results.metrics import label_counts, probabilities, ranking, regression, texts
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.metric import Direction, Field, Measured, Metric

AVERAGES = ("binary", "micro", "macro", "weighted", "per_class")
"""What may follow precision, recall and F with an underscore."""
_PREDICTION = (Field.LABEL, Field.PREDICTION)
_SCORES = (Field.LABEL, Field.SCORES)
_FAMILY = re.compile(r"(precision|recall|f(\d+(?:\.\d+)?))(?:_(\w+))?")
_TOP = re.compile(r"top(\d+)_accuracy")
_BINNED = re.compile(r"ece(\d+)")
_HIGHER, _LOWER = Direction.HIGHER, Direction.LOWER
Measure = Callable[[Examples], list[Measured]]


def _metric(  # noqa: PLR0913, PLR0917 - the columns of the table below
    name: str,
    needs: tuple[Field, ...],
    measure: Measure,
    meaning: str,
    direction: Direction = _HIGHER,
    unit: str = "share",
    limits: tuple[float, float] | None = None,
) -> Metric:
    return Metric(
        name=name, direction=direction, needs=needs, measure=measure, unit=unit, limits=limits, meaning=meaning
    )


_LIMITS = (0.0, 1.0)
BUILTIN: dict[str, Metric] = {
    each.name: each
    for each in (
        _metric("accuracy", _PREDICTION, label_counts.measure_accuracy, "share of rows that are right", limits=_LIMITS),
        _metric(
            "hamming_loss", _PREDICTION, label_counts.measure_hamming, "share of labels that are wrong", _LOWER,
            limits=_LIMITS,
        ),
        _metric("kappa", _PREDICTION, label_counts.measure_kappa, "agreement beyond chance: 0 is chance, 1 is whole", unit=""),
        _metric("mcc", _PREDICTION, label_counts.measure_mcc, "correlation of labels and predictions, −1 to 1", unit=""),
        _metric(
            "auroc", _SCORES, ranking.measure_auroc, "how often a positive row scores above a negative one; 0.5 is chance"
        ),
        _metric(
            "average_precision", _SCORES, ranking.measure_average_precision,
            "mean precision over the positive rows, best scores first",
        ),
        _metric("log_loss", _SCORES, probabilities.measure_log_loss, "−log of the probability of what is true", _LOWER, "nats"),
        _metric(
            "brier", _SCORES, probabilities.measure_brier, "squared distance of the probabilities from what is true", _LOWER, ""
        ),
        _metric(
            "ece", _SCORES, probabilities.measure_calibration(is_debiased=False),
            "how far confidence is from accuracy, in 15 bins of equal width", _LOWER,
        ),
        _metric(
            "calibration_error", _SCORES, probabilities.measure_calibration(is_debiased=True),
            "how far confidence is from accuracy, without the bias of ece", _LOWER,
        ),
        _metric("mae", _PREDICTION, regression.measure_mae, "mean distance from the label", _LOWER, "label"),
        _metric("mse", _PREDICTION, regression.measure_mse, "mean squared distance from the label", _LOWER, "label²"),
        _metric("rmse", _PREDICTION, regression.measure_rmse, "root of the mean squared distance", _LOWER, "label"),
        _metric("r2", _PREDICTION, regression.measure_r2, "share of the labels' variance that is predicted", unit=""),
        _metric("mape", _PREDICTION, regression.measure_mape, "mean distance as a share of the label", _LOWER, "of the label"),
        _metric("exact_match", _PREDICTION, texts.measure_exact_match, "share of answers that are the label", limits=_LIMITS),
        _metric(
            "normalized_match", _PREDICTION, texts.measure_normalized_match,
            "share of answers that are the label but for case, punctuation and articles", limits=_LIMITS,
        ),
        _metric(
            "number_match", _PREDICTION, texts.measure_number_match, "share of answers that are the same number",
            limits=_LIMITS,
        ),
        _metric("token_f1", _PREDICTION, texts.measure_token_f1, "how many words answer and label share", limits=_LIMITS),
    )
}  # fmt: skip
"""Metrics with a fixed name; precision, recall and F come with averages: `f1_macro`, `recall_per_class`, `f0.5`."""


def find_metric(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        NotFoundError: There is none; the message names the closest.

    Example:
        >>> find_metric("f2_macro").meaning
        'recall and precision in one number, recall weighing 4 times as much, mean over labels'
    """
    if name in BUILTIN:
        return BUILTIN[name]
    if top := _TOP.fullmatch(name):
        measure = probabilities.measure_top(int(top[1]))
        return _metric(
            name, _SCORES, measure, f"share of rows whose label is among the {top[1]} most probable", limits=_LIMITS
        )
    if (bins := _BINNED.fullmatch(name)) and int(bins[1]) > 0:
        measure = probabilities.measure_calibration(int(bins[1]), is_debiased=False)
        return _metric(name, _SCORES, measure, f"ece, in {bins[1]} bins of equal width", _LOWER)
    if (found := _FAMILY.fullmatch(name)) and (not found[3] or found[3] in AVERAGES):
        return _averaged(name, found[1], found[2], found[3] or "")
    raise NotFoundError(f"there is no metric {name!r}", hint=f"{nearest(name, metric_names())}")


def is_of_labels(name: str) -> bool:
    """Whether a metric counts which labels were taken for which, as a confusion matrix does.

    Example:
        >>> is_of_labels("f1_macro"), is_of_labels("exact_match")
        (True, False)
    """
    return name in {"accuracy", "hamming_loss", "kappa", "mcc"} or _FAMILY.fullmatch(name) is not None


def metric_names() -> list[str]:
    """Return the names that can be asked for, the averages of F1 among them."""
    averaged = [
        f"{base}{tail}" for base in ("precision", "recall", "f1") for tail in ("", *(f"_{each}" for each in AVERAGES))
    ]
    return [*BUILTIN, *averaged, "top5_accuracy"]


def check_metric_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of metrics, each once.

    Raises:
        NotFoundError: One is none.
    """
    return tuple(dict.fromkeys(find_metric(each).name for each in names))


def _averaged(name: str, base: str, beta: str | None, average: str) -> Metric:
    of = {"": "of the positive label, or mean over labels", "binary": "of the positive label", "micro": "over all labels together",
          "macro": "mean over labels", "weighted": "mean over labels, weighted by how often each is true", "per_class": "of each label"}[average]  # fmt: skip
    if beta is None:
        a, b = (0.0, 1.0) if base == "precision" else (1.0, 0.0)
        what = (
            "share of what was predicted that is true"
            if base == "precision"
            else "share of what is true that was predicted"
        )
    else:
        a, b = float(beta) ** 2, 1.0
        weight = "" if a == 1 else f", recall weighing {a:g} times as much"
        what = f"recall and precision in one number{weight}"
    return _metric(name, _PREDICTION, label_counts.measure_average(a, b, average), f"{what}, {of}")
