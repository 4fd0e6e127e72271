"""Tracking of experiments (not built yet)."""

from __future__ import annotations

from typing import Any

from starwhale.errors import NotBuiltYetError


def _refuse(name: str) -> NotBuiltYetError:
    return NotBuiltYetError(
        f"track.{name} is not built yet", hint="use evaluation.log and evaluation.log_summary in a handler"
    )


def start(*args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
    """Begin to track (not built yet); raises NotBuiltYetError."""
    del args, kwargs
    raise _refuse("start")


def metrics(*args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
    """Record metrics (not built yet); raises NotBuiltYetError."""
    del args, kwargs
    raise _refuse("metrics")


def params(*args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
    """Record parameters (not built yet); raises NotBuiltYetError."""
    del args, kwargs
    raise _refuse("params")


def artifacts(*args: Any, **kwargs: Any) -> None:  # Any: the signature is fixed when it is built
    """Record artifacts (not built yet); raises NotBuiltYetError."""
    del args, kwargs
    raise _refuse("artifacts")


def end() -> None:
    """Stop tracking (not built yet); raises NotBuiltYetError."""
    raise _refuse("end")
