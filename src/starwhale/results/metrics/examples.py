"""What metrics look at: labels, predictions and scores of examples in columns, and which of them count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starwhale.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Truths = npt.NDArray[np.bool_]

POSITIVE = (True, "1", "true", "yes", "positive", "pos")
"""Labels that are taken to be the positive one of two; `True == 1 == 1.0`, and texts in any case."""
_OPPOSITE = {False: True, "0": "1", "false": "true", "no": "yes", "negative": "positive", "neg": "pos"}
_SUM_ERROR = 1e-3
"""How far probabilities of an example may be from a sum of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Columns of one length; a column that nobody named is empty."""

    labels: Sequence[Any] = ()  # Any: labels of users
    """What is true: a label, a list of labels, a number or a text."""
    predictions: Sequence[Any] = ()  # Any: what models say
    """What the model says, of the same kind."""
    scores: Sequence[Any] = ()  # Any: numbers, lists of numbers, mappings
    """How sure it is: a number for the positive label, a number per class in the order of `classes`, or a mapping by label."""
    classes: tuple[Any, ...] = ()  # Any: labels of users
    """Labels in the order of the scores; empty for those that occur, ordered by value."""
    positive: Any = None  # Any: a label of the user
    """The label that two-class metrics are about; None for the one that says so itself."""
    is_two_class: bool | None = None
    """Whether two-class metrics are about a positive label; None to look at the labels. A slice keeps what holds for all rows."""

    def __len__(self) -> int:
        return max(len(self.labels), len(self.predictions), len(self.scores))

    def take(self, rows: Sequence[int]) -> Examples:
        """Return some of the examples, by position."""

        def some(column: Sequence[Any]) -> list[Any]:  # Any: see above
            return [column[each] for each in rows] if len(column) else []

        return replace(self, labels=some(self.labels), predictions=some(self.predictions), scores=some(self.scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Which examples count for a metric, and how many do not."""

    rows: list[int]
    """Positions of those that count."""
    missing: int
    """Examples without a value that is needed."""
    not_finite: int
    """Examples of which a needed value is NaN or infinite."""


def known_rows(examples: Examples, needs: Sequence[str]) -> Known:
    """Find the examples that have all that is needed, as finite values.

    Example:
        >>> found = known_rows(
        ...     Examples(labels=[1, 0, 1], predictions=[1.0, None, float("nan")]), ["label", "prediction"]
        ... )
        >>> found.rows, found.missing, found.not_finite
        ([0], 1, 1)
    """
    columns = {"label": examples.labels, "prediction": examples.predictions, "scores": examples.scores}
    rows: list[int] = []
    missing = not_finite = 0
    for position, values in enumerate(zip(*(columns[each] for each in needs), strict=True)):
        if any(value is None for value in values):
            missing += 1
        elif all(map(is_finite, values)):
            rows.append(position)
        else:
            not_finite += 1
    return Known(rows=rows, missing=missing, not_finite=not_finite)


def is_finite(value: object) -> bool:
    """Whether a value holds no NaN and nothing infinite, within lists and mappings too.

    Example:
        >>> is_finite("nan"), is_finite([0.1, float("inf")])
        (True, False)
    """
    if isinstance(value, str | int):
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_finite, value))
    return True


def as_numbers(values: Sequence[Any], what: str) -> Floats:  # Any: cells of users
    """Return a column as numbers.

    Raises:
        UsageError: One is none; the message shows it.
    """
    import numpy as np

    for value in values:
        if not isinstance(value, bool | int | float):
            raise UsageError(
                f"the {what} {_shown(value)} is no number", hint=f"this metric needs numbers; name another {what}"
            )
    return np.fromiter(map(float, values), np.float64, len(values))


def find_positive(examples: Examples) -> Any:  # Any: a label of the user
    """Return the positive one of two labels; None where there are more than two, or nobody said which it is.

    Raises:
        UsageError: The one that was named does not occur, and two others do.
    """
    if examples.is_two_class is False and examples.positive is None:
        return None
    seen = set(examples.labels) | set(examples.predictions)
    if examples.positive is not None:
        if examples.positive not in seen and len(seen) > 1:
            raise UsageError(
                f"the positive label {examples.positive!r} does not occur",
                hint=f"labels are {', '.join(map(repr, sorted(seen, key=str)[:8]))}",
            )
        return examples.positive
    if len(seen) > 2:
        return None
    folded = {each.casefold() if isinstance(each, str) else each: each for each in seen}
    found = next((each for word, each in folded.items() if word in POSITIVE), None)
    return _OPPOSITE.get(next(iter(folded))) if found is None and len(folded) == 1 else found


def settled(examples: Examples) -> Examples:
    """Return the examples with the positive label found once, so that slices of them are about the same label."""
    if examples.positive is not None or any(
        isinstance(each, list | tuple | set | frozenset) for each in examples.labels
    ):
        return examples
    given = [each for each in examples.labels if each is not None]
    said = [each for each in examples.predictions if each is not None and is_finite(each)]
    try:
        found = find_positive(replace(examples, labels=given, predictions=said))
    except TypeError:  # predictions that no label can be equal to
        return examples
    return replace(examples, positive=found, is_two_class=found is not None)


def classes_of(examples: Examples, seen: Sequence[Any]) -> Sequence[Any]:  # Any: labels of users
    """Return the labels that scores are of, in their order: those that were named, those that mappings of scores name, or those that occur.

    Example:
        >>> classes_of(Examples(labels=[1], scores=[{"1": 0.7, "2": 0.3}]), [1])
        [1, '2']
    """
    if examples.classes or not examples.scores or not isinstance(examples.scores[0], Mapping):
        return examples.classes or seen
    known = {str(label): label for label in seen}
    keys = dict.fromkeys(key for each in examples.scores if isinstance(each, Mapping) for key in each)
    return [key if key in seen else known.get(str(key), key) for key in keys]


def score_matrix(examples: Examples, classes: Sequence[Any]) -> Floats | None:  # Any: labels of users
    """Return one score per class, shape (n, classes); None where scores are single numbers.

    Raises:
        UsageError: Rows differ in length, or fit no list of labels.
    """
    import numpy as np

    first = examples.scores[0]
    if not isinstance(first, Mapping | list | tuple):
        return None
    names = list(classes)
    if isinstance(first, Mapping):
        listed = [[each.get(name, each.get(str(name), 0.0)) for name in names] for each in examples.scores]
        return np.asarray(listed, np.float64)
    width = len(first)
    odd = next((each for each in examples.scores if not isinstance(each, list | tuple) or len(each) != width), None)
    if odd is not None:
        raise UsageError(
            f"the scores {_shown(odd)} are not {width} numbers", hint="give one score per class everywhere"
        )
    if width != len(names):
        raise UsageError(
            f"there are {width} scores per row and {len(names)} labels: {', '.join(map(str, names[:8]))}",
            hint='name the labels in the order of the scores: classes=["cat", "dog", …]',
        )
    return np.asarray(examples.scores, np.float64)


def check_probabilities(scores: Floats) -> None:
    """Look whether rows are probabilities.

    Raises:
        UsageError: A row holds something below 0, or is far from 1.
    """
    sums = scores.sum(axis=1)
    bad = int(abs(sums - 1).argmax())
    if abs(sums[bad] - 1) > _SUM_ERROR or bool((scores < 0).any()):
        raise UsageError(
            f"the scores of example {bad} add up to {sums[bad]:.4g}"
            if abs(sums[bad] - 1) > _SUM_ERROR
            else "a score is below 0",
            hint="this metric needs probabilities: between 0 and 1, and 1 together",
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
