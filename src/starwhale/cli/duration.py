"""A length of time as people write it: `90`, `90s`, `15m`, `2h`, `1.5d`."""

from __future__ import annotations

import math

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """Seconds, or a number with one of the units s, m, h and d; more than nothing."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip().lower()
        factor = _UNITS.get(text[-1:], 1)
        try:
            seconds = float(text[:-1] if text[-1:] in _UNITS else text) * factor
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < math.inf:
            self.fail(
                f"{value!r} is no length of time; use seconds, or a number with s, m, h or d, such as 90s or 2h",
                param,
                ctx,
            )
        return seconds


TIME_LIMIT = click.option(
    "--time-limit",
    type=Duration(),
    default=None,
    metavar="TIME",
    help="Stop after so long (90s, 15m, 2h), keeping what was done; resume starts the clock anew.",
)
