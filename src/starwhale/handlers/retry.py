"""Errors that pass by themselves: which they are, and how long to wait before predict is called again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.handlers.row_clock import RowTimeoutError

LONGEST_S = 60.0
"""No wait is longer."""
_LOOK_S = 0.1


@dataclass(slots=True, kw_only=True)
class Tried:
    """What became of a row whose first try failed."""

    tries: int = 1
    """Calls of predict."""
    result: Any = None  # Any: what the user's function returned
    """What the last call returned."""
    elapsed_s: float = 0.0
    """How long the last call took."""
    waited_s: float = 0.0
    """How long was waited between the calls."""
    error: BaseException | None = None
    """What the last call raised."""
    is_stopped: bool = False
    """Whether a stop was asked for while it waited; the row is not done then."""


def is_transient(record: HandlerRecord, error: BaseException) -> bool:
    """Whether the handler has declared an error as one that may pass."""
    if isinstance(error, RowTimeoutError):
        return False
    return any(f"{cls.__module__}.{cls.__qualname__}" in record.retry_on for cls in type(error).__mro__)


def wait_s(record: HandlerRecord, tries: int, seed: int) -> float:
    """Return how long to wait after so many tries: doubled with each, and less by up to a half, by chance from the row's seed.

    Source: "full jitter" halved, M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    longest = min(record.backoff_s * 2 ** (tries - 1), LONGEST_S)
    return longest * (0.5 + 0.5 * random.Random(seed * 1000 + tries).random())


def try_again(
    record: HandlerRecord,
    error: BaseException,
    function: Callable[[], tuple[Any, BaseException | None]],  # Any: see Tried
    *,
    seed: Callable[[], int],
    should_stop: Callable[[], bool],
) -> Tried:
    """Call a function again after its first error, as often as the handler says, as long as the errors are such that may pass.

    Args:
        record: The handler.
        error: What the first call raised.
        function: Calls, and returns the result and what was raised.
        seed: Returns the seed of the row.
        should_stop: Whether to give up waiting.
    """
    tried = Tried(error=error)
    while tried.error is not None and tried.tries <= record.retries and is_transient(record, tried.error):
        delay_s = wait_s(record, tried.tries, seed())
        if not _wait(delay_s, should_stop):
            tried.is_stopped = True
            return tried
        tried.waited_s += delay_s
        tried.tries += 1
        start = time.perf_counter()
        tried.result, tried.error = function()
        tried.elapsed_s = time.perf_counter() - start
    return tried


def _wait(delay_s: float, should_stop: Callable[[], bool]) -> bool:
    """Wait, and return whether nobody asked to stop."""
    end = time.monotonic() + delay_s
    while (left := end - time.monotonic()) > 0:
        if should_stop():
            return False
        time.sleep(min(left, _LOOK_S))
    return not should_stop()
