"""How many rows may fail."""

from __future__ import annotations

import pytest

from starwhale.domain.error_budget import parse_error_budget
from starwhale.errors import UsageError


@pytest.mark.parametrize(
    ("text", "failed", "total", "is_allowed"),
    [
        ("0", 0, 10, True),
        ("0", 1, 10, False),
        (" 3 ", 3, 10, True),
        ("3", 4, 10, False),
        ("1%", 1, 100, True),
        ("1%", 1, 99, False),
        ("0.5 %", 5, 1000, True),
        ("0.5%", 6, 1000, False),
        ("100%", 10, 10, True),
        ("0%", 0, 0, True),
    ],
)
def test_a_count_or_a_share(text: str, failed: int, total: int, is_allowed: bool) -> None:
    assert parse_error_budget(text).allows(failed, total) is is_allowed


@pytest.mark.parametrize("text", ["-1", "1.5", "101%", "some", "%", "1%%", "٣", "1e3"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="max_errors is") as caught:
        parse_error_budget(text)
    assert "1%" in (caught.value.hint or "")
