"""How far a job is, drawn below a notebook's cell: bars of ipywidgets where that is installed, else a small table that is drawn anew."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from starwhale.domain.status import Status

if TYPE_CHECKING:
    from starwhale.execution.outcome import JobProgress, StepView

_LABELS = {Status.SUCCESS: "success", Status.FAILED: "danger", Status.RUNNING: "info"}
_ENDED = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED, Status.INTERRUPTED, Status.PAUSED})


class Board(Protocol):
    """Draws the steps of a job in a cell's output; the first time it is told of them, and then anew."""

    def draw(self, job: JobProgress, note: str) -> None:
        """Show how far the job is, and a note beside it."""
        ...


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose cells show more than text."""
    ipython = sys.modules.get("IPython")  # a notebook has loaded it; nobody else needs it
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


def make_board(clock: Callable[[], float] = time.monotonic) -> Board | None:
    """Return what draws in this cell; None where there is no notebook."""
    if not in_notebook():
        return None
    speed = StepSpeed(clock)
    return Bars(speed) if importlib.util.find_spec("ipywidgets") else Table(speed)


class StepSpeed:
    """Rows per second of each step, since it was seen first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}

    def text(self, step: StepView) -> str:
        now, so_far = self._clock(), 0 if step.rows is None else step.rows.done
        began, done = self._first.setdefault(step.name, (now, so_far))
        if so_far <= done or now - began < 1 or step.status in _ENDED:
            return ""
        return f"{(so_far - done) / (now - began):,.0f} rows/s"


def _words(step: StepView, speed: StepSpeed) -> str:
    """Say how far one step is, in words."""
    if step.rows is None or not step.rows.total:
        return str(step.status)
    failed = f"{step.rows.failed} failed" if step.rows.failed else ""
    found = [f"{step.rows.done:,} of {step.rows.total:,} rows", failed, step.note, speed.text(step)]
    return ", ".join(filter(None, found))


def _bar(step: StepView) -> tuple[int, int]:
    """Return how full its bar is, and how long; a step without rows is full when it has succeeded."""
    if step.rows is None or not step.rows.total:
        return int(step.status is Status.SUCCESS), 1
    return step.rows.done, step.rows.total


def _short(step: StepView) -> str:
    return step.name.rpartition(":")[2]


class Table:
    """An HTML table that is drawn anew: every front end of notebooks can show it."""

    def __init__(self, speed: StepSpeed) -> None:
        self._speed = speed
        self._handle: Any = None  # Any: IPython ships no types

    def draw(self, job: JobProgress, note: str) -> None:
        """Show how far the job is, and a note beside it."""
        display: Any = importlib.import_module("IPython.display")
        shown = display.HTML(table_html(job, note, self._speed))
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def table_html(job: JobProgress, note: str, speed: StepSpeed) -> str:
    """Draw the steps as a table; everything that users wrote is escaped."""
    rows = "".join(
        f'<tr><td style="text-align:left">{escape(_short(step))}</td>'
        f'<td><progress max="{size}" value="{done}"></progress></td>'
        f'<td style="text-align:left">{escape(_words(step, speed))}</td></tr>'
        for step, (done, size) in ((step, _bar(step)) for step in job.steps)
    )
    told = f"<div>{escape(note)}</div>" if note else ""
    return (
        f'<div class="starwhale-progress">job <code>{escape(job.job_id[:12])}</code><table>{rows}</table>{told}</div>'
    )


class Bars:
    """Bars of ipywidgets."""

    def __init__(self, speed: StepSpeed) -> None:
        self._speed = speed
        self._widgets: Any = importlib.import_module("ipywidgets")  # Any: it ships no types
        self._bars: dict[str, tuple[Any, Any]] = {}  # Any: widgets
        self._note: Any = None  # Any: a widget

    def draw(self, job: JobProgress, note: str) -> None:
        """Show how far the job is, and a note beside it."""
        if not self._bars:
            self._show(job)
        for step in job.steps:
            bar, text = self._bars[step.name]
            done, bar.max = _bar(step)
            bar.value = done
            bar.bar_style = _LABELS.get(step.status, "")
            text.value = _words(step, self._speed)
        self._note.value = note

    def _show(self, job: JobProgress) -> None:
        widgets = self._widgets
        lines: list[Any] = []  # Any: widgets
        for step in job.steps:
            name = widgets.Label(_short(step), layout=widgets.Layout(width="12em"))
            bar, text = widgets.IntProgress(), widgets.Label()
            self._bars[step.name] = bar, text
            lines.append(widgets.HBox([name, bar, text]))
        self._note = widgets.Label()
        display: Any = importlib.import_module("IPython.display")
        display.display(widgets.VBox([widgets.Label(f"job {job.job_id[:12]}"), *lines, self._note]))
