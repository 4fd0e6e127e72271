"""What a running job shows: one line per step with its rows, on a terminal's stderr only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from starwhale.cli.app import CliApp, make_console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from starwhale.execution.start import JobProgress, RunOptions


class ProgressLines:
    """Draws the steps of a running job while it is entered; draws nothing where stderr is no terminal."""

    def __init__(self, app: CliApp, *, is_debug: bool = False) -> None:
        """Look whether there is something to draw on.

        Args:
            app: The call.
            is_debug: Whether the terminal belongs to the user's code.
        """
        self._app = app
        self._is_shown = sys.stderr.isatty() and app.settings.progress and not app.verbosity and not is_debug
        self._progress: Progress | None = None
        self._lines: dict[str, TaskID] = {}

    def options(self) -> RunOptions:
        """Return how a job is run from the command line."""
        from starwhale.execution.start import RunOptions

        return RunOptions(
            argv=tuple(sys.argv),
            is_verbose=self._app.verbosity > 0,
            on_progress=self._draw if self._is_shown else None,
            on_warning=lambda text: click.echo(f"Warning: {text}", err=True),
            on_note=lambda text: click.echo(text, err=True),
        )

    def __enter__(self) -> Self:
        if self._is_shown:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._progress = Progress(*columns, console=make_console(is_terminal=True, stderr=True), transient=True)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        if self._progress is not None:
            self._progress.stop()

    def _draw(self, job: JobProgress) -> None:
        if self._progress is None:
            return
        for step in job.steps:
            if step.name not in self._lines:
                self._lines[step.name] = self._progress.add_task(step.name, total=step.total or None, note="")
            note = f"{step.status}, {step.failed} failed" if step.failed else str(step.status)
            self._progress.update(self._lines[step.name], completed=step.done, total=step.total or None, note=note)
