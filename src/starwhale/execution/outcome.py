"""What a job tells while it runs, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starwhale.domain.job import TaskError
from starwhale.domain.status import Status
from starwhale.errors import ExecutionError, StarwhaleError, UserCodeError, WorkerDiedError
from starwhale.storage.protocols import StepProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """How far one step is."""

    name: str
    """Name of the step."""
    status: Status
    """Where it stands."""
    rows: StepProgress | None = None
    """How many rows are done; None when it consumes none."""
    note: str = ""
    """What its tasks are waiting for, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is."""

    job_id: str
    """The job."""
    steps: tuple[StepView, ...]
    """Its steps, needs first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """How a job ended."""

    job_id: str
    """The job."""
    status: Status
    """success, failed, interrupted, paused or canceled."""
    error: StarwhaleError | None = None
    """Why it failed, or what interrupted it when that was not the user."""
    had_work: bool = True
    """Whether anything ran; False where a job was to go on that had nothing left to do."""

    @property
    def was_interrupted(self) -> bool:
        """Whether it was stopped and can go on."""
        return self.status in {Status.INTERRUPTED, Status.PAUSED, Status.CANCELED}


OnProgress = Callable[[JobProgress], None]
"""Told how far a job is."""


def make_error(error: TaskError) -> StarwhaleError:
    """Turn what was recorded of a failure into the error that is shown."""
    if not error.is_user_error:
        cls = WorkerDiedError if "worker process" in error.message else ExecutionError
        return cls(error.message, hint=f"{error.hint}: {error.log}" if error.log and error.hint else error.hint)
    message = error.message if not error.key or error.key in error.message else f"row {error.key}: {error.message}"
    made = UserCodeError(message, exception=error.exception, frame=error.frame, details=error.details, hint=error.hint)
    made.key, made.row, made.source, made.log = error.key, error.row, error.source, error.log
    return made
