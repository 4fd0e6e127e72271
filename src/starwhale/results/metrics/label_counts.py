"""Metrics of labels: which labels examples have, which they were given, and every function of these counts.

An example has one label, or a list of them. What it adds is which labels are true of it, which were predicted, and which are both: all
averages of precision, recall and F, κ and MCC are functions of the sums of these three, so that a resample costs one sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError
from starwhale.results.metrics.examples import Examples, find_positive
from starwhale.results.metrics.metric import Counted, Measured
from starwhale.results.metrics.multi_classification import ordered_labels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

_LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class Incidence:
    """Which examples have which labels, as pairs."""

    rows: Integers
    """Positions of examples, ascending."""
    classes: Integers
    """Positions of labels, beside them."""

    def sums(self, count: int) -> Floats:
        """Count examples per label."""
        import numpy as np

        return np.bincount(self.classes, minlength=count).astype(np.float64)

    def spread(self, per_class: Floats, n: int) -> Floats:
        """Add up what the labels of each example are worth, shape (n,)."""
        import numpy as np

        return np.bincount(self.rows, weights=per_class[self.classes], minlength=n).astype(np.float64)

    def matrix(self, rows: Integers, n: int, count: int) -> Floats:
        """Return 1 where an example has a label, for some examples, shape (rows, labels)."""
        import numpy as np

        place = np.full(n, -1)
        place[rows] = np.arange(rows.size)
        chosen = place[self.rows] >= 0
        found = np.zeros((rows.size, count))
        found[place[self.rows[chosen]], self.classes[chosen]] = 1
        return found


@dataclass(frozen=True, slots=True)
class Margins:
    """Shares of examples per label, shape (…, labels)."""

    both: Floats
    """Right: the label is true and was predicted."""
    true: Floats
    """The label is true."""
    predicted: Floats
    """The label was predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """Which labels each example has and was given."""

    n: int
    """Examples."""
    labels: list[Any]  # Any: labels of users
    """Labels that occur, in order."""
    true: Incidence
    """Labels that are true."""
    predicted: Incidence
    """Labels that were predicted."""
    both: Incidence
    """Labels that are both."""
    cells: Integers
    """A number per example, equal where examples have the same labels and were given the same."""
    is_multi: bool
    """Whether examples have lists of labels."""

    def table(self) -> Integers:
        """Count examples by true and by predicted label, shape (labels, labels); of examples with one label each."""
        import numpy as np

        k = len(self.labels)
        return np.bincount(self.true.classes * k + self.predicted.classes, minlength=k * k).reshape(k, k)

    def margins(self) -> Margins:
        """Return the shares over all examples."""
        k = len(self.labels)
        return Margins(*(each.sums(k) / self.n for each in (self.both, self.true, self.predicted)))

    def resampled(self, rows: Integers, weights: Floats) -> Margins:
        """Return the shares of resamples.

        Args:
            rows: One example per different kind.
            weights: Share of each kind, shape (resamples, rows).
        """
        k = len(self.labels)
        parts = (self.both, self.true, self.predicted)
        return Margins(*(weights @ each.matrix(rows, self.n, k) for each in parts))


