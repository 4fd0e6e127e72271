"""How far a job of the SDK is, as a line that is written over."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

from starwhale.api.notebook.job_progress import ProgressLine, progress_text
from starwhale.domain.status import Status
from starwhale.execution.outcome import JobProgress, StepView
from starwhale.storage.protocols import StepProgress

if TYPE_CHECKING:
    import pytest

PROGRESS = JobProgress(
    job_id="k" * 40,
    steps=(
        StepView(
            name="m:predict", status=Status.RUNNING, rows=StepProgress(step="m:predict", done=120, failed=2, total=1000)
        ),
        StepView(name="m:evaluate", status=Status.CREATED),
    ),
)


def test_progress_is_one_line() -> None:
    assert progress_text(PROGRESS) == "job kkkkkkkkkkkk: predict 120/1000 rows, 2 failed · evaluate created"
    busy = dataclasses.replace(PROGRESS.steps[0], note="service busy, 3 s to wait")
    waiting = dataclasses.replace(PROGRESS, steps=(busy,))
    assert progress_text(waiting) == "job kkkkkkkkkkkk: predict 120/1000 rows, 2 failed, service busy, 3 s to wait"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_of_progress_is_never_longer_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setenv("COLUMNS", "20")
    with ProgressLine(is_wanted=True, clock=lambda: 9.0, stream=terminal) as line:
        assert line.on_progress is not None
        line.on_progress(PROGRESS)
    assert terminal.getvalue() == f"\r{progress_text(PROGRESS)[:19]}\r{' ' * 19}\r"


def test_progress_is_drawn_where_somebody_looks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, times = _Terminal(), iter([1.0, 1.1, 2.0])
    monkeypatch.setenv("COLUMNS", "200")
    with ProgressLine(is_wanted=True, clock=lambda: next(times), stream=terminal) as line:
        assert line.on_progress is not None
        for _ in range(3):
            line.on_progress(PROGRESS)
    text = progress_text(PROGRESS)
    assert terminal.getvalue() == f"\r{text}\r{text}\r{' ' * len(text)}\r", "twice, and away at the end"
    terminal.truncate(0)
    with ProgressLine(is_wanted=True, clock=lambda: 9.0, stream=terminal) as line:
        assert line.on_progress is not None
        line.on_progress(PROGRESS)
        assert line.stopping()
        line.on_progress(PROGRESS)
        assert "interrupt again to stop at once" in terminal.getvalue()
    with ProgressLine(is_wanted=False, stream=terminal) as line:
        assert line.on_progress is None
    with ProgressLine(is_wanted=True, stream=io.StringIO()) as line:
        assert line.on_progress is None
