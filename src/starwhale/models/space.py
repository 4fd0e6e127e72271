"""Whether there is enough space, asked before anything is written."""

from __future__ import annotations

from starwhale.errors import NoSpaceError

MARGIN = 64 << 20
"""Bytes that are left free: the catalog and running jobs write too."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def refuse_too_much(needed: int, free: int, what: str, place: object) -> None:
    """Raise where so many bytes do not fit.

    Args:
        needed: Bytes that would be written.
        free: Bytes that may be written.
        what: What wants them, for the message.
        place: Where they would be written, for the message.

    Raises:
        NoSpaceError: They do not fit, with a margin for others.
    """
    if needed + MARGIN > free:
        message = f"{what} needs {_shown(needed)} in {place}, where {_shown(free)} are free"
        hint = (
            f"free some space: {_shown(MARGIN)} have to be left for running jobs and the catalog; nothing was written"
        )
        raise NoSpaceError(message, hint=hint)


def fits(needed: int, free: int) -> bool:
    """Whether so many bytes fit, with a margin for others."""
    return needed + MARGIN <= free


def _shown(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"


__all__ = ["fits", "refuse_too_much"]
