"""The report of a classification with two or more classes, in plain Python: no package is needed where user code runs.

Definitions and corner cases are those of scikit-learn (`classification_report`, `confusion_matrix`, `hamming_loss`,
`cohen_kappa_score`, `roc_curve`), against which the tests compare.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from starwhale.errors import UsageError

Label = Hashable
NORMALIZATIONS = ("true", "pred", "all")


def classification_tables(  # noqa: PLR0913 - one switch per part of the report
    y_true: Iterable[Any],  # Any: labels of users, NumPy's included
    y_pred: Iterable[Any],  # Any: the same
    probabilities: Iterable[Any] | None = None,  # Any: rows of numbers, NumPy's included
    *,
    normalize: str = "all",
    hamming: bool = True,
    kappa: bool = True,
    all_labels: Sequence[Any] | None = None,  # Any: labels of users
) -> dict[str, Any]:
    """Compute everything that `multi_classification` logs.

    Args:
        y_true: True labels, n.
        y_pred: Predicted labels, n, in the same order.
        probabilities: One row per example with a number per label of `all_labels`; None for no curves.
        normalize: Of the confusion matrix: by `true` label (rows), by `pred`iction (columns), by `all`.
        hamming: Whether to give the hamming loss.
        kappa: Whether to give Cohen's kappa.
        all_labels: Labels in order; None means those that occur, ordered by value.

    Returns:
        `kind`, `summary`, `labels`, `confusion_matrix` and `roc_auc`, the last two by row and by label.

    Raises:
        UsageError: The lengths differ.

    Example:
        >>> classification_tables(["a", "b"], ["a", "a"])["summary"]["accuracy"]
        0.5
    """
    true, guess = _plain(y_true), _plain(y_pred)
    if len(true) != len(guess):
        raise UsageError(
            f"{len(true)} labels and {len(guess)} predictions", hint="return as many of the one as of the other"
        )
    seen = ordered_labels([*true, *guess])
    labels = seen if all_labels is None else _plain(all_labels)
    counts = confusion_matrix(true, guess, labels)
    rows = label_rows(true, guess, labels)
    summary = _summary(rows, covers_all=set(seen) <= set(labels))
    wrong = sum(a != b for a, b in zip(true, guess, strict=True))
    if hamming:
        summary["hamming_loss"] = wrong / len(true) if true else math.nan
    if kappa:
        summary["cohen_kappa_score"] = cohen_kappa(confusion_matrix(true, guess, seen))
    curves: dict[str, Any] = {}
    if probabilities is not None and all_labels is not None:
        curves = _curves(true, _plain(probabilities), labels)
        for label, curve in curves.items():
            rows[label]["auc"] = curve["auc"]
    return {
        "kind": "multi_classification",
        "summary": summary,
        "labels": rows,
        "confusion_matrix": {"binarylabel": normalized(counts, normalize)},
        "roc_auc": curves,
    }


def ordered_labels(labels: Iterable[Label]) -> list[Label]:
    """Return the distinct labels, ordered by value; as text only where they cannot be compared.

    Example:
        >>> ordered_labels([10, 9, 2, 9])
        [2, 9, 10]
    """
    distinct: list[Any] = list(dict.fromkeys(labels))  # Any: compared below, whatever they are
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=lambda label: (type(label).__name__, str(label)))


def confusion_matrix(y_true: Sequence[Label], y_pred: Sequence[Label], labels: Sequence[Label]) -> list[list[int]]:
    """Count predictions by true label: row = true, column = predicted; pairs with another label are left out.

    Source: scikit-learn, `confusion_matrix`.

    Example:
        >>> confusion_matrix(["a", "b", "b"], ["a", "b", "a"], ["a", "b"])
        [[1, 0], [1, 1]]
    """
    place = {label: position for position, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for true, guess in zip(y_true, y_pred, strict=True):
        if true in place and guess in place:
            counts[place[true]][place[guess]] += 1
    return counts


def normalized(counts: Sequence[Sequence[int]], how: str) -> list[list[float]]:
    """Divide counts by the sum of their row (`true`), their column (`pred`) or everything (`all`); 0/0 is 0.

    Example:
        >>> normalized([[1, 0], [1, 2]], "all")
        [[0.25, 0.0], [0.25, 0.5]]
    """
    total = sum(map(sum, counts))
    rows, columns = [sum(row) for row in counts], [sum(column) for column in zip(*counts, strict=True)]
    by = {"true": lambda i, _j: rows[i], "pred": lambda _i, j: columns[j], "all": lambda _i, _j: total}[how]
    return [[_ratio(count, by(i, j)) for j, count in enumerate(row)] for i, row in enumerate(counts)]


def label_rows(
    y_true: Sequence[Label], y_pred: Sequence[Label], labels: Sequence[Label]
) -> dict[str, dict[str, float]]:
    """Compute precision tp/(tp+fp), recall tp/(tp+fn), their harmonic mean 2tp/(2tp+fp+fn) and the four counts, per label.

    Example:
        >>> label_rows(["a", "b"], ["a", "a"], ["a"])["a"]["precision"]
        0.5
    """
    supports, guesses, hits = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
    for true, guess in zip(y_true, y_pred, strict=True):
        if true in supports:
            supports[true] += 1
        if guess in guesses:
            guesses[guess] += 1
            hits[guess] += true == guess
    rows: dict[str, dict[str, float]] = {}
    for label in labels:
        tp = hits[label]
        fp, fn = guesses[label] - tp, supports[label] - tp
        rows[str(label)] = {
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "f1-score": _ratio(2 * tp, 2 * tp + fp + fn),
            "support": float(supports[label]),
            "TN-True Negative": len(y_true) - tp - fp - fn,
            "FP-False Positive": fp,
            "FN-False Negative": fn,
            "TP-True Positive": tp,
        }
    return rows


def cohen_kappa(counts: Sequence[Sequence[int]]) -> float:
    """Compute agreement beyond chance: 1 - Σ observed disagreement / Σ expected disagreement; NaN where none is expected.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales".

    Example:
        >>> cohen_kappa([[2, 0], [0, 2]])
        1.0
    """
    total = sum(map(sum, counts))
    rows, columns = [sum(row) for row in counts], [sum(column) for column in zip(*counts, strict=True)]
    observed = total - sum(counts[i][i] for i in range(len(counts)))
    expected = total * total - sum(r * c for r, c in zip(rows, columns, strict=True))
    return 1 - observed * total / expected if expected else math.nan


def roc_curve(is_positive: Sequence[bool], scores: Sequence[float]) -> dict[str, Any]:
    """Compute false and true positive rates over falling thresholds, and the area under them by trapezoids.

    Points in the middle of a straight stretch are left out; the first threshold is infinite. Rates without examples are NaN.

    Source: Fawcett 2006, "An introduction to ROC analysis"; layout as in scikit-learn.

    Example:
        >>> roc_curve([True, False], [0.9, 0.1])
        {'fpr': [0.0, 0.0, 1.0], 'tpr': [0.0, 1.0, 1.0], 'thresholds': [inf, 0.9, 0.1], 'auc': 1.0}
    """
    points: list[tuple[int, int, float]] = []
    fp = tp = 0
    order = sorted(range(len(scores)), key=lambda position: -scores[position])
    for step, position in enumerate(order):
        tp += bool(is_positive[position])
        fp += not is_positive[position]
        if step + 1 == len(order) or scores[order[step + 1]] != scores[position]:
            points.append((fp, tp, scores[position]))
    points = [(0, 0, math.inf), *(p for i, p in enumerate(points) if not _is_straight(points, i))]
    fpr = [_rate(each[0], fp) for each in points]
    tpr = [_rate(each[1], tp) for each in points]
    pairs = list(zip(fpr, tpr, strict=True))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(pairs))
    return {"fpr": fpr, "tpr": tpr, "thresholds": [each[2] for each in points], "auc": area}


def _is_straight(points: Sequence[tuple[int, int, float]], position: int) -> bool:
    if position in (0, len(points) - 1):
        return False
    before, here, after = points[position - 1 : position + 2]
    return all(here[axis] - before[axis] == after[axis] - here[axis] for axis in (0, 1))


def _curves(true: Sequence[Label], probabilities: Sequence[Any], labels: Sequence[Label]) -> dict[str, Any]:
    if not true or not probabilities:
        return {}
    rows = [_plain(row) for row in probabilities]
    if len(rows) != len(true) or any(len(row) != len(labels) for row in rows):
        raise UsageError(
            f"the probabilities do not fit {len(true)} labels of {len(labels)} kinds",
            hint="return one row per example, with a number per label of all_labels",
        )
    return {
        str(label): roc_curve([each == label for each in true], [float(row[k]) for row in rows])
        for k, label in enumerate(labels)
    }


def _summary(rows: Mapping[str, Mapping[str, float]], *, covers_all: bool) -> dict[str, Any]:
    names = ("precision", "recall", "f1-score")
    support = sum(row["support"] for row in rows.values())
    tp = sum(row["TP-True Positive"] for row in rows.values())
    fp = sum(row["FP-False Positive"] for row in rows.values())
    fn = sum(row["FN-False Negative"] for row in rows.values())
    summary: dict[str, Any] = {}
    if covers_all:
        summary["accuracy"] = tp / support if support else math.nan
    else:
        micro = (_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn))
        summary["micro avg"] = {**dict(zip(names, micro, strict=True)), "support": support}
    macro = {name: _ratio(sum(row[name] for row in rows.values()), len(rows)) for name in names}
    weighted = {name: _ratio(sum(row[name] * row["support"] for row in rows.values()), support) for name in names}
    summary["macro avg"] = {**macro, "support": support}
    summary["weighted avg"] = {**weighted, "support": support}
    return summary


def _plain(values: Iterable[Any]) -> list[Any]:  # Any: NumPy's numbers become Python's
    listed: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)  # pyright: ignore[reportAttributeAccessIssue] - an array
    return [
        each.item() if type(each).__module__ == "numpy" and not getattr(each, "shape", ()) else each for each in listed
    ]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