def count_labels(examples: Examples) -> LabelCounts:
    """Count which labels examples have and were given.

    Raises:
        UsageError: Labels and predictions are of kinds that can never be equal, or some are lists and others are not.
    """
    import numpy as np

    labels, predictions = examples.labels, examples.predictions
    kinds = {isinstance(each, _LISTS) for column in (labels, predictions) for each in column}
    if len(kinds) > 1:
        raise UsageError("some labels are lists, and others are not", hint="give a list of labels for every example")
    is_multi = kinds == {True}
    if not is_multi:
        _check_kinds(labels, predictions)
        order = ordered_labels(chain(labels, predictions))
        place = {label: position for position, label in enumerate(order)}
        true, predicted = _one_each(labels, place), _one_each(predictions, place)
        right = np.flatnonzero(true.classes == predicted.classes)
        both = Incidence(right, true.classes[right])
        cells = true.classes * max(len(order), 1) + predicted.classes
    else:
        trues, given = [dict.fromkeys(each) for each in labels], [dict.fromkeys(each) for each in predictions]
        order = ordered_labels(label for each in chain(trues, given) for label in each)
        place = {label: position for position, label in enumerate(order)}
        true, predicted = _several_each(trues, place), _several_each(given, place)
        both = _several_each([[x for x in a if x in b] for a, b in zip(trues, given, strict=True)], place)
        numbers: dict[Any, int] = {}
        signs = [(frozenset(a), frozenset(b)) for a, b in zip(trues, given, strict=True)]
        cells = np.fromiter((numbers.setdefault(each, len(numbers)) for each in signs), np.int64, len(signs))
    return LabelCounts(
        n=len(labels), labels=order, true=true, predicted=predicted, both=both, cells=cells, is_multi=is_multi
    )


def _one_each(labels: Sequence[Any], place: dict[Any, int]) -> Incidence:  # Any: labels of users
    import numpy as np

    classes = np.fromiter(map(place.__getitem__, labels), np.int64, len(labels))
    return Incidence(np.arange(len(labels)), classes)


def _several_each(listed: Sequence[Any], place: dict[Any, int]) -> Incidence:  # Any: labels of users
    import numpy as np

    lengths = np.fromiter(map(len, listed), np.int64, len(listed))
    classes = np.fromiter((place[label] for each in listed for label in each), np.int64, int(lengths.sum()))
    return Incidence(np.repeat(np.arange(len(listed)), lengths), classes)


def _check_kinds(labels: Sequence[Any], predictions: Sequence[Any]) -> None:  # Any: labels of users
    """Refuse texts on one side and numbers on the other: they would all be wrong, and nobody would know why."""
    ours, theirs = ({isinstance(each, str) for each in column} for column in (labels, predictions))
    if len(ours) == 1 and len(theirs) == 1 and ours != theirs:
        raise UsageError(
            f"labels are like {labels[0]!r}, and predictions like {predictions[0]!r}: none can be right",
            hint="give both as text, or both as numbers",
        )


@dataclass(frozen=True, slots=True)
class _Score:
    """(a + b)·both / (a·true + b·predicted) per label: precision (0, 1), recall (1, 0), F-beta (β², 1); 0/0 is 0."""

    a: float
    b: float

    def value(self, at: Margins) -> Floats:
        return _divided((self.a + self.b) * at.both, self.a * at.true + self.b * at.predicted)

    def gradient(self, at: Margins) -> tuple[Floats, Floats, Floats]:
        """Return how it moves with both, true and predicted."""
        import numpy as np

        below = self.a * at.true + self.b * at.predicted
        score = self.value(at)
        return (
            _divided(np.full_like(below, self.a + self.b), below),
            -_divided(score * self.a, below),
            -_divided(score * self.b, below),
        )


def _divided(above: Floats, below: Floats) -> Floats:
    import numpy as np

    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0)


def measure_average(a: float, b: float, average: str) -> Callable[[Examples], list[Measured]]:
    """Return what measures one of precision, recall and F.

    Args:
        a: Weight of the labels that are true.
        b: Weight of the labels that were predicted.
        average: `binary` (of the positive label), `micro`, `macro`, `weighted` by how often a label is true, `per_class`, or empty: of the
            positive label where there are two and one is, else macro.

    Raises:
        UsageError: While it measures: `binary`, and nobody said which label is the positive one.

    Source: scikit-learn, `precision_recall_fscore_support`, whose corner cases these are.
    """

    def measure(examples: Examples) -> list[Measured]:
        counts = count_labels(examples)
        score = _Score(a, b)
        if average in {"", "binary"} and not counts.is_multi:
            positive = find_positive(examples)
            if positive is not None:
                return (
                    [_of_label(counts, score, counts.labels.index(positive))]
                    if positive in counts.labels
                    else [_nothing(counts)]
                )
            if average == "binary":
                raise UsageError(
                    f"nobody said which label is the positive one of {', '.join(map(repr, counts.labels[:8]))}",
                    hint="name it: positive=…",
                )
        if average == "per_class":
            return [_of_label(counts, score, each) for each in range(len(counts.labels))]
        return [_averaged(counts, score, average or "macro")]

    return measure


