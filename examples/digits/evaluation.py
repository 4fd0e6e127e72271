"""Evaluate two digit classifiers on the same dataset: one prediction step and one report per model.

swcli model run --workdir examples/digits --module evaluation --handler evaluation:report_knn --dataset digits
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from starwhale import evaluation, multi_classification

WEIGHTS = Path(os.environ.get("DIGITS_WEIGHTS") or Path(__file__).resolve().parents[2] / ".demo" / "weights")
DIGITS = list(range(10))


@cache
def weights(model: str) -> dict[str, np.ndarray]:
    """Load what a model learned, once per worker process."""
    with np.load(WEIGHTS / f"{model}.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def pixels(rows: list[Mapping[str, Any]]) -> np.ndarray:
    """The images of a batch as an array of shape (rows, 64), values 0 to 16."""
    return np.stack([np.frombuffer(row["image"].to_bytes(), dtype="uint8") for row in rows]).astype(float)


def answers(probabilities: np.ndarray) -> list[dict[str, Any]]:
    """One answer per row: the likeliest digit, and how likely each is."""
    return [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in probabilities]


@evaluation.predict(batch_size=64, replicas=2, log_mode="plain", log_dataset_features=["label"])
def knn(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    learned = weights("knn")
    k = int(learned["neighbours"])
    images = pixels(rows)
    distances = ((images[:, None, :] - learned["images"][None, :, :]) ** 2).sum(axis=2)
    nearest = learned["labels"][np.argsort(distances, axis=1, kind="stable")[:, :k]]
    return answers((nearest[:, :, None] == np.arange(10)).mean(axis=1))


@evaluation.predict(batch_size=64, replicas=2, log_mode="plain", log_dataset_features=["label"])
def logistic(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    learned = weights("logistic")
    scores = pixels(rows) / 16 @ learned["weights"].T + learned["bias"]
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return answers(likely / likely.sum(axis=1, keepdims=True))


def compared(results: Iterable[Mapping[str, Any]]) -> tuple[list[int], list[int], list[list[float]]]:
    """The true digits, the predicted ones, and the probabilities, in the order of the rows."""
    rows = list(results)
    return (
        [row["input"]["label"] for row in rows],
        [row["output/label"] for row in rows],
        [row["output/probabilities"] for row in rows],
    )


@evaluation.evaluate(needs=[knn])
@multi_classification(confusion_matrix_normalize="true", all_labels=DIGITS)
def report_knn(results: Iterable[Mapping[str, Any]]) -> tuple[list[int], list[int], list[list[float]]]:
    return compared(results)


@evaluation.evaluate(needs=[logistic])
@multi_classification(confusion_matrix_normalize="true", all_labels=DIGITS)
def report_logistic(results: Iterable[Mapping[str, Any]]) -> tuple[list[int], list[int], list[list[float]]]:
    return compared(results)
