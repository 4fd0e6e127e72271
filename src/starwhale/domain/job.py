"""A job and its parts: RunRequest → Job → Step → Task → Attempt, and what an executor reports of them.

Everything here is a frozen value that goes to JSON and back by `to_json` and `from_json`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.domain.machine import Demand
from starwhale.domain.status import Status

THREAD = "thread"
"""Executor whose tasks are threads of one worker process."""
PROCESS = "process"
"""Executor whose tasks are worker processes of their own."""
CONTAINER = "container"
"""Executor whose tasks are containers on this machine."""
NETWORK = "network"
"""Executor whose tasks are processes of this machine that reach their instance over HTTP alone, as tasks in Pods do."""
KUBERNETES = "kubernetes"
"""Executor whose tasks are Pods of a cluster."""
RAY = "ray"
"""Executor whose tasks are actors of a Ray cluster."""
CALLER = "caller"
"""Executor whose tasks are threads of the caller's own process: what runs functions of a script or a notebook. Nobody asks for it by name."""
ONLINE = "online"
"""Stands where a job of what was tried online has its executor, as the kind of its step does: its rows came from people and programs."""
THREADS = frozenset({THREAD, CALLER})
"""Executors whose tasks share a process."""
OF_AN_IMAGE = frozenset({CONTAINER, KUBERNETES})
"""Executors whose tasks are containers, made of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a user asks for with `swcli model run`; enough to run it again."""

    workdir: str
    """The model root: absolute path of the directory that becomes the working directory of user code."""
    modules: tuple[str, ...]
    """Modules to import, as import paths relative to `workdir`."""
    handler: str = ""
    """`module:qualname`, the function's name alone, or a position in the name-sorted list of handlers; empty for the one that no other needs."""
    datasets: tuple[str, ...] = ()
    """Dataset URIs as the user typed them."""
    arguments: tuple[str, ...] = ()
    """What stood after `--`: the options of the handlers."""
    executor: str = THREAD
    """A name of the executors' table."""
    replicas: int | None = None
    """Tasks per step that consumes rows; None leaves it to the handlers."""
    dataset_head: int = 0
    """First rows of each dataset; 0 means all."""
    limit: int = 0
    """Most rows of the whole job; 0 means all."""
    seed: int = 0
    """From which each row's seed is derived."""
    project: str = "self"
    """Where the job is kept."""
    name: str = ""
    """A name by which the job can be addressed."""
    model_name: str = ""
    """For the manifest: the name of the model or of its directory."""
    model_version: str = ""
    """Version of the packaged model; empty for a work directory."""
    job_id: str = ""
    """The id to use; empty for a new one."""
    step: str = ""
    """Run this step alone, without its needs."""
    task_index: int = -1
    """Run this task of `step` alone; -1 means all."""
    task_count: int = 0
    """With `task_index`: the number of tasks that the step is cut into; 0 leaves it."""
    model_uri: str = ""
    """Full URI of the packaged model, version included; empty for a work directory."""
    model_digest: str = ""
    """Digest of the content of the packaged model; empty for a work directory."""
    runtime_uri: str = ""
    """Full URI of the runtime that workers run in, or of the model that carries it; empty for the Python of this program."""
    runtime_version: str = ""
    """The version that the URI names, pinned."""
    runtime_digest: str = ""
    """Digest of the content of that version."""
    forbids_packaged_runtime: bool = False
    """With `model_uri`: whether the runtime that the model carries is left alone."""
    keeps_snapshot: bool = False
    """With `model_uri`: whether the job's copy of the model's files stays after it has succeeded."""
    time_limit_s: float = 0
    """Seconds after which a run of the job stops at the next batch boundaries, counted anew when it is resumed; 0 for no limit."""
    loose_options: tuple[str, ...] = ()
    """Words that stood before `--` and are no options of the program: they have to be options of the handlers."""
    is_debug: bool = False
    """Whether rows are tried one after another in one worker with the terminal attached."""
    row: str = ""
    """With `is_debug`: key of the only row to try; empty for all."""
    concurrency: int | None = None
    """Calls of an async predict that each task has in flight at most, instead of what the handlers say; None leaves it to them."""
    max_errors: str = ""
    """Rows of each step that may fail before the job does, as `10` or `1%`; they are recorded. Empty leaves it to the handlers."""
    envs: tuple[str, ...] = ()
    """Environment variables that `model.yaml` declares; handlers may declare more."""
    reproduces: str = ""
    """Id of the job that this one repeats; empty for none."""
    fits_replicas: bool = False
    """Whether steps that consume rows get as many tasks as fit the machine, instead of `replicas`."""
    sample: int = 0
    """Try only so many rows, drawn at random, with the batches that they lie in; 0 means all."""
    sample_seed: int = 0
    """From which the rows of `sample` are drawn."""
    image: str = ""
    """With the executors `container` and `kubernetes`: the image of their containers; empty for the one that the runtime names."""

    @property
    def handler_arguments(self) -> tuple[str, ...]:
        """All options of the handlers, whichever side of `--` they stood on."""
        return (*self.loose_options, *self.arguments)

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRequest:
        """Read what `to_json` wrote; unknown keys of newer programs are left out."""
        return cls(**_tuples(cls, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeChanges:
    """What is to be different when a job goes on."""

    executor: str | None = None
    """Another executor; None keeps the job's."""
    image: str = ""
    """Another container image; empty keeps the job's."""
    replicas: int | None = None
    """Another number of tasks for the steps that consume rows; None keeps the job's."""
    fits_replicas: bool = False
    """Whether these steps get as many tasks as fit the machine that goes on with it."""
    concurrency: int | None = None
    """Another number of calls of an async predict in flight per task; None keeps the job's."""
    max_errors: str = ""
    """Another number of rows per step that may fail; empty keeps the job's."""
    failed: bool = False
    """Whether the rows that failed are tried again; also those of a job that has succeeded."""
    time_limit_s: float | None = None
    """Another time limit, 0 for none; None keeps the job's. The clock starts anew either way."""
    arguments: tuple[str, ...] = ()
    """Options of the handlers whose values no record keeps, because they are secrets, with their values."""

    def told(self) -> dict[str, str | int]:
        """Return what the record of the job says of how it went on."""
        replicas = "auto" if self.fits_replicas else self.replicas
        told = {"executor": self.executor, "replicas": replicas, "concurrency": self.concurrency}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRecord:
    """What discovery says of one handler; all that planning and `model info` need, without importing user code."""

    name: str
    """`module:qualname`."""
    kind: str
    """`predict`, `evaluate`, `handler`, or `serving` for what the model offers online."""
    show_name: str = ""
    """Name for people; empty means `name`."""
    module_name: str = ""
    """Import path of the module."""
    cls_name: str = ""
    """Class of a method, or empty."""
    func_name: str = ""
    """Function or method."""
    replicas: int = 1
    """Tasks that share the step's rows."""
    needs: tuple[str, ...] = ()
    """Names of the handlers that must have succeeded before."""
    require_dataset: bool = False
    """Whether the step consumes datasets that the user must give."""
    datasets: tuple[str, ...] = ()
    """Dataset URIs to use when the user gives none."""
    resources: tuple[Json, ...] = ()
    """`[{type, request, limit}]`."""
    batch_size: int = 1
    """Rows per call of predict."""
    is_async: bool = False
    """Whether it is an `async def`."""
    concurrency: int = 1
    """Calls of an async predict that one task has in flight at most."""
    fail_on_error: bool = True
    """Whether an error of one row fails the task."""
    retries: int = 0
    """How often predict is called again for a row after an error of `retry_on`."""
    retry_on: tuple[str, ...] = ()
    """Exceptions that may pass by themselves, as `module.Class`; classes derived from them too."""
    timeout_s: float = 0.0
    """Seconds that one call of predict may take; 0 for no limit."""
    backoff_s: float = 1.0
    """Seconds before the first retry, about; they double with each."""
    auto_log: bool = True
    """predict: outputs are logged; evaluate: it receives the logged outputs."""
    log_mode: str = "pickle"
    """`pickle` or `plain`."""
    log_features: tuple[str, ...] | None = None
    """Features to log beside the output; None means all."""
    seed_globals: bool = False
    """Whether the global random generators are seeded per row."""
    expose: int = 0
    """Port for serving; 0 for none."""
    virtual: bool = False
    """Made by the system rather than by a decorator."""
    arguments: Json | None = None
    """Options that the handler declares, by `module:Class` and field."""
    extra_args: tuple[Any, ...] = ()
    """Positional arguments given at registration."""
    extra_kwargs: Json = field(default_factory=dict[str, Any])
    """Keyword arguments given at registration."""
    doc: str = ""
    """First line of the handler's docstring."""
    envs: tuple[str, ...] = ()
    """Environment variables that the handler declares, whose values the record of a job keeps."""
    service_spec: Json | None = None
    """Of the handler `serving`: what the model offers online."""
    metrics: Json | None = None
    """predict: what is to be computed of its results, as a `WantedMetrics`."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HandlerRecord:
        """Read what `to_json` wrote."""
        return cls(**_tuples(cls, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInput:
    """One dataset of a job, pinned to an immutable version."""

    uri: str
    """Full URI with the version."""
    given: str
    """What the user typed."""
    dataset_id: str
    """Key under which the store keeps the dataset's files; the address of one that is elsewhere, as `dataset_place` has it."""
    project: str
    """Project name."""
    name: str
    """Dataset name."""
    version: str
    """Whole version id."""
    manifest_digest: str
    """Digest of the version's manifest."""
    row_count: int
    """Rows that this job consumes: after `dataset_head` and `limit`."""
    start: int = 0
    """Rank of the first of them; only where a single row was asked for it is not 0."""
    chosen: tuple[int, ...] = ()
    """Ranks of the rows of a sample, sorted; the batches that they lie in are tried whole. Empty where nothing was drawn."""
    id_suffix: str = ""
    """`@<12 characters>` when two versions of the name are in the job, else empty."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DatasetInput:
        """Read what `to_json` wrote."""
        return cls(**_tuples(cls, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a job's graph."""

    name: str
    """Unique within the job: the handler's name."""
    record: HandlerRecord
    """The handler that its tasks call."""
    needs: tuple[str, ...] = ()
    """Steps that must have succeeded before."""
    replicas: int = 1
    """Tasks that share the step's rows; at least 1."""
    concurrency: int = 1
    """Calls of predict that each of them has in flight at most; above 1 for an async predict only."""
    consumes_rows: bool = False
    """Whether its rows are cut into ranges; otherwise each task has one range of its own."""
    id_step: str = ""
    """What distinguishes the ids of its results: empty for the first predict step, the name for others."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        """Read what `to_json` wrote; unknown keys of newer programs are left out."""
        return cls(**_tuples(cls, {**data, "record": HandlerRecord.from_json(data["record"])}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One of a step's equal copies: everything a worker needs to run it."""

    id: str
    """`<job id>/<step position>/<index>`, unique in the instance."""
    job_id: str
    """Job that the task belongs to."""
    step: Step
    """Step that the task belongs to."""
    index: int
    """0 … total - 1."""
    total: int
    """Tasks of the step."""
    attempt: int
    """1 for the first try."""
    request: RunRequest
    """What the user asked for."""
    datasets: tuple[DatasetInput, ...] = ()
    """Datasets of the job, in the order of the request."""
    demand: Demand = field(default_factory=Demand)
    """What it holds of the machine while it runs."""
    accelerators: tuple[int, ...] = ()
    """Positions of its own accelerators among those that its process sees; the executor says which."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Read what `to_json` wrote."""
        parts: dict[str, Any] = {
            "step": Step.from_json(data["step"]),
            "request": RunRequest.from_json(data["request"]),
            "datasets": tuple(DatasetInput.from_json(each) for each in data["datasets"]),
            "demand": Demand.from_json(data["demand"]),
            "accelerators": tuple(data["accelerators"]),
        }
        return cls(**{**data, **parts})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task, or one row of it, failed."""

    message: str
    """One line: what was wrong."""
    exception: str = ""
    """`Type: text`, or empty when no exception was raised."""
    frame: str = ""
    """`file:line in function` in the user's code, or empty."""
    details: str = ""
    """Traceback, the user's frames first."""
    key: str = ""
    """Row that failed, as `<dataset>: <key>`, or empty."""
    row: str = ""
    """The same row as `--row` takes it, `<dataset>:<key>`; empty where it was not one row alone."""
    source: str = ""
    """The lines of the user's code around the one that failed, or empty."""
    log: str = ""
    """File with what the task printed, or empty."""
    hint: str = ""
    """What to try, or empty."""
    is_user_error: bool = True
    """Whether user code failed; otherwise it is the machine or the program."""
    step: str = ""
    """Step in which it happened, or empty."""
    task: int | None = None
    """Index of the task; None outside of tasks."""
    attempt: int = 0
    """Attempt of the task, from 1; 0 outside of tasks."""
    tries: int = 0
    """How often the row was tried; 0 where it was not one row."""
    output: str = ""
    """The end of what the task, or its worker process, had printed."""
    exit_code: int | None = None
    """With which the worker process ended; None where it lives on, or was killed by a signal."""
    signal: str = ""
    """By which the worker process was killed, as `SIGSEGV`; or empty."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskError:
        """Read what `to_json` wrote."""
        return cls(**_tuples(cls, data))

    def columns(self) -> dict[str, Any]:  # Any: cells
        """Return what the table `errors` keeps of a failed row, beside its key; what is not known is None."""
        return {
            "exception": self.exception,
            "message": self.message,
            "frame": self.frame,
            "traceback": self.details,
            "step": self.step or None,
            "task": self.task,
            "attempt": self.attempt or None,
            "tries": self.tries or None,
            "output": self.output or None,
            "exit_code": self.exit_code,
            "signal": self.signal or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdate:
    """What an executor reports: how one submitted task ended. Exactly one for each."""

    task_id: str
    """Task that was submitted."""
    attempt: int
    """Its try."""
    status: Status
    """success, failed, canceled or interrupted."""
    error: TaskError | None = None
    """Why, unless it succeeded."""
    worker_died: bool = False
    """Whether the worker process ended on its own; such a task may be tried again."""
    is_renewal: bool = False
    """Whether the worker process is ended on purpose, because of a call that does not end; the task goes on in a new one."""
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the attempt used, by the names of `domain.usage`."""
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    """Versions of the packages that its process had imported by then."""

    def to_json(self) -> Json:
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TaskUpdate:
        """Read what `to_json` wrote."""
        error = None if data["error"] is None else TaskError.from_json(data["error"])
        parts: dict[str, Any] = {"status": Status(data["status"]), "error": error}  # Any: fields of several types
        return cls(**{**data, **parts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a handler of a model over datasets, with everything that it needs."""

    id: str
    """40 characters."""
    request: RunRequest
    """What the user asked for."""
    handler: str
    """Full name of the handler that was asked for."""
    steps: tuple[Step, ...]
    """Needs first."""
    datasets: tuple[DatasetInput, ...]
    """Pinned versions, in the order of the request."""
    status: Status = Status.CREATED
    """Where it stands."""


def env_names(names: Iterable[object]) -> tuple[str, ...]:
    """Return names of environment variables, each once.

    Raises:
        ValueError: One of them is no name; `NAME=VALUE` is none, because a value belongs in the environment.
    """
    found = list(names)
    for each in found:
        if not isinstance(each, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", each):
            shown = repr(each.partition("=")[0] + "=…" if isinstance(each, str) and "=" in each else each)
            message = f"{shown} is not the name of an environment variable"
            raise ValueError(message)
    return tuple(dict.fromkeys(str(each) for each in found))


def _tuples(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the known fields, with JSON lists turned back into tuples."""
    known = {each.name for each in dataclasses.fields(cls)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in known}
