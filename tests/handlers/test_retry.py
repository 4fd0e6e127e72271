"""Which errors are retried, how long is waited, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from starwhale.domain.job import HandlerRecord
from starwhale.errors import UsageError
from starwhale.handlers.calls.retry import LONGEST_S, Tried, is_transient, try_again, wait_s
from starwhale.handlers.decorators import predict
from starwhale.handlers.registry import MARK


class BusyError(ConnectionError):
    """Derived from what was declared."""


def record_of(**options: Any) -> HandlerRecord:
    @predict(**options)
    def busy(data: dict[str, Any]) -> None:
        del data

    record = getattr(busy, MARK)
    assert isinstance(record, HandlerRecord)
    return HandlerRecord.from_json(json.loads(json.dumps(record.to_json())))


def attempt(record: HandlerRecord, ends: list[BaseException | None]) -> Tried:
    left = iter(ends[1:])

    def call() -> tuple[Any, BaseException | None]:
        error = next(left)
        return ("done" if error is None else None), error

    assert ends[0] is not None
    return try_again(record, ends[0], call, seed=lambda: 7, should_stop=lambda: False)


def test_declared_errors_are_retried_others_are_not() -> None:
    record = record_of(retries=2, retry_on=(TimeoutError, ConnectionError), backoff_s=0)
    assert is_transient(record, BusyError())
    assert not is_transient(record, ValueError())
    tried = attempt(record, [TimeoutError(), BusyError(), None])
    assert (tried.result, tried.tries, tried.error) == ("done", 3, None)
    user_error = ValueError("mine")
    assert attempt(record, [user_error]).tries == 1
    tried = attempt(record, [TimeoutError(), user_error])
    assert (tried.tries, tried.error) == (2, user_error), "an error of the user ends it"
    last = BusyError("last")
    tried = attempt(record, [TimeoutError(), TimeoutError(), last])
    assert (tried.tries, tried.error) == (3, last)


def test_waits_double_with_a_jitter_that_is_the_rows_own() -> None:
    record = record_of(retries=9, retry_on=OSError, backoff_s=2)
    waits = [wait_s(record, tries, seed=1) for tries in range(1, 9)]
    for n, each in enumerate(waits):
        longest = min(2.0 * 2**n, LONGEST_S)
        assert longest / 2 <= each <= longest
    assert waits == [wait_s(record, tries, seed=1) for tries in range(1, 9)]
    assert waits != [wait_s(record, tries, seed=2) for tries in range(1, 9)]


def test_a_stop_ends_the_wait() -> None:
    record = record_of(retries=1, retry_on=OSError, backoff_s=1000)
    tried = try_again(record, OSError(), lambda: (None, None), seed=lambda: 1, should_stop=lambda: True)
    assert (tried.is_stopped, tried.tries, tried.waited_s) == (True, 1, 0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retries": -1, "retry_on": OSError}, "retries is -1"),
        ({"retries": True, "retry_on": OSError}, "retries is True"),
        ({"retries": 3}, "belong together"),
        ({"retry_on": (OSError,)}, "belong together"),
        ({"retries": 1, "retry_on": ("OSError",)}, "no class of exceptions"),
        ({"retries": 1, "retry_on": (int,)}, "no class of exceptions"),
        ({"retries": 1, "retry_on": OSError, "backoff_s": -1}, "backoff_s is -1"),
        ({"retries": 1, "retry_on": OSError, "backoff_s": float("nan")}, "backoff_s is nan"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        record_of(**options)
