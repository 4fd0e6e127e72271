"""What is answered when something is wrong (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.wire.page import DOCUMENTED

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong, for programs and for people."""

    __pydantic_config__ = DOCUMENTED
    status: int
    """HTTP status."""
    code: str
    """A stable word: `not_found`, `usage`, `conflict`, `corrupted`, …"""
    title: str
    """The status in words."""
    message: str
    """What is wrong, naming the thing."""
    hint: str
    """What to try, or empty."""
    field: str
    """Which field of the request does not fit, such as `query.limit`; empty where none is to blame."""
    type: str = "about:blank"
    """Nothing more is to be read anywhere."""
