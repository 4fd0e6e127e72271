"""Metrics of short answers in text: the same text, the same number, the same words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.label_counts import mean_of
from starwhale.results.metrics.metric import Measured

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MARKED = re.compile(r"(?:####|^A:)([^\n]*)", re.MULTILINE)
"""Where an answer that is reasoned out says its result: `#### 42`, or a line `A: 42`."""


def measure_exact_match(examples: Examples) -> list[Measured]:
    """Measure the share of predictions that are the label, or one of a list of them, but for space around it."""
    return _best(examples, lambda ours, right: float(str(ours).strip() == str(right).strip()))


def measure_normalized_match(examples: Examples) -> list[Measured]:
    """Measure the share of predictions that are the label, or one of a list, but for case, punctuation, articles and spaces.

    Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ questions for machine comprehension of text", exact match.
    """
    return _best(examples, lambda ours, right: float(normalize_answer(ours) == normalize_answer(right)))


def measure_number_match(examples: Examples) -> list[Measured]:
    """Measure the share of predictions that are the same number as the label: `1,000.00` is `1000`, `$5.` is `5`. No number is wrong.

    Of a text with reasoning the number after the last `####`, or in the last line that begins with `A:`, counts.
    """

    def same(ours: Any, right: Any) -> float:  # Any: cells of users
        number = parse_number(ours)
        return float(number is not None and number == parse_number(right))

    return _best(examples, same)


def measure_token_f1(examples: Examples) -> list[Measured]:
    """Measure how many words prediction and label share: F1 of the words, the best of a list of labels, mean over examples.

    Source: Rajpurkar et al. 2016, see above.
    """
    return _best(examples, token_f1)


def normalize_answer(text: object) -> str:
    """Return a text in lower case without punctuation, English articles and doubled spaces.

    Example:
        >>> normalize_answer("The  Eiffel-Tower!")
        'eiffeltower'
    """
    return " ".join(_ARTICLES.sub(" ", str(text).lower().translate(_PUNCTUATION)).split())


def token_f1(prediction: object, label: object) -> float:
    """Return F1 of the words of two texts, each counted as often as it stands there; two empty texts are equal.

    Example:
        >>> round(token_f1("the cat sat", "a cat sat down"), 4)
        0.8
    """
    ours, right = normalize_answer(prediction).split(), normalize_answer(label).split()
    if not ours or not right:
        return float(ours == right)
    shared = (Counter(ours) & Counter(right)).total()
    return 2 * shared / (len(ours) + len(right))


def parse_number(value: object) -> Decimal | None:
    r"""Return the number that a text is, or that it says after `####` or a line-initial `A:`; None where it is none.

    Commas, spaces, `$` and a full stop at the end do not matter.

    Example:
        >>> parse_number("1,000.00") == parse_number("so it is\n#### $1000."), parse_number("many")
        (True, None)
    """
    text = str(value)
    if marked := _MARKED.findall(text):
        text = marked[-1]
    text = text.strip().replace(",", "").replace("$", "").replace(" ", "").rstrip(".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _best(examples: Examples, score: Callable[[Any, Any], float]) -> list[Measured]:  # Any: cells of users
    """Score each prediction against its label, or the best of a list of labels."""
    import numpy as np

    found = [
        max((score(ours, each) for each in _answers(right)), default=0.0)
        for ours, right in zip(examples.predictions, examples.labels, strict=True)
    ]
    return [mean_of(np.asarray(found, np.float64))]


def _answers(label: Any) -> Sequence[Any]:  # Any: a cell of the user
    return label if isinstance(label, list | tuple) else (label,)
