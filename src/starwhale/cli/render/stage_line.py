"""What long work is at, and for how long already: one line of the terminal that is written over, and wiped at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from starwhale.cli.app import CliApp

if TYPE_CHECKING:
    from starwhale.runtimes.environment import OnStage

_TICK_S = 1.0


class StageLine:
    """Draws on stderr while it is entered; draws nothing where stderr is no terminal."""

    def __init__(self, app: CliApp) -> None:
        self._is_shown = sys.stderr.isatty() and app.settings.progress
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="stage", daemon=True)
        self._text = ""
        self._since = 0.0

    @property
    def on_stage(self) -> OnStage | None:
        """What the work calls; None where nobody looks on."""
        return self._stage if self._is_shown else None

    def begin(self, text: str) -> None:
        """Say what is being done, where somebody looks on; what is begun next takes its place."""
        if self._is_shown:
            self._stage(text)

    def say(self, text: str) -> None:
        """Tell something on stderr that stays, in a line of its own."""
        self.beside(lambda told: click.echo(told, err=True))(text)

    def beside(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return what tells something in a line of its own by other means."""

        def told(text: str) -> None:
            with self._lock:
                if self._text:
                    click.echo("\r\x1b[K", err=True, nl=False)
                say(text)
                self._draw()

        return told

    def __enter__(self) -> Self:
        if self._is_shown:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self._ended.set()
        if self._is_shown:
            self._ticker.join()
            self._stage("")

    def _stage(self, text: str) -> None:
        with self._lock:
            if self._text and not text:
                click.echo("\r\x1b[K", err=True, nl=False)
            self._text, self._since = text, time.monotonic()
            self._draw()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._text:
            passed = int(time.monotonic() - self._since)
            shown = f"{self._text} … {passed} s" if passed else f"{self._text} …"
            click.echo(f"\r{shown}\x1b[K", err=True, nl=False)


__all__ = ["StageLine"]
