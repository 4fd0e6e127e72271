"""What a set of rows can show: the smallest difference that it resolves, and the rows that a difference needs.

Source: E. Miller, "Adding Error Bars to Evals", arXiv 2411.00640 (2024), section 5.
"""

from __future__ import annotations

import math

from starwhale.results.compare.distributions import normal_quantile

POWER = 0.8
"""Chance with which a difference as large as said would be found."""


def smallest_resolvable(standard_error: float, confidence: float = 0.95, power: float = POWER) -> float:
    """Return (z₁₋α⁄₂ + z₁₋β)·SE: the smallest difference that these rows would show with that power; NaN where no row varies, and nobody knows.

    Example:
        >>> round(smallest_resolvable(0.01), 4)
        0.028
    """
    return _factor(confidence, power) * standard_error if standard_error else math.nan


def rows_needed(
    standard_error: float, n: int, delta: float, confidence: float = 0.95, power: float = POWER
) -> int | None:
    """Return how many rows like these would show a difference of δ with that power; None where no number would, or nobody can say.

    The variance per row is SE²·n, so n' = (z₁₋α⁄₂ + z₁₋β)²·SE²·n/δ², rounded up.

    Args:
        standard_error: Of the difference over the rows that there are.
        n: How many these are.
        delta: The difference to be shown.
        confidence: Of the interval that is to leave 0 out.
        power: Chance with which it does.

    Example:
        >>> rows_needed(0.02, 400, 0.03)
        1396
    """
    if not delta or not math.isfinite(standard_error) or not math.isfinite(delta):
        return None
    if not standard_error:  # every row differs by the same, and the sign test has p = 2·2⁻ⁿ
        return math.floor(1 - math.log2(1 - confidence)) + 1
    needed = (_factor(confidence, power) * standard_error / delta) ** 2 * n
    return math.ceil(needed) if needed < 1e15 else None


def _factor(confidence: float, power: float) -> float:
    return normal_quantile((1 + confidence) / 2) + normal_quantile(power)