def _nothing(counts: LabelCounts) -> Measured:
    import numpy as np

    return Measured(value=0.0, influence=np.zeros(counts.n), no_interval="the positive label does not occur")


def _of_label(counts: LabelCounts, score: _Score, position: int) -> Measured:
    import numpy as np

    at = counts.margins()
    chosen = np.zeros(len(counts.labels))
    chosen[position] = 1
    both, true, predicted = (round(each[position] * counts.n) for each in (at.both, at.true, at.predicted))
    share = None
    if score.a == 0 or score.b == 0:  # among the rows that have, or were given, the label
        below = true if score.b == 0 else predicted
        share = (both, below) if below else None
    elif (
        score.a == score.b
    ):  # F1 = 2x/(1 + x) of the share x of right ones among those that have the label or were given it
        share = (both, true + predicted - both) if true + predicted else None
    return Measured(
        value=float(score.value(at)[position]),
        influence=_influence(counts, tuple(each * chosen for each in score.gradient(at))),
        share=share,
        counted=Counted(counts=counts, value=lambda margins: score.value(margins)[..., position]),
        label=str(counts.labels[position]),
        method="F1 of a share" if score.a == score.b else "delta method",
        no_interval=""
        if share or (score.a and score.b)
        else "no row was given the label"
        if score.b
        else "no row has the label",
    )


def _averaged(counts: LabelCounts, score: _Score, average: str) -> Measured:
    def micro(at: Margins) -> Floats:
        return score.value(_summed(at))

    def macro(at: Margins) -> Floats:
        return score.value(at).mean(axis=-1)

    def weighted(at: Margins) -> Floats:
        return _divided((score.value(at) * at.true).sum(axis=-1), at.true.sum(axis=-1))

    value = {"micro": micro, "macro": macro, "weighted": weighted}[average]
    at = counts.margins()
    return Measured(
        value=float(value(at)),
        influence=_influence(counts, _average_gradient(score, at, average)),
        counted=Counted(counts=counts, value=value),
        scores=right_rows(counts) if average == "micro" and not counts.is_multi else None,
    )


def _summed(at: Margins) -> Margins:
    return Margins(*(each.sum(axis=-1) for each in (at.both, at.true, at.predicted)))


def _average_gradient(score: _Score, at: Margins, average: str) -> tuple[Floats, ...]:
    import numpy as np

    k = at.true.size
    if average == "micro":
        return tuple(np.full(k, float(each)) for each in score.gradient(_summed(at)))
    if average == "macro":
        return tuple(each / k for each in score.gradient(at))
    total = at.true.sum()
    value = (score.value(at) * at.true).sum() / total if total else 0.0
    both, true, predicted = (each * at.true / total if total else each * 0 for each in score.gradient(at))
    return both, true + (score.value(at) - value) / (total or 1.0), predicted


def _influence(counts: LabelCounts, gradient: tuple[Floats, ...]) -> Floats:
    """Return Σ gradient · (what the example adds − its mean)."""
    parts = zip((counts.both, counts.true, counts.predicted), gradient, strict=True)
    total = sum((part.spread(weights, counts.n) for part, weights in parts), start=0.0)
    return total - total.mean()  # pyright: ignore[reportAttributeAccessIssue] - three arrays at least


def right_rows(counts: LabelCounts) -> Floats:
    """Return 1 for each example that was given exactly what is true of it, else 0."""
    import numpy as np

    both = np.bincount(counts.both.rows, minlength=counts.n)
    true, predicted = (np.bincount(each.rows, minlength=counts.n) for each in (counts.true, counts.predicted))
    return ((both == true) & (both == predicted)).astype(np.float64)


