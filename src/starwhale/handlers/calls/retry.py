"""Errors that pass by themselves: which they are, and how long to wait before predict is called again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.errors import RetryLaterError
from starwhale.handlers.calls.busy_signal import busy_signal
from starwhale.handlers.calls.row_clock import RowTimeoutError

LONGEST_S = 60.0
"""No wait is longer, unless a service asks for it."""
PATIENCE_S = 600.0
"""So long in all a row is put off because a service is busy; such waits do not count as retries."""
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


@dataclass(frozen=True, slots=True)
class Wait:
    """A row is to be tried again."""

    pause_s: float
    """After so long."""
    is_busy: bool
    """Whether a service wants to be left alone: other rows should wait too."""


class Patience:
    """Says after each failed try of one row, or batch, whether and when it is tried again."""

    def __init__(self, record: HandlerRecord, seed: Callable[[], int]) -> None:
        """Begin before the first try.

        Args:
            record: The handler.
            seed: Returns the seed of the row, from which the chance in its waits is drawn.
        """
        self._record = record
        self._seed = seed
        self._failed = 0
        self._put_off = 0
        self._put_off_s = 0.0

    def after(self, error: BaseException) -> Wait | None:
        """Return how long to wait after a try that raised, or None when there is no further try."""
        record = self._record
        if not is_transient(record, error):
            return None
        signal = busy_signal(error)
        if signal is None:
            self._failed += 1
            return None if self._failed > record.retries else Wait(wait_s(record, self._failed, self._seed()), False)
        self._put_off += 1
        own_s = wait_s(record, self._put_off, self._seed())
        seconds = own_s if signal.wait_s is None else signal.wait_s * (1 + 0.1 * self._chance())
        self._put_off_s += seconds
        return None if self._put_off_s > PATIENCE_S else Wait(seconds, True)

    def _chance(self) -> float:
        return random.Random(self._seed() * 1000 + self._put_off).random()


def is_transient(record: HandlerRecord, error: BaseException) -> bool:
    """Whether the handler has declared an error as one that may pass; `RetryLaterError` says so by itself."""
    if isinstance(error, RowTimeoutError):
        return False
    if isinstance(error, RetryLaterError):
        return True
    return any(f"{cls.__module__}.{cls.__qualname__}" in record.retry_on for cls in type(error).__mro__)


def wait_s(record: HandlerRecord, tries: int, seed: int) -> float:
    """Return how long to wait after so many tries: doubled with each, and less by up to a half, by chance from the row's seed.

    Source: "full jitter" halved, M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    longest = min(record.backoff_s * 2 ** (min(tries, 64) - 1), LONGEST_S)
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
    patience = Patience(record, seed)
    while tried.error is not None and (wait := patience.after(tried.error)) is not None:
        if not _wait(wait.pause_s, should_stop):
            tried.is_stopped = True
            return tried
        tried.waited_s += wait.pause_s
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
