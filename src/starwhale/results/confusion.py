"""Which labels are taken for which: the counts behind a confusion matrix, and what they say of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.domain.json_shape import check_shape

MOST_LABELS = 200
"""Of a matrix that is kept; with more, nobody can look at it."""
_SHAPE = {"labels": [str], "cells": [[int]], "slice": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often each label was taken for each."""

    labels: tuple[str, ...]
    """In order; k of them."""
    counts: tuple[tuple[int, ...], ...]
    """Rows of the dataset, k × k: across the predicted label, down the true one."""
    slice: str = ""
    """The rows that it is about; empty for all."""

    @property
    def supports(self) -> tuple[int, ...]:
        """Rows of each true label."""
        return tuple(map(sum, self.counts))

    @property
    def n(self) -> int:
        """Rows."""
        return sum(self.supports)

    @property
    def shares(self) -> list[list[float]]:
        """Each count as a share of the rows of its true label; 0 of none."""
        return [
            [each / total if total else 0.0 for each in row]
            for row, total in zip(self.counts, self.supports, strict=True)
        ]

    def label_rows(self) -> dict[str, dict[str, float]]:
        """Return precision, recall, F1 and support by label, with 0 for 0/0 as scikit-learn has it."""
        given = [sum(column) for column in zip(*self.counts, strict=True)]
        found: dict[str, dict[str, float]] = {}
        for place, (label, true) in enumerate(zip(self.labels, self.supports, strict=True)):
            right, told = self.counts[place][place], given[place]
            found[label] = {
                "precision": right / told if told else 0.0,
                "recall": right / true if true else 0.0,
                "f1-score": 2 * right / (true + told) if true + told else 0.0,
                "support": float(true),
            }
        return found

    def mistakes(self) -> list[tuple[str, str, int]]:
        """Return true label, predicted label and rows of what was confused, the most frequent first."""
        found = [
            (self.labels[i], self.labels[j], count)
            for i, row in enumerate(self.counts)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return sorted(found, key=lambda each: -each[2])

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return what programs read: every count."""
        return {"labels": list(self.labels), "slice": self.slice, "counts": [list(row) for row in self.counts]}

    def to_record(self) -> dict[str, Any]:  # Any: a JSON object
        """Return what is kept with a job: the cells that are not 0, from which `from_record` makes an equal value."""
        cells = [[i, j, count] for i, row in enumerate(self.counts) for j, count in enumerate(row) if count]
        return {"labels": list(self.labels), "slice": self.slice, "cells": cells}

    @classmethod
    def from_record(cls, data: Mapping[str, Any]) -> Confusion:
        """Read what `to_record` wrote.

        Raises:
            TypeError: It is no matrix.
        """
        check_shape(dict(data), _SHAPE, "confusion")
        k = len(data["labels"])
        counts = [[0] * k for _ in range(k)]
        for cell in data["cells"]:
            if len(cell) != 3 or not (0 <= cell[0] < k and 0 <= cell[1] < k):
                raise TypeError(f"confusion.cells holds {cell}")
            counts[cell[0]][cell[1]] = cell[2]
        return cls(labels=tuple(data["labels"]), counts=tuple(map(tuple, counts)), slice=data["slice"])


def confusion_of(labels: Sequence[str], counts: Sequence[Sequence[int]], slice: str = "") -> Confusion | None:
    """Return a matrix; None where there are too many labels for one, none, or some are called the same."""
    if not 0 < len(labels) <= MOST_LABELS or len(set(labels)) < len(labels):
        return None
    return Confusion(labels=tuple(labels), counts=tuple(tuple(map(int, row)) for row in counts), slice=slice)