def measure_accuracy(examples: Examples) -> list[Measured]:
    """Measure the share of examples that were given exactly what is true of them.

    Source: scikit-learn, `accuracy_score`; of lists of labels it is the subset accuracy.
    """
    return [mean_of(right_rows(count_labels(examples)))]


def measure_hamming(examples: Examples) -> list[Measured]:
    """Measure the share of labels that are wrong.

    Source: scikit-learn, `hamming_loss`.
    """
    import numpy as np

    counts = count_labels(examples)
    if not counts.is_multi:
        return [mean_of(1 - right_rows(counts))]
    both, true, predicted = (
        np.bincount(each.rows, minlength=counts.n) for each in (counts.both, counts.true, counts.predicted)
    )
    return [mean_of((true + predicted - 2 * both) / max(len(counts.labels), 1))]


def measure_kappa(examples: Examples) -> list[Measured]:
    """Measure Cohen's κ: (p_o − p_e)/(1 − p_e), agreement beyond what chance gives.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales".
    """
    import numpy as np

    counts = _single(examples, "kappa")

    def value(at: Margins) -> Floats:
        seen, chance = at.both.sum(axis=-1), (at.true * at.predicted).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (seen - chance) / (1 - chance)

    at = counts.margins()
    seen, chance = at.both.sum(), (at.true * at.predicted).sum()
    if counts.n == 0 or 1 - chance <= 1e-15:
        return [_undefined(counts, "one label only: agreement by chance is whole")]
    slope = -(1 - seen) / (1 - chance) ** 2
    gradient = np.full(at.true.size, 1 / (1 - chance)), slope * at.predicted, slope * at.true
    return [
        Measured(
            value=float(value(at)),
            influence=_influence(counts, gradient),
            counted=Counted(counts=counts, value=value),
            no_interval="" if _changes(at.true) and _changes(at.predicted) else "labels or predictions never change",
        )
    ]


def _changes(shares: Floats) -> bool:
    """Whether there are two labels or more."""
    return int((shares > 0).sum()) > 1


def measure_mcc(examples: Examples) -> list[Measured]:
    """Measure Matthews' correlation of labels and predictions, of any number of labels; 0 where one of them never changes.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    import numpy as np

    counts = _single(examples, "mcc")

    def value(at: Margins) -> Floats:
        above = at.both.sum(axis=-1) - (at.true * at.predicted).sum(axis=-1)
        spread = (1 - (at.true**2).sum(axis=-1)) * (1 - (at.predicted**2).sum(axis=-1))
        below = np.sqrt(np.maximum(spread, 0))
        return np.where(below > 1e-12, above / np.where(below > 1e-12, below, 1), 0.0)

    at = counts.margins()
    found = float(value(at))
    of_true, of_predicted = 1 - (at.true**2).sum(), 1 - (at.predicted**2).sum()
    if of_true * of_predicted <= 1e-24:
        return [Measured(value=found, influence=np.zeros(counts.n), no_interval="labels or predictions never change")]
    below = np.sqrt(of_true * of_predicted)
    gradient = (
        np.full(at.true.size, 1 / below),
        -at.predicted / below + found * at.true / of_true,
        -at.true / below + found * at.predicted / of_predicted,
    )
    return [Measured(value=found, influence=_influence(counts, gradient), counted=Counted(counts=counts, value=value))]


def _single(examples: Examples, name: str) -> LabelCounts:
    counts = count_labels(examples)
    if counts.is_multi:
        raise UsageError(f"{name} is for one label per example", hint="take f1_micro or accuracy for lists of labels")
    return counts


def _undefined(counts: LabelCounts, why: str) -> Measured:
    import numpy as np

    return Measured(value=float("nan"), influence=np.zeros(counts.n), no_interval=why)


def mean_of(scores: Floats) -> Measured:
    """Return the mean of scores."""
    mean = float(scores.mean())
    return Measured(value=mean, influence=scores - mean, scores=scores)
