"""`starwhale.utils.retry.http_retry`: try a call again after a passing HTTP or connection error."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import time
from collections.abc import Callable
from typing import Any

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_S = 60.0


def http_retry(*args: Any, **kwargs: Any) -> Any:
    """Retry a function after HTTP 408, 429, 5xx and connection errors, with exponential jitter up to 60 s.

    Args:
        args: The function, when used bare.
        kwargs: `attempts` (10) is the number of tries; `retry` decides from the exception whether to try again.
    """
    if args and callable(args[0]):
        return _wrap(args[0], 10, _is_passing)
    attempts, retry = int(kwargs.pop("attempts", 10)), kwargs.pop("retry", _is_passing)
    if kwargs:
        message = f"http_retry does not know {', '.join(sorted(kwargs))}; give attempts or retry"
        raise TypeError(message)
    return lambda function: _wrap(function, attempts, retry)


def _wrap(function: Callable[..., Any], attempts: int, retry: Callable[[BaseException], bool]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            for attempt in range(1, attempts + 1):
                try:
                    return await function(*args, **kwargs)
                except Exception as error:
                    if attempt == attempts or not retry(error):
                        raise
                    await asyncio.sleep(_pause_s(attempt))
            return None

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for attempt in range(1, attempts + 1):
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if attempt == attempts or not retry(error):
                    raise
                time.sleep(_pause_s(attempt))
        return None

    return call


def _is_passing(error: BaseException) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
    return status in _PASSING if isinstance(status, int) else isinstance(error, (ConnectionError, TimeoutError))


def _pause_s(attempt: int) -> float:
    return random.uniform(0, min(_LONGEST_S, 0.5 * 2**attempt))


__all__ = ["http_retry"]
