"""`multi_classification`: turn labels and predictions into the tables of a classification report, and log them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from starwhale.errors import UsageError, nearest
from starwhale.handlers.context import get_runtime_context
from starwhale.handlers.registry import UserFunction
from starwhale.results.metrics.multi_classification import NORMALIZATIONS, classification_tables


def multi_classification(
    func: UserFunction | None = None,
    /,
    *,
    confusion_matrix_normalize: str = "all",
    show_hamming_loss: bool = True,
    show_cohen_kappa_score: bool = True,
    show_roc_auc: bool = True,
    all_labels: Sequence[Any] | None = None,  # Any: labels are what users say
) -> Any:  # Any: the wrapped function, or a decorator
    """Log a classification report of the labels and predictions that a function returns.

    Args:
        func: The function, when the decorator stands bare.
        confusion_matrix_normalize: `true` (by row), `pred` (by column) or `all`.
        show_hamming_loss: Whether the share of wrong labels is in the summary.
        show_cohen_kappa_score: Whether Cohen's kappa is in the summary.
        show_roc_auc: Whether the function returns probabilities too, and curves are logged.
        all_labels: Labels in the order of the probabilities; None means those that occur, by value.

    Raises:
        UsageError: `confusion_matrix_normalize` is another word.
    """
    if confusion_matrix_normalize not in NORMALIZATIONS:
        message = f"confusion_matrix_normalize is {confusion_matrix_normalize!r}"
        raise UsageError(message, hint=nearest(str(confusion_matrix_normalize), NORMALIZATIONS))

    def decorate(function: UserFunction) -> UserFunction:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> dict[str, Any]:  # Any: passed on as it came
            returned = function(*args, **kwargs)
            if show_roc_auc:
                y_true, y_pred, probabilities = returned
            else:
                y_true, y_pred = returned[:2]
                probabilities = None
            report = classification_tables(
                y_true,
                y_pred,
                probabilities,
                normalize=confusion_matrix_normalize,
                hamming=show_hamming_loss,
                kappa=show_cohen_kappa_score,
                all_labels=all_labels,
            )
            _log(report)
            return report

        return measured

    return decorate if func is None else decorate(func)


def _log(report: dict[str, Any]) -> None:
    buffer = get_runtime_context().log_buffer
    buffer.log_summary({"kind": report["kind"], **report["summary"]})
    for label, row in report["labels"].items():
        buffer.log("labels", label, {name.lower(): value for name, value in row.items()})
    matrix: list[list[float]] = report["confusion_matrix"]["binarylabel"]
    labels: list[str] = list(report["labels"])
    for number, row in enumerate(matrix):
        # rows and columns have numbers, which scripts rely on; a report shows the labels that they stand for
        hidden = {"__label": labels[number]} if len(labels) == len(matrix) else None
        columns = {str(each): value for each, value in enumerate(row)}
        buffer.log("confusion_matrix/binarylabel", number, columns, hidden=hidden)
    for label, curve in report["roc_auc"].items():
        points = zip(curve["fpr"], curve["tpr"], curve["thresholds"], strict=True)
        for number, (fpr, tpr, threshold) in enumerate(points):
            buffer.log(f"roc_auc/{label}", number, {"fpr": fpr, "tpr": tpr, "threshold": threshold})
