"""How well two values agree: identical, numerically close, or different. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

RELATIVE = 1e-6
"""Two floats are close when they differ by at most this share of the larger one …"""
ABSOLUTE = 1e-9
"""… or by at most this: near zero, shares say nothing."""


class AgreementVerdict(StrEnum):
    """How what was found now agrees with what was found before; the later ones are worse."""

    IDENTICAL = "identical"
    CLOSE = "close"
    DIFFERENT = "different"
    MISSING = "missing"
    """It was there before, and is not now."""
    ADDED = "added"
    """It is there now, and was not before."""

    @property
    def is_good(self) -> bool:
        """Whether it counts as reproduced."""
        return self in {AgreementVerdict.IDENTICAL, AgreementVerdict.CLOSE}


_ORDER = list(AgreementVerdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two values agree, and by how much the numbers in them differ at most."""

    verdict: AgreementVerdict = AgreementVerdict.IDENTICAL
    """The worst that was found."""
    absolute: float = 0.0
    """Largest difference of two numbers."""
    relative: float = 0.0
    """Largest difference of two numbers as a share of the larger one."""
    column: str = ""
    """Where the worst was found, of a row."""
    before: Any = None  # Any: a value of the user's
    """What was there before."""
    now: Any = None  # Any: a value of the user's
    """What is there now."""

    def worst(self, other: Agreement) -> Agreement:
        """Return the worse of two, with the largest differences of both."""

        def rank(each: Agreement) -> tuple[int, float]:
            return _ORDER.index(each.verdict), each.relative

        found = max(self, other, key=rank)
        return Agreement(
            verdict=found.verdict,
            absolute=max(self.absolute, other.absolute),
            relative=max(self.relative, other.relative),
            column=found.column,
            before=found.before,
            now=found.now,
        )


SAME = Agreement()
"""Identical, without a difference."""


def compare_rows(before: Mapping[str, Any], now: Mapping[str, Any]) -> Agreement:
    """Compare two rows cell by cell; a cell that is None is not there.

    Example:
        >>> found = compare_rows({"output": 1.0, "label": "a"}, {"output": 1.0 + 1e-12, "label": "a"})
        >>> found.verdict.value, found.column
        ('close', 'output')
    """
    found = SAME
    for name in dict.fromkeys((*before, *now)):
        cell = compare_values(before.get(name), now.get(name))
        if cell is not SAME:
            found = found.worst(replace(cell, column=name, before=before.get(name), now=now.get(name)))
    return found


def compare_values(before: Any, now: Any) -> Agreement:  # Any: values of the user's
    """Compare two values: floats by the tolerances above, in lists and mappings too; whole numbers, texts and bytes exactly; media by content."""
    if before is now:
        return SAME
    if isinstance(before, bool) or isinstance(now, bool) or before is None or now is None:
        return SAME if type(before) is type(now) and before == now else _different(before, now)
    if isinstance(before, int | float) and isinstance(now, int | float):
        return _compare_numbers(before, now)
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return _compare_mappings(before, now)
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return _compare_lists(before, now)
    if type(before) is not type(now):
        return _different(before, now)
    if before == now:
        return SAME
    numbers = _numbers(before), _numbers(now)
    if numbers[0] is not None and numbers[1] is not None:
        return _compare_lists(numbers[0], numbers[1])
    return _different(before, now)


def _compare_numbers(before: float, now: float) -> Agreement:
    if before == now or (before != before and now != now):  # noqa: PLR0124 - NaN is a value
        return SAME if type(before) is type(now) else Agreement(verdict=AgreementVerdict.CLOSE, before=before, now=now)
    if isinstance(before, int) and isinstance(now, int):
        return _different(before, now, absolute=float(abs(before - now)))
    if not (math.isfinite(before) and math.isfinite(now)):
        return _different(before, now)
    absolute = abs(before - now)
    relative = absolute / max(abs(before), abs(now))
    is_close = relative <= RELATIVE or absolute <= ABSOLUTE
    verdict = AgreementVerdict.CLOSE if is_close else AgreementVerdict.DIFFERENT
    return Agreement(verdict=verdict, absolute=absolute, relative=relative, before=before, now=now)


def _compare_mappings(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> Agreement:
    if before.keys() != now.keys():
        return _different(before, now)
    found = SAME
    for name, value in before.items():
        cell = compare_values(value, now[name])
        found = found if cell is SAME else found.worst(cell)
    return found


def _compare_lists(before: Sequence[Any], now: Sequence[Any]) -> Agreement:
    if len(before) != len(now):
        return _different(before, now)
    found = SAME
    for one, other in zip(before, now, strict=True):
        cell = compare_values(one, other)
        found = found if cell is SAME else found.worst(cell)
    return found


def _numbers(value: Any) -> list[Any] | None:  # Any: a value of the user's, and numbers
    """Return the numbers of an array of floats; None for anything else, whose bytes decide."""
    try:
        array = value.to_numpy() if type(value).__name__ == "NumpyBinary" else value
        is_float = getattr(getattr(array, "dtype", None), "kind", "") == "f"
        return [list(array.shape), *array.ravel().tolist()] if is_float else None
    except Exception:  # noqa: BLE001 - an array that cannot be made is compared by its bytes
        return None


def _different(before: object, now: object, *, absolute: float = 0.0) -> Agreement:
    largest = max(abs(before), abs(now)) if absolute and isinstance(before, int) and isinstance(now, int) else 0
    relative = absolute / largest if largest else 0.0
    return Agreement(verdict=AgreementVerdict.DIFFERENT, absolute=absolute, relative=relative, before=before, now=now)
