"""What a running job shows: one line per step with its rows, on a terminal's stderr only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starwhale.cli.app import CliApp, make_console
from starwhale.cli.render.stage_line import StageLine

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from starwhale.execution.outcome import JobProgress
    from starwhale.execution.run_options import RunOptions


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
        self._before = StageLine(app)

    def options(self) -> RunOptions:
        """Return how a job is run from the command line."""
        from starwhale.execution.run_options import RunOptions

        return RunOptions(
            argv=tuple(sys.argv),
            is_verbose=self._app.verbosity > 0,
            on_progress=self._draw if self._is_shown else None,
            on_stage=self._before.on_stage,
            on_warning=lambda text: self._before.say(f"Warning: {text}"),
            on_note=self._before.say,
        )

    def __enter__(self) -> Self:
        self._before.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._before.__exit__(kind, error, trace)
        if self._progress is not None:
            self._progress.stop()

    def _begin(self) -> Progress:
        """Start to draw the steps; what was shown before them has been wiped."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        progress = Progress(*columns, console=make_console(is_terminal=True, stderr=True), transient=True)
        progress.start()
        return progress

    def _draw(self, job: JobProgress) -> None:
        if self._progress is None:
            self._progress = self._begin()
        for step in job.steps:
            done, failed, total = (
                (0, 0, 0) if step.rows is None else (step.rows.done, step.rows.failed, step.rows.total)
            )
            if step.name not in self._lines:
                self._lines[step.name] = self._progress.add_task(step.name, total=total or None, note="")
            note = ", ".join(filter(None, (str(step.status), f"{failed} failed" if failed else "", step.note)))
            self._progress.update(self._lines[step.name], completed=done, total=total or None, note=note)
