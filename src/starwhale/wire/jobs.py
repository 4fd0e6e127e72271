"""Jobs and their parts, as the HTTP API shows them."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.domain.json_shape import Json
from starwhale.wire.page import DOCUMENTED
from starwhale.wire.rows import RowView


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as the list of jobs shows it."""

    __pydantic_config__ = DOCUMENTED
    id: str
    """40 characters."""
    name: str
    """Name that the user gave, or empty."""
    project: str
    """Its project."""
    status: str
    """created, queued, running, paused, interrupted, cancelling, canceled, failed or success."""
    handler: str
    """Full name of the handler."""
    model: str
    """The packaged model with its version, or the name of the work directory."""
    datasets: list[str]
    """Datasets in short: `<name>@<12 characters of the version>`."""
    executor: str
    """What runs its tasks."""
    created_at: float
    """Seconds since the epoch."""
    finished_at: float | None
    """Seconds since the epoch, or null."""
    done: int
    """Rows that were tried."""
    failed: int
    """Rows that failed, of those."""
    rows: int
    """Rows in all."""
    tags: list[str]
    """The user's tags."""
    note: str
    """What the user wrote about it."""
    error: str
    """Why it failed, in a line; empty otherwise."""
    is_removed: bool
    """Whether it was removed and may be recovered."""
    summary: RowView
    """What it logged as its summary: single values by name."""
    intervals: dict[str, list[float]]
    """95 % intervals by the name of a metric, as low and high; only in lists, and of metrics that have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsView:
    """A page of jobs."""

    __pydantic_config__ = DOCUMENTED
    items: list[JobRow]
    """The jobs, in the order that was asked for."""
    next: str | None
    """What to give as `after` for the next page; null after the last."""
    total: int
    """Jobs that fit."""
    columns: list[str]
    """Names of all metrics that the jobs of the project have, as `summary/<name>`: what can be sorted and filtered by."""
    is_whole: bool
    """False while summaries are still being read, just after the start: sorting by a metric waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step of a job."""

    __pydantic_config__ = DOCUMENTED
    name: str
    """The handler's full name."""
    needs: list[str]
    """Steps that have to succeed before."""
    tasks: int
    """Tasks that share its rows."""
    status: str
    """Where it stands."""
    kind: str
    """`predict`, `evaluate` or `handler`."""
    done: int | None
    """Rows that were tried; null where it consumes none."""
    failed: int | None
    """Rows that failed, of those."""
    total: int | None
    """Rows in all."""
    retried: int | None
    """Rows that were tried again."""
    recovered: int | None
    """Rows, of those, that have not failed again."""
    started_at: float | None
    """Seconds since the epoch, or null."""
    finished_at: float | None
    """Seconds since the epoch, or null."""
    usage: Json | None
    """Where its time went; null before a task of it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try of a task."""

    __pydantic_config__ = DOCUMENTED
    number: int
    """1 for the first."""
    executor: str
    """What it ran on."""
    status: str
    """Where it stands."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float | None
    """Seconds since the epoch, or null."""
    error: Json | None
    """Why it failed: message, exception, row, frame, traceback."""
    timings: dict[str, float]
    """Seconds per activity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task with its attempts."""

    __pydantic_config__ = DOCUMENTED
    id: str
    """Unique in the instance."""
    step: str
    """Its step."""
    index: int
    """Position in its step, from 0."""
    status: str
    """Where its last attempt stands."""
    attempts: list[AttemptView]
    """Its attempts, the first one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """All that is told about one job."""

    __pydantic_config__ = DOCUMENTED
    job: JobRow
    """As the list shows it."""
    manifest: Json
    """What it ran on, as `swcli job info -o json` says."""
    report: Json
    """What came of it: kind, summary, labels, confusion matrix, accuracy with its interval, first errors."""
    steps: list[StepView]
    """Its steps, needs first."""
    inputs: list[str]
    """Its datasets in short: `numbers@<12 characters>, 1000 rows`."""
    dataset_uris: list[str]
    """Their URIs with versions."""
    error: Json | None
    """Why it failed: message, exception, row, frame, traceback."""
    can: list[str]
    """What may be asked of it now: `pause`, `cancel`, `resume`, `resume_failed`, `remove`, `recover`, `run_again`."""
    commands: dict[str, str]
    """What to type for it: `info`, `results`, `logs`, `resume`, `reproduce`, `compare`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a job."""

    __pydantic_config__ = DOCUMENTED
    id: int
    """Grows with time."""
    time: float
    """Seconds since the epoch."""
    kind: str
    """What happened, in a word."""
    detail: Json
    """More about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """What one attempt of a task printed, or what native code of one worker process did."""

    __pydantic_config__ = DOCUMENTED
    step: str
    """The step; empty for a worker process."""
    task: int
    """Position of the task in its step, or number of the worker process."""
    attempt: int
    """Try of the task, from 1; 0 for a worker process."""
    status: str
    """Where the attempt stands; empty for a worker process."""
    size_bytes: int
    """Bytes that there are so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a log."""

    __pydantic_config__ = DOCUMENTED
    offset: int
    """Where it begins in the log, in bytes."""
    text: str
    """The line without its end; a very long one is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Some lines of a log."""

    __pydantic_config__ = DOCUMENTED
    lines: list[LogLine]
    """The lines, in order; with `search` those that hold the text."""
    start: int
    """Offset at which the first line of these begins: give it as `before` for the lines before."""
    end: int
    """Offset behind the last: give it as `from` for what comes after, also later."""
    size_bytes: int
    """Bytes that the log has so far."""
    is_searched: bool
    """Whether everything was searched; false where a search stopped after its share of bytes, and goes on at `end`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWish:
    """How a job is to be stopped."""

    __pydantic_config__ = DOCUMENTED
    force: bool = False
    """Do not wait for the batches under way (cancel only)."""
    wait_s: float = 0.0
    """Answer when it has stopped, after so many seconds at the latest, at most 30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeWish:
    """How a job is to go on."""

    __pydantic_config__ = DOCUMENTED
    failed: bool = False
    """Try the rows that failed again too."""
    replicas: int | None = None
    """Another number of tasks; null keeps it."""
    max_errors: str = ""
    """Another number of rows that may fail, as `10` or `1%`; empty keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the user writes about a job."""

    __pydantic_config__ = DOCUMENTED
    text: str
    """The whole note; empty takes it away."""
