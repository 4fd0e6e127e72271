"""Metrics of order: does a model give higher scores to what is positive?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError
from starwhale.results.metrics.examples import Examples, as_numbers, classes_of, find_positive, score_matrix
from starwhale.results.metrics.metric import Measured
from starwhale.results.metrics.multi_classification import ordered_labels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One label against the rest."""

    label: Any  # Any: a label of the user
    """The positive label."""
    truth: Truths
    """Which examples have it, shape (n,)."""
    scores: Floats
    """Its score of each example."""

    @property
    def is_known(self) -> bool:
        """Whether some examples have the label, and others do not."""
        return not bool(self.truth.all()) and bool(self.truth.any())


def measure_auroc(examples: Examples) -> list[Measured]:
    """Measure the area under the ROC curve: how often a positive example scores above a negative one, ties counting half.

    Several labels: the mean over one label against the rest.

    Source: DeLong, DeLong & Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver operating characteristic
        curves"; placements by ranks as in Sun & Xu 2014.
    """
    return _measure_each(examples, _auroc, "DeLong")


def measure_average_precision(examples: Examples) -> list[Measured]:
    """Measure average precision: Σ (recall_k − recall_{k−1})·precision_k over the scores that occur, ties together.

    Source: scikit-learn, `average_precision_score`; the error is the influence function of this sum (von Mises 1947).
    """
    return _measure_each(examples, _average_precision, "delta method")


def one_against_rest(examples: Examples) -> Iterator[Ranked]:
    """Yield what is ranked: each label against the rest, or the positive one of two.

    Raises:
        UsageError: Labels are lists, or nobody said which label the scores are of.
    """
    import numpy as np

    seen = ordered_labels(examples.labels)
    if any(isinstance(each, list | tuple | set | frozenset) for each in examples.labels[:1]):
        raise UsageError("labels are lists", hint="order is measured for one label per example")
    classes: Sequence[Any] = classes_of(examples, seen)
    matrix = score_matrix(examples, classes)
    if matrix is None:
        positive = find_positive(examples)
        if positive is None:
            raise UsageError(
                f"nobody said which label the scores are of: {', '.join(map(repr, seen[:8]))}",
                hint="name it: positive=…",
            )
        matrix, classes = as_numbers(examples.scores, "score")[:, None], [positive]
    elif len(classes) == 2:  # the other one says the same
        positive = find_positive(examples)
        at = list(classes).index(positive) if positive in classes else 1
        matrix, classes = matrix[:, [at]], [classes[at]]
    for place, label in enumerate(classes):
        truth = np.fromiter((each == label for each in examples.labels), np.bool_, len(examples.labels))
        yield Ranked(label, truth, matrix[:, place])


def _measure_each(
    examples: Examples, measure: Callable[[Truths, Floats], tuple[float, Floats]], method: str
) -> list[Measured]:
    import numpy as np

    found: list[tuple[float, Floats]] = []
    fewest = len(examples.labels)
    lacking: list[str] = []
    for each in one_against_rest(examples):
        if not each.is_known:
            lacking.append(str(each.label))
        else:
            found.append(measure(each.truth, each.scores))
            fewest = min(fewest, int(each.truth.sum()), int((~each.truth).sum()))
    if not found:
        nothing = np.zeros(len(examples.labels))
        return [Measured(value=float("nan"), influence=nothing, no_interval="labels never change: there is no order")]
    remark = (f"left out, as all or none are: {', '.join(lacking[:8])}",) if lacking else ()
    value = float(np.mean([each for each, _ in found]))
    influence = sum((each for _, each in found), start=0.0) / len(found)
    return [
        Measured(
            value=value,
            influence=influence,  # pyright: ignore[reportArgumentType] - one array at least
            method=method,
            fewest=fewest,
            remarks=remark,
            no_interval="no example is out of order" if value == 1 else "",
        )
    ]


def _auroc(truth: Truths, scores: Floats) -> tuple[float, Floats]:
    """Return the area, and what each example adds to it, scaled so that Σψ²/(n(n − 1)) is DeLong's variance."""
    import numpy as np

    n, m = truth.size, int(truth.sum())
    placements = _below(scores, scores[~truth]) / (n - m)  # share of negatives below each score
    over = 1 - _below(scores, scores[truth]) / m  # share of positives above each score
    area = float(placements[truth].mean())
    influence = np.where(truth, _scale(n, m) * (placements - area), _scale(n, n - m) * (over - area))
    return area, influence


def _scale(n: int, m: int) -> float:
    """Return n/m times what turns a sum of squares over n(n − 1) into one over m(m − 1), as DeLong's variance has it."""
    return n / m * ((n - 1) / n * m / max(m - 1, 1)) ** 0.5


def _below(scores: Floats, others: Floats) -> Floats:
    """Count the others below each score, those that are equal as half."""
    import numpy as np

    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2


def _average_precision(truth: Truths, scores: Floats) -> tuple[float, Floats]:
    """Return average precision, and what each example adds to it.

    AP = (1/P)·Σ_{i positive} T(sᵢ)/N(sᵢ), with T and N the positives and all with a score of at least sᵢ. More weight on example j moves its own term,
    P, and T and N of every positive whose score is not above its.
    """
    import numpy as np

    n = truth.size
    order = np.argsort(scores, kind="stable")
    ordered, positive = scores[order], truth[order]
    first = np.searchsorted(ordered, ordered, "left")  # ties are counted together
    after = np.searchsorted(ordered, ordered, "right")
    t = (positive.sum() - np.concatenate(([0], np.cumsum(positive)))[first]).astype(np.float64)
    above = (n - first).astype(np.float64)
    precision, p = t / above, float(positive.sum())
    value = float(precision[positive].sum() / p)
    inverse = np.concatenate(([0.0], np.cumsum(np.where(positive, 1 / above, 0.0))))[after]
    squared = np.concatenate(([0.0], np.cumsum(np.where(positive, t / above**2, 0.0))))[after]
    moved = np.where(positive, precision - value + inverse, 0.0) - squared
    influence = np.empty(n)
    influence[order] = moved * n / p
    return value, influence - influence.mean()
