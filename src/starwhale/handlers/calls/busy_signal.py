"""What an exception says of a service that wants to be left alone: HTTP 429 and the like, and how long to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from starwhale.errors import RetryLaterError

_BUSY = frozenset({429, 503, 529})
"""HTTP status codes: too many requests, unavailable, overloaded (used by some model providers)."""


@dataclass(frozen=True, slots=True)
class BusySignal:
    """A service wants fewer calls for a while."""

    wait_s: float | None
    """Seconds that it asks for; None when it does not say."""


def busy_signal(error: BaseException, now_s: float | None = None) -> BusySignal | None:
    """Return what an exception says of a busy service, None when it says nothing.

    Looked at are `RetryLaterError.after_s`, an attribute `retry_after`, the headers `retry-after-ms` and `Retry-After` of the exception or of its
    `response` (seconds or a date, RFC 9110, 10.2.3), and the HTTP status, as the exceptions of openai, httpx, requests, aiohttp and
    urllib carry them.

    Args:
        error: What user code raised.
        now_s: Seconds since the epoch, for dates; None for the clock's.
    """
    if isinstance(error, RetryLaterError):
        return BusySignal(error.after_s)
    now_s = time.time() if now_s is None else now_s
    response = getattr(error, "response", None)
    wait_s = _seconds(getattr(error, "retry_after", None), now_s)
    for holder in (error, response):
        wait_s = _header_wait(holder, now_s) if wait_s is None else wait_s
    if wait_s is None and not (_BUSY & {_status(error), _status(response)}):
        return None
    return BusySignal(wait_s)


def _header_wait(holder: object, now_s: float) -> float | None:
    headers: Any = getattr(holder, "headers", None)  # Any: a mapping of some HTTP library
    if not hasattr(headers, "get"):
        return None
    milliseconds = _seconds(_header(headers, "retry-after-ms"), now_s)
    return milliseconds / 1000 if milliseconds is not None else _seconds(_header(headers, "retry-after"), now_s)


def _header(headers: Any, name: str) -> object:  # Any: see above
    found = headers.get(name)
    if found is None and type(headers) is dict:  # one that does not know that case means nothing here
        folded = {str(key).casefold(): value for key, value in _items(headers)}
        found = folded.get(name)
    return found


def _items(headers: Mapping[object, object]) -> list[tuple[object, object]]:
    return list(headers.items())


def _seconds(value: object, now_s: float) -> float | None:
    """Read seconds, or a date of HTTP; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(str(value)).timestamp() - now_s
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _status(holder: object) -> int | None:
    for name in ("status_code", "status", "code"):
        found = getattr(holder, name, None)
        if isinstance(found, int):
            return found
    return None
