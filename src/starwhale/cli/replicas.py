"""A number of tasks as people write it: `4`, or `auto` for as many as fit the machine."""

from __future__ import annotations

from typing import Literal

import click

Replicas = int | Literal["auto"]


class ReplicasType(click.ParamType[Replicas]):
    """A whole number from 1, or `auto`."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Replicas:
        """Return the number, or `auto`."""
        text = str(value).strip().lower()
        if text == "auto":
            return "auto"
        if not text.isdecimal() or int(text) < 1:
            self.fail(f"{value!r} is no number of tasks; use a whole number from 1, or auto", param, ctx)
        return int(text)


def split_replicas(given: Replicas | None) -> tuple[int | None, bool]:
    """Return the number of tasks, and whether it is to fit the machine."""
    return (None, True) if given == "auto" else (given, False)
