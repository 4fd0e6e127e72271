"""What predict returned, as columns of the table `predictions`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, TypeVar

from starwhale.errors import FieldNameError, HandlerError, UnsupportedValueError, UsageError
from starwhale.media.codec import pack
from starwhale.media.flatten import flatten
from starwhale.media.optional import loaded
from starwhale.storage.part import TableDraft
from starwhale.storage.protocols import Key, Value

_SCALARS = frozenset({bool, int, float, str, bytes})
_NUMBERS = frozenset("biufc")
_NONE = type(None)
T = TypeVar("T")
PICKLED = "__pickled"
"""Hidden column: True where `output` is pickle bytes."""


@dataclass(slots=True)
class Outputs:
    """Outputs of the first rows of a range, one for each, and the columns that they become."""

    seconds: list[float] = field(default_factory=list[float])
    """How long the call took that made each; 0 where a row has none."""
    values: list[Value] = field(default_factory=list[Value])
    """What it returned; None where a row has no output."""

    def leave_out(self, count: int) -> None:
        """Take note that the next rows have no output."""
        self.values += [None] * count
        self.seconds += [0.0] * count

    def keep(self, count: int) -> None:
        """Forget all rows but the first ones."""
        del self.values[count:], self.seconds[count:]

    def draft(
        self, ranks: Sequence[int], keys: Sequence[Key], log_mode: str, refuse: Callable[[int, UsageError], None]
    ) -> TableDraft:
        """Return the table.

        Args:
            ranks: Ranks of the rows, of these and maybe of more.
            keys: Their keys.
            log_mode: `plain` or `pickle`.
            refuse: Told of a position whose value cannot be stored; it raises, or returns to have the row left out.
        """
        kinds = set(map(type, self.values))
        kept: Sequence[int] = range(len(self.values))
        if _NONE in kinds:
            kept = [position for position, value in enumerate(self.values) if value is not None]
            kinds.discard(_NONE)
        if kinds <= _SCALARS:
            columns = {"output": _chosen(self.values, kept)}
        else:
            kept, columns = self._converted(kept, log_mode, refuse)
        return TableDraft(
            name="predictions",
            ids=_chosen(ranks, kept),
            columns={"_index": _chosen(keys, kept), "duration_seconds": _chosen(self.seconds, kept), **columns},
        )

    def _converted(
        self, positions: Sequence[int], log_mode: str, refuse: Callable[[int, UsageError], None]
    ) -> tuple[list[int], dict[str, list[Value]]]:
        """Turn values into columns; returns the positions of those that can be stored, too."""
        convert = _plain if log_mode == "plain" else _pickled
        _refuse_coroutines(self.values)
        kept: list[int] = []
        rows: list[dict[str, Value]] = []
        for position in positions:
            value = self.values[position]
            try:
                rows.append({"output": value} if type(value) in _SCALARS else convert(value))
                kept.append(position)
            except (UnsupportedValueError, FieldNameError) as error:
                refuse(position, error)
        names = dict.fromkeys(name for row in rows for name in row)
        return kept, {name: [row.get(name) for row in rows] for name in names}


def _chosen(column: Sequence[T], positions: Sequence[int]) -> list[T]:
    if type(positions) is range:
        return list(column[: len(positions)])
    return [column[position] for position in positions]


def _refuse_coroutines(values: Sequence[Value]) -> None:
    """Say what is wrong with all of them, and never with a row: a decorator around an async function returns what nobody awaits.

    Raises:
        HandlerError: One of the values is a coroutine.
    """
    lost = [value for value in values if isinstance(value, CoroutineType)]
    for coroutine in lost:
        coroutine.close()
    if lost:
        message = (
            f"predict returned the coroutine {lost[0].__qualname__!r}: a decorator around it hides that it is async"
        )
        raise HandlerError(
            message, hint="write the wrapper as async def too, or let @evaluation.predict stand next to the function"
        )


def _plain(value: Value) -> dict[str, Value]:
    return flatten({"output": value})


def _pickled(value: Value) -> dict[str, Value]:
    if _comes_back(value):
        return {"output": value}
    try:
        return {"output": pickle.dumps(value, protocol=5), PICKLED: True}
    except Exception as error:
        message = f"output of type {type(value).__name__!r} can be neither stored nor pickled: {error}"
        raise UnsupportedValueError(message, hint="return plain values, or objects that pickle takes") from error


def _comes_back(value: Any) -> bool:  # Any: a user's value
    if type(value) is list and _SCALARS.issuperset(map(type, value)):
        return True
    numpy = loaded("numpy")
    if numpy is not None and type(value) is numpy.ndarray:
        array: Any = value  # Any: NumPy is optional
        if array.dtype.kind in _NUMBERS:
            return True  # without packing it twice
    try:
        pack(value, exact=True)
    except UnsupportedValueError:
        return False
    return True
