"""Train two classifiers on the first half of the digits. Each gets a folder with what it learned, and the code that evaluates it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

NEIGHBOURS = 3
EVALUATION = Path(__file__).with_name("evaluation.py")


def save(folder: Path, **arrays: Any) -> None:
    """Write the folder of one model: it is all that `swcli model build` packages."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "weights.npz", **arrays)
    shutil.copy(EVALUATION, folder)


def train(folder: Path) -> None:
    pixels, labels = load_digits(return_X_y=True)
    half = len(labels) // 2
    images, classes = pixels[:half], labels[:half]

    knn = KNeighborsClassifier(NEIGHBOURS).fit(images, classes)
    save(folder / "knn", images=images, labels=classes, neighbours=knn.n_neighbors)
    print(f"k-nearest neighbours: k = {NEIGHBOURS}, {half} images")

    logistic = LogisticRegression(max_iter=2000).fit(images / 16, classes)
    save(folder / "logistic", weights=logistic.coef_, bias=logistic.intercept_)
    print(f"logistic regression: {logistic.coef_.size + logistic.intercept_.size} weights, {half} images")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
