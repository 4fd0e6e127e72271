"""Many comparisons at once: p values corrected so that chance alone makes no winner."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for claims: the chance of even one false claim stays below α; NaN stays NaN and counts for nothing.

    The i-th smallest of m is multiplied by m − i + 1, and is no smaller than the one before it.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    corrected = list(p_values)
    order = _order(p_values)
    largest = 0.0
    for place, position in enumerate(order):
        largest = max(largest, min(1.0, p_values[position] * (len(order) - place)))
        corrected[position] = largest
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Correct p values for exploration: of what is called a difference, at most the share α is none; NaN stays NaN.

    The i-th smallest of m is multiplied by m/i, and is no larger than the one after it.

    Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate".

    Example:
        >>> [round(p, 3) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
        [0.03, 0.04, 0.04]
    """
    corrected = list(p_values)
    order = _order(p_values)
    smallest = 1.0
    for place in range(len(order), 0, -1):
        position = order[place - 1]
        smallest = min(smallest, p_values[position] * len(order) / place)
        corrected[position] = smallest
    return corrected


def _order(p_values: Sequence[float]) -> list[int]:
    """Return the places of the p values that are known, the smallest first."""
    known = [position for position, p in enumerate(p_values) if p == p]  # noqa: PLR0124 - NaN is not itself
    return sorted(known, key=lambda position: p_values[position])
