"""What exceptions of HTTP libraries say of a busy service."""

from __future__ import annotations

import email.message
import io
import urllib.error
from types import SimpleNamespace
from typing import Any

import pytest

from starwhale.errors import RetryLaterError, UsageError
from starwhale.handlers.calls.busy_signal import BusySignal, busy_signal

NOW_S = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:27 GMT"
"""Seven seconds later."""


def error_with(**attributes: Any) -> Exception:
    error = Exception("from a client")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def response(status_code: int = 200, **headers: str) -> SimpleNamespace:
    return SimpleNamespace(status_code=status_code, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RetryLaterError(after_s=2.5), BusySignal(2.5)),
        (RetryLaterError("later"), BusySignal(None)),
        (error_with(retry_after=3), BusySignal(3.0)),
        (error_with(retry_after="4.5"), BusySignal(4.5)),
        (error_with(response=response(429, Retry_After="2")), BusySignal(2.0)),
        (error_with(response=response(429, retry_after="2", retry_after_ms="150")), BusySignal(0.15)),
        (error_with(response=response(503, **{"Retry-After": DATE})), BusySignal(7.0)),
        (error_with(response=response(429, Retry_After="soon")), BusySignal(None)),
        (error_with(response=response(429, Retry_After="-3")), BusySignal(0.0)),
        (error_with(response=response(429, Retry_After="inf")), BusySignal(None)),
        (error_with(status_code=429), BusySignal(None)),
        (error_with(status=529), BusySignal(None)),
        (error_with(code=503), BusySignal(None)),
        (error_with(status_code=500), None),
        (error_with(code="rate_limit", response=None), None),
        (error_with(retry_after=True), None),
        (ValueError("of the user"), None),
    ],
)
def test_what_clients_say(error: Exception, expected: BusySignal | None) -> None:
    assert busy_signal(error, NOW_S) == expected


def test_errors_of_urllib_are_read() -> None:
    headers = email.message.Message()
    headers["Retry-After"] = "12"
    with io.BytesIO() as body:
        error = urllib.error.HTTPError("http://localhost", 429, "Too Many Requests", headers, body)
        assert busy_signal(error) == BusySignal(12.0)
        error.close()


@pytest.mark.parametrize("after_s", [-1, float("nan"), float("inf")])
def test_a_wait_that_is_none_is_refused(after_s: float) -> None:
    with pytest.raises(UsageError, match="after_s"):
        RetryLaterError(after_s=after_s)
