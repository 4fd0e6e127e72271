"""Train two classifiers on the first half of the digits and save what they learned as plain arrays."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

NEIGHBOURS = 3


def train(folder: Path) -> None:
    pixels, labels = load_digits(return_X_y=True)
    half = len(labels) // 2
    images, classes = pixels[:half], labels[:half]
    folder.mkdir(parents=True, exist_ok=True)

    knn = KNeighborsClassifier(NEIGHBOURS).fit(images, classes)
    np.savez(folder / "knn.npz", images=images, labels=classes, neighbours=knn.n_neighbors)
    print(f"k-nearest neighbours: k = {NEIGHBOURS}, {half} images")

    logistic = LogisticRegression(max_iter=2000).fit(images / 16, classes)
    np.savez(folder / "logistic.npz", weights=logistic.coef_, bias=logistic.intercept_)
    print(f"logistic regression: {logistic.coef_.size + logistic.intercept_.size} weights, {half} images")


if __name__ == "__main__":
    train(Path(sys.argv[1]))
