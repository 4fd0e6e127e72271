"""What predict returned, as columns of the table `predictions`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any

from starwhale.errors import FieldNameError, HandlerError, UnsupportedValueError, UsageError
from starwhale.media.codec import pack
from starwhale.media.flatten import flatten
from starwhale.media.optional import loaded
from starwhale.storage.part import TableDraft
from starwhale.storage.protocols import Key, Value

_SCALARS = frozenset({bool, int, float, str, bytes})
_NUMBERS = frozenset("biufc")
PICKLED = "__pickled"
"""Hidden column: True where `output` is pickle bytes."""


@dataclass(slots=True)
class Outputs:
    """Outputs of some rows, row by row, and the columns that they become."""

    ranks: list[int] = field(default_factory=list[int])
    """Ranks of the rows."""
    keys: list[Key] = field(default_factory=list[Key])
    """Their keys."""
    seconds: list[float] = field(default_factory=list[float])
    """How long the call took that made each."""
    values: list[Value] = field(default_factory=list[Value])
    """What it returned."""

    def draft(self, log_mode: str, refuse: Callable[[int, UsageError], None]) -> TableDraft:
        """Return the table.

        Args:
            log_mode: `plain` or `pickle`.
            refuse: Told of a position whose value cannot be stored; it raises, or returns to have the row left out.
        """
        if _SCALARS.issuperset(map(type, self.values)):
            return self._table(range(len(self.values)), {"output": self.values})
        convert = _plain if log_mode == "plain" else _pickled
        _refuse_coroutines(self.values)
        kept: list[int] = []
        rows: list[dict[str, Value]] = []
        for position, value in enumerate(self.values):
            try:
                rows.append({"output": value} if type(value) in _SCALARS else convert(value))
                kept.append(position)
            except (UnsupportedValueError, FieldNameError) as error:
                refuse(position, error)
        names = dict.fromkeys(name for row in rows for name in row)
        return self._table(kept, {name: [row.get(name) for row in rows] for name in names})

    def _table(self, kept: Sequence[int], columns: dict[str, list[Value]]) -> TableDraft:
        ranks, keys, seconds = self.ranks, self.keys, self.seconds
        if len(kept) != len(ranks):
            ranks, keys = [ranks[p] for p in kept], [keys[p] for p in kept]
            seconds = [seconds[p] for p in kept]
        return TableDraft(
            name="predictions", ids=list(ranks), columns={"_index": keys, "duration_seconds": seconds, **columns}
        )


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
