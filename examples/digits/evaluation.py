"""Evaluate a digit classifier: one prediction step and a report. What it learned lies beside this file, in weights.npz.

swcli model run --uri knn --dataset digits
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from starwhale import GrayscaleImage, evaluation, multi_classification

SIDE, WHITE = 8, 16
WEIGHTS = Path(__file__).with_name("weights.npz")
DIGITS = list(range(10))


class Digit(TypedDict):
    """A row: `swcli model serve` makes its form of it."""

    image: GrayscaleImage
    label: NotRequired[int]


@cache
def weights() -> dict[str, np.ndarray]:
    """Load what the model learned, once per worker process."""
    with np.load(WEIGHTS, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def pixels(rows: list[Digit]) -> np.ndarray:
    """The images of a batch as an array of shape (rows, 64), values 0 to 16."""
    return np.stack([small(row["image"]) for row in rows])


def small(image: GrayscaleImage) -> np.ndarray:
    """The 64 pixels of an image; of a larger one, such as a drawn one with values to 255, the means of 8 by 8 parts."""
    height, width = (*(image.shape or ()), SIDE, SIDE)[:2]
    values = np.frombuffer(image.to_bytes(), dtype="uint8").astype(float)
    if (height, width) == (SIDE, SIDE):
        return values
    high, wide = height // SIDE, width // SIDE
    parts = values.reshape(height, width)[: high * SIDE, : wide * SIDE].reshape(SIDE, high, SIDE, wide)
    return parts.mean(axis=(1, 3)).ravel() * (WHITE / 255)


def answers(probabilities: np.ndarray) -> list[dict[str, Any]]:
    """One answer per row: the likeliest digit, and how likely each is."""
    return [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in probabilities]


def knn(images: np.ndarray, learned: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities by k-nearest neighbours, shape (rows, 10)."""
    distances = ((images[:, None, :] - learned["images"][None, :, :]) ** 2).sum(axis=2)
    nearest = learned["labels"][np.argsort(distances, axis=1, kind="stable")[:, : int(learned["neighbours"])]]
    return (nearest[:, :, None] == np.arange(10)).mean(axis=1)


def logistic(images: np.ndarray, learned: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities by logistic regression, shape (rows, 10)."""
    scores = images / 16 @ learned["weights"].T + learned["bias"]
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


@evaluation.predict(batch_size=64, replicas=2, log_mode="plain", log_dataset_features=["label"])
def predict(rows: list[Digit]) -> list[dict[str, Any]]:
    learned = weights()
    classify = knn if "neighbours" in learned else logistic
    return answers(classify(pixels(rows), learned))


@evaluation.evaluate(needs=[predict])
@multi_classification(confusion_matrix_normalize="true", all_labels=DIGITS)
def report(results: Iterable[Mapping[str, Any]]) -> tuple[list[int], list[int], list[list[float]]]:
    """The true digits, the predicted ones, and the probabilities, in the order of the rows."""
    rows = list(results)
    for row in rows:  # a score for each row, by which two models are compared
        evaluation.log("graded", id=row["id"], metrics={"correct": row["output/label"] == row["input"]["label"]})
    return (
        [row["input"]["label"] for row in rows],
        [row["output/label"] for row in rows],
        [row["output/probabilities"] for row in rows],
    )
