"""How many rows of a step may fail before its job does: a count, or a share of the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starwhale.errors import UsageError

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """What `--max-errors` says."""

    text: str
    """As the user wrote it."""
    count: int | None = None
    """Most rows that may fail; None where a share is given."""
    percent: float = 0.0
    """Most of 100 rows that may fail."""

    def allows(self, failed: int, total: int) -> bool:
        """Whether so many failed rows of a step with so many rows are put up with."""
        return failed <= self.count if self.count is not None else failed * 100 <= self.percent * total


def parse_error_budget(text: str) -> ErrorBudget:
    """Read `12` or `1%`.

    Raises:
        UsageError: It is neither, or the share is above 100 %.
    """
    given = text.strip()
    if given.isascii() and given.isdigit():
        return ErrorBudget(text=given, count=int(given))
    share = _SHARE.fullmatch(given)
    if share is None or float(share[1]) > 100:
        message = f"max_errors is {text!r}"
        raise UsageError(message, hint="give a count such as 10, or a share of the rows such as 1%")
    return ErrorBudget(text=given, percent=float(share[1]))
