"""What every command gets: settings, the instance, and a way to give out results."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from starwhale.cli.visible import json_halves, visible
from starwhale.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from starwhale.instances import Instance

NARROWEST = 80
"""Columns that output is made for when it does not go to a terminal."""


class CliApp:
    """State of one `swcli` call; click hands it to each command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        """What the environment says."""
        self.wants_json = False
        """Whether `-o json` was given, before or after the command."""
        self.verbosity = settings.verbosity
        """Number of `-v`, before or after the command."""
        self._instance: Instance | None = None

    def instance(self) -> Instance:
        """Open this machine's instance at the first call; the same one afterwards."""
        if self._instance is None:
            from starwhale.instances import open_instance

            self._instance = open_instance(self.settings)
        return self._instance

    def at(self, uri: object) -> Instance:
        """Return the instance that a URI names; the selected one where it names none."""
        return self.instance().at(uri)

    def close(self) -> None:
        """Close what was opened."""
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def emit(self, value: object, render: Callable[[Console], None]) -> None:
        """Give out one result on stdout: `value` as JSON under `-o json`, else whatever `render` draws."""
        if self.wants_json:
            click.echo(json_text(value))
        else:
            render(make_console(sys.stdout.isatty(), columns=self.settings.columns))

    def tell(self, value: object, text: str) -> None:
        """Give out a result that is one sentence for people and `value` under `-o json`."""
        self.emit(value, lambda console: console.print(text, markup=False, highlight=False, soft_wrap=True))

    def say(self, text: str) -> None:
        """Tell something that is not a result, on stderr under `-o json` and on stdout otherwise."""
        click.echo(visible(text), err=self.wants_json)


def json_text(value: object) -> str:
    """Write a result as `-o json` gives it."""
    return json_halves(json.dumps(_finite(value), indent=4, sort_keys=True, default=_plain, ensure_ascii=False))


def make_console(is_terminal: bool, *, stderr: bool = False, columns: int | None = None) -> Console:
    """Return a console as wide as asked for, else as the terminal, else `NARROWEST`; it has colours on a terminal only.

    What users wrote stays as it is: `module:a:` is no emoji.
    """
    from starwhale.cli.visible_console import VisibleConsole

    if is_terminal:
        return VisibleConsole(stderr=stderr, emoji=False)  # rich itself knows the terminal, COLUMNS and NO_COLOR
    return VisibleConsole(stderr=stderr, width=columns or NARROWEST, color_system=None, highlight=False, emoji=False)


def _finite(value: Any) -> Any:  # Any: whatever users logged
    """Write the numbers that JSON does not have as text: "nan", "inf", "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    to_state = getattr(value, "asdict", None)
    return to_state() if callable(to_state) else str(value)
