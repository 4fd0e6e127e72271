"""What the catalog answers with of jobs: frozen values; opening a dataset needs none of them. The standard library is all that they need.

Bodies of requests are made of their annotations, so that what they name is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starwhale.domain.job import DatasetInput, RunRequest, Step, TaskError
from starwhale.domain.json_shape import JsonView
from starwhale.domain.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The process that runs a job, so that it can be told from a later one with the same number."""

    pid: int
    """Process id."""
    start_time: str
    """When the process started, as the system writes it."""
    boot_id: str
    """Which start of the machine the process belongs to; empty where the system does not say."""
    host: str
    """Name of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as the catalog knows it."""

    id: str
    """40 characters."""
    project: str
    """Name of its project."""
    name: str
    """Name that the user gave, or empty."""
    handler: str
    """Full name of the handler that was asked for."""
    status: Status
    """Where it stands; `interrupted` when its driver is gone, whatever was written last."""
    request: RunRequest
    """What the user asked for."""
    datasets: tuple[DatasetInput, ...]
    """Pinned versions, in the order of the request."""
    record: JsonView
    """What it ran on: versions, platform, git state, argv, seed, source digest."""
    driver: Driver | None
    """The process that runs it, or None."""
    created_at: float
    """Seconds since the epoch."""
    finished_at: float | None
    """Seconds since the epoch, or None."""
    error: TaskError | None
    """Why it failed."""
    is_removed: bool
    """Whether it was removed and may be recovered."""

    @property
    def is_imported(self) -> bool:
        """Whether it came in an archive: then it can be read, and not gone on with."""
        return bool(self.record.get("imported"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step of a job as the catalog knows it."""

    position: int
    """Position among the job's steps, needs first."""
    step: Step
    """The step."""
    status: Status
    """Where it stands."""
    started_at: float | None
    """Seconds since the epoch, or None."""
    finished_at: float | None
    """Seconds since the epoch, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try of a task."""

    task_id: str
    """Task."""
    step: str
    """Step of the task."""
    task_index: int
    """Position of the task in its step."""
    number: int
    """1 for the first try."""
    executor: str
    """What it ran on."""
    status: Status
    """Where it stands."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float | None
    """Seconds since the epoch, or None."""
    error: TaskError | None
    """Why it failed."""
    timings: Mapping[str, float]
    """Seconds per activity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something that happened."""

    id: int
    """Grows with time."""
    job_id: str | None
    """Job that it belongs to."""
    time: float
    """Seconds since the epoch."""
    kind: str
    """What happened, in a word."""
    detail: JsonView
    """More about it."""
