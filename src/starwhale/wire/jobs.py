"""Jobs and their parts, as the HTTP API shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from starwhale.domain.job import THREAD, RunRequest
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
    label: str
    """Column with what is true of a row, as the metrics that it asks for name it; empty where it asks for none."""
    prediction: str
    """Column with what the model says; empty where nobody names it."""


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
class JobSubmission:
    """A job that the server is to run: fields have the names and meanings of the options of `swcli model run`."""

    __pydantic_config__ = DOCUMENTED
    model: str
    """URI of a packaged model of this server."""
    datasets: list[str] = field(default_factory=list[str])
    """URIs of datasets of this server."""
    runtime: str = ""
    """URI of a runtime of this server; empty for the one that the model carries, or none."""
    handler: str = ""
    """Which handler; empty for the one that no other needs."""
    arguments: list[str] = field(default_factory=list[str])
    """Options of the handlers."""
    job_id: str = ""
    """40 characters that the client has chosen, so that the same request again is the same job; empty for a new one."""
    name: str = ""
    """A name by which the job can be addressed."""
    executor: str = ""
    """Where tasks run; empty for what the server is set to."""
    image: str = ""
    """Image of their containers, for executors that run some; empty for the one that the runtime names, or the server is set to."""
    replicas: int | None = None
    """Tasks that share the rows; null leaves it to the handlers."""
    fits_replicas: bool = False
    """Whether there are as many tasks as fit the machine that runs them, instead."""
    concurrency: int | None = None
    """Calls of an async predict that each task has in flight; null leaves it to the handlers."""
    dataset_head: int = 0
    """First rows of each dataset; 0 for all."""
    limit: int = 0
    """Most rows of the whole job; 0 for all."""
    max_errors: str = ""
    """Rows of each step that may fail, as `10` or `1%`."""
    time_limit_s: float = 0
    """Seconds after which it stops; 0 for no limit."""
    seed: int = 0
    """From which each row's seed is derived."""
    forbids_packaged_runtime: bool = False
    """Whether the runtime that the model carries is left alone."""

    @classmethod
    def of(cls, request: RunRequest, *, executor: str) -> JobSubmission:
        """Say what a request asks for.

        Args:
            request: With a packaged model.
            executor: Where tasks run; empty for what the server is set to.
        """
        given = {name: getattr(request, name) for name in _SAME}
        return cls(
            model=request.model_uri,
            runtime=request.runtime_uri,
            arguments=list(request.handler_arguments),
            datasets=list(request.datasets),
            executor=executor,
            **given,
        )

    def to_request(self, project: str, *, executor: str = "") -> RunRequest:
        """Return the request of a job.

        Args:
            project: Where it is kept.
            executor: Where tasks run, unless the submission says so.
        """
        return RunRequest(
            workdir="",
            modules=(),
            project=project,
            model_uri=self.model,
            runtime_uri=self.runtime,
            arguments=tuple(self.arguments),
            datasets=tuple(self.datasets),
            executor=self.executor or executor or THREAD,
            **{name: getattr(self, name) for name in _SAME},
        )


_SAME = (
    "handler", "job_id", "name", "image", "replicas", "fits_replicas", "concurrency", "dataset_head", "limit", "max_errors", "time_limit_s",
    "seed", "forbids_packaged_runtime",
)  # fmt: skip
"""Fields of a submission that a request has under the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the user writes about a job."""

    __pydantic_config__ = DOCUMENTED
    text: str
    """The whole note; empty takes it away."""
