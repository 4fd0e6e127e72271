"""How far a job of the SDK is, where somebody looks on: drawn below a notebook's cell, else one line on stderr that is written over."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from starwhale.api.notebook.job_board import make_board

if TYPE_CHECKING:
    from starwhale.execution.outcome import JobProgress, OnProgress

_EVERY_S = 0.5


def is_watched(stream: TextIO) -> bool:
    """Whether a stream is a terminal or the output of a notebook's cell."""
    if stream.isatty():
        return True
    ipython = sys.modules.get("IPython")  # a notebook has loaded it; nobody else needs it
    return ipython is not None and ipython.get_ipython() is not None


class ProgressLine:
    """Shows the steps of a running job while it is entered: in a notebook, or as a line that is written over."""

    def __init__(
        self, *, is_wanted: bool, clock: Callable[[], float] = time.monotonic, stream: TextIO | None = None
    ) -> None:
        """Look where to write.

        Args:
            is_wanted: Whether the user's settings allow it.
            clock: Seconds, between two lines.
            stream: Where to write; None for stderr, as it is now.
        """
        self._stream = stream or sys.stderr  # before tasks redirect it to their logs
        self._is_shown = is_wanted and is_watched(self._stream)
        self._clock = clock
        self._drawn_at = 0.0
        self._width = 0
        self._note = ""
        self._board = make_board(clock) if self._is_shown else None
        self._last: JobProgress | None = None

    @property
    def on_progress(self) -> OnProgress | None:
        """What a job calls; None where nobody looks on."""
        return self._draw if self._is_shown else None

    @property
    def on_stage(self) -> Callable[[str], None] | None:
        """What is called while the environment of a runtime is made; None where nobody looks on."""
        return self._write if self._is_shown else None

    def note(self, text: str) -> None:
        """Say what was chosen for the user, on a line of its own."""
        if self._is_shown:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def stopping(self) -> bool:
        """Say that the job stops, and what to do when that takes too long; always true."""
        if self._is_shown and not self._note:
            self._note = " · stopping at the next batch; interrupt again to stop at once"
            self._drawn_at = 0.0
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        if self._board is not None and self._last is not None:
            self._board.draw(self._last, "")  # how it ended stays to be seen
        if self._width:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, job: JobProgress) -> None:
        now, self._last = self._clock(), job
        if now - self._drawn_at < _EVERY_S:
            return
        self._drawn_at = now
        if self._board is not None:
            self._board.draw(job, self._note.removeprefix(" · "))
        else:
            self._write(progress_text(job) + self._note)

    def _write(self, text: str) -> None:
        if self._stream.isatty():  # what a terminal breaks over two lines cannot be written over
            text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)


def progress_text(job: JobProgress) -> str:
    """Say how far each step is.

    Example: `job k3x5…: predict 120/1000 rows, 2 failed · evaluate created`
    """
    shown: list[str] = []
    for step in job.steps:
        name = step.name.rpartition(":")[2]
        if step.rows is None or not step.rows.total:
            shown.append(f"{name} {step.status}")
            continue
        failed = f", {step.rows.failed} failed" if step.rows.failed else ""
        note = f", {step.note}" if step.note else ""
        shown.append(f"{name} {step.rows.done}/{step.rows.total} rows{failed}{note}")
    return f"job {job.job_id[:12]}: {' · '.join(shown)}"
