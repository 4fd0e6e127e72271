"""Metrics of probabilities: how much was risked on what is true, and whether 80 % means 80 %."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError
from starwhale.results.metrics.examples import (
    Examples,
    as_numbers,
    check_probabilities,
    classes_of,
    find_positive,
    score_matrix,
)
from starwhale.results.metrics.label_counts import mean_of
from starwhale.results.metrics.metric import Measured
from starwhale.results.metrics.multi_classification import ordered_labels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

BINS = 15
"""Bins of calibration errors."""
SMALLEST = 2.0**-52
"""A probability of what is true counts as no less: the logarithm of 0 is infinite. scikit-learn's, for 64 bits."""


@dataclass(frozen=True, slots=True)
class _Probabilities:
    """What a model believed of each example."""

    of_each: Floats
    """Probability of each label, shape (n, labels)."""
    true: Integers
    """Position of the true label; −1 where the model knows no such label."""
    is_binary: bool
    """Whether the scores were those of the positive label alone."""


def measure_log_loss(examples: Examples) -> list[Measured]:
    """Measure −log of the probability of what is true, in nats; probabilities that miss a sum of 1 by a rounding are put right.

    Source: scikit-learn, `log_loss`.
    """
    import numpy as np

    found = _read(examples)
    chosen = np.where(found.true >= 0, found.of_each[np.arange(found.true.size), found.true], 0.0)
    chosen = chosen / found.of_each.sum(axis=1)
    clipped = int((chosen < SMALLEST).sum())
    measured = mean_of(-np.log(np.clip(chosen, SMALLEST, 1)))
    remark = (f"{clipped} true labels had probability 0, taken as 2^-52",) if clipped else ()
    return [_with_remarks(measured, remark)]


def measure_brier(examples: Examples) -> list[Measured]:
    """Measure the squared distance of the probabilities from what is true: (p − y)² for the positive label, the sum over labels for several.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    import numpy as np

    found = _read(examples)
    truth = (np.arange(found.of_each.shape[1]) == found.true[:, None]).astype(np.float64)
    squares = ((found.of_each - truth) ** 2).sum(axis=1) + (found.true < 0)
    return [mean_of(squares / 2 if found.is_binary else squares)]


def measure_top(count: int) -> Callable[[Examples], list[Measured]]:
    """Return what measures the share of examples whose true label is among the `count` most probable ones; ties count against it."""

    def measure(examples: Examples) -> list[Measured]:
        import numpy as np

        found = _read(examples)
        own = found.of_each[np.arange(found.true.size), found.true]
        not_below = (found.of_each >= own[:, None]).sum(axis=1)
        return [mean_of(((not_below <= count) & (found.true >= 0)).astype(np.float64))]

    return measure


def measure_calibration(bins: int = BINS, *, is_debiased: bool) -> Callable[[Examples], list[Measured]]:
    """Return what measures how far confidence is from accuracy, in bins of confidence.

    Not debiased: Σ_b (n_b/n)·|accuracy_b − confidence_b| over bins of equal width, as mostly published. It is above 0 for a perfectly
    calibrated model too, by about what the remark says. Debiased: √ of Σ_b (n_b/n)·((accuracy_b − confidence_b)² − accuracy_b·(1 −
    accuracy_b)/(n_b − 1)) over bins of equal numbers of examples, which has no such bias; 0 where that is below 0.

    Source: Guo et al. 2017, "On calibration of modern neural networks"; Kumar, Liang & Ma 2019, "Verified uncertainty calibration".
    """

    def measure(examples: Examples) -> list[Measured]:
        import numpy as np

        sure, right = confidences(examples)
        places = (
            _equal_counts(sure, bins) if is_debiased else np.clip(np.ceil(sure * bins) - 1, 0, bins - 1).astype(int)
        )
        n = sure.size
        counts = np.bincount(places, minlength=bins)
        gaps = np.bincount(places, weights=right - sure, minlength=bins)
        noise = float(np.sqrt(2 / np.pi * np.bincount(places, weights=sure * (1 - sure), minlength=bins)).sum() / n)
        columns = {"bin": places.astype(np.float64), "confidence": sure, "right": right}
        if not is_debiased:
            signs = np.sign(gaps)[places]
            influence = signs * (right - sure)
            return [
                Measured(
                    value=float(abs(gaps).sum() / n),
                    influence=influence - influence.mean(),
                    columns=columns,
                    remarks=(f"a perfectly calibrated model would show about {noise:.4f} here",),
                    no_interval="it is biased upwards",
                )
            ]
        used = counts > 1
        accuracy = np.bincount(places, weights=right, minlength=bins)[used] / counts[used]
        squares = (gaps[used] / counts[used]) ** 2 - accuracy * (1 - accuracy) / (counts[used] - 1)
        total = float((squares * counts[used]).sum() / n)
        return [
            Measured(
                value=max(total, 0.0) ** 0.5,
                influence=np.zeros(n),
                columns=columns,
                no_interval="its error is not known in closed form",
            )
        ]

    return measure


def confidences(examples: Examples) -> tuple[Floats, Floats]:
    """Return how sure the model is of each example, and 1 where that is right; of a probability of the positive label, of that one."""
    import numpy as np

    found = _read(examples)
    if found.is_binary:  # of the positive label, as reliability diagrams of two labels have it
        return found.of_each[:, 1], (found.true == 1).astype(np.float64)
    return found.of_each.max(axis=1), (found.of_each.argmax(axis=1) == found.true).astype(np.float64)


def _equal_counts(sure: Floats, bins: int) -> Integers:
    """Put examples into bins of equal size by confidence, equal ones into one bin."""
    import numpy as np

    ordered = np.sort(sure)
    edges = ordered[np.minimum(np.arange(1, bins) * sure.size // bins, sure.size - 1)]
    return np.searchsorted(edges, sure, "right")


def _read(examples: Examples) -> _Probabilities:
    import numpy as np

    seen = ordered_labels(examples.labels)
    classes = classes_of(examples, seen)
    matrix = score_matrix(examples, classes)
    is_binary = matrix is None
    if matrix is None:
        positive = find_positive(examples)
        if positive is None:
            raise UsageError(
                f"nobody said which label the probabilities are of: {', '.join(map(repr, seen[:8]))}",
                hint="name it: positive=…",
            )
        numbers = as_numbers(examples.scores, "score")
        if numbers.min() < 0 or numbers.max() > 1:
            raise UsageError(
                f"the score {numbers[(numbers < 0) | (numbers > 1)][0]:g} is no probability",
                hint="this metric needs probabilities, between 0 and 1; auroc takes any scores",
            )
        true = np.fromiter((int(each == positive) for each in examples.labels), np.int64, len(examples.labels))
        return _Probabilities(np.stack([1 - numbers, numbers], axis=1), true, is_binary)
    place: dict[Any, int] = {label: position for position, label in enumerate(classes)}  # Any: labels
    true = np.fromiter((place.get(each, -1) for each in examples.labels), np.int64, len(examples.labels))
    check_probabilities(matrix)
    return _Probabilities(matrix, true, is_binary)


def _with_remarks(measured: Measured, remarks: tuple[str, ...]) -> Measured:
    import dataclasses

    return dataclasses.replace(measured, remarks=remarks)
