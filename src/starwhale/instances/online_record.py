"""What is tried online and kept: a job per function of a model, whose table `results` has a row per request.

Rows are written in the background, at most a second after their answer; what a person says of an answer is written before that is acknowledged. A job
begins with the first request that it keeps, and has succeeded when the server ends.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.domain.job import ONLINE, HandlerRecord, Job, RunRequest, Step, Task, TaskUpdate
from starwhale.domain.json_shape import Json
from starwhale.domain.status import Status
from starwhale.domain.version import NAME_LENGTH
from starwhale.domain.wanted_metrics import FIGURES
from starwhale.errors import NotFoundError, StarwhaleError
from starwhale.execution.provenance import describe_job, describe_machine, without_secrets
from starwhale.handlers.form import MEDIA
from starwhale.handlers.log_buffer import LogBuffer
from starwhale.media.audio import Audio
from starwhale.media.image import Image
from starwhale.media.text import Text
from starwhale.media.video import Video
from starwhale.results.read import JobTables
from starwhale.results.tried import RESULTS, count_tried
from starwhale.serving.values import decode
from starwhale.storage.catalog.driver import this_driver
from starwhale.storage.part import PartDraft
from starwhale.storage.task_side import JobSide, LocalTaskStores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starwhale.instances.instance import Instance
    from starwhale.instances.online import Prepared
    from starwhale.serving.endpoint import Endpoint
    from starwhale.storage.stores import Stores

logger = logging.getLogger(__name__)
FLUSH_S = 0.5
"""Seconds between two writes."""
WAITING_ROWS = 10_000
"""Rows that wait to be written, at most: whoever brings one more waits for the write, and where nothing can be written the oldest are lost."""
WAITING_BYTES = 256 << 20
"""Bytes of them, at most."""
KEPT_REQUESTS = 100_000
"""Requests of which a verdict can still be given."""
_HINTS: Mapping[str, Any] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "text": Text,
    "binary": bytes,
}  # Any: classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A request that was answered."""

    trial: str
    """Id of its row: the same for requests of several models with one input."""
    body: bytes
    """JSON of what was asked."""
    answer: bytes
    """JSON of the answer; empty where it failed, or is too long to be kept."""
    error: str = ""
    """Why it failed."""
    latency_s: float = 0.0
    """From its arrival to its answer."""
    seconds: float = 0.0
    """Of that the call of the function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person says of an answer."""

    verdict: str = ""
    """`good` or `bad`."""
    corrected: Any = None  # Any: JSON
    """The right answer, where the person gave one."""
    has_corrected: bool = False
    """Whether there is one: it may be null."""
    note: str = ""
    """Words of the person's."""


class FunctionRecord:
    """What is kept of one function of one model; safe to use from several threads."""

    def __init__(self, stores: Stores, prepared: Prepared, endpoint: Endpoint, argv: Sequence[str]) -> None:
        self._stores, self._prepared, self._endpoint, self._argv = stores, prepared, endpoint, argv
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: deque[tuple[str, Tried | Verdict]] = deque()
        self._size = 0
        self._is_stuck = False
        self._task: Task | None = None
        self._side: LocalTaskStores | None = None
        self.rows = 0
        """Requests that were kept."""
        self.lost = 0
        """Requests and verdicts that could not be written, and were too many to wait."""
        self._told_lost = 0

    @property
    def job_id(self) -> str:
        """The job; empty before the first request."""
        return "" if self._task is None else self._task.job_id

    def add(self, row: str, what: Tried | Verdict) -> None:
        """Keep an answer, or what was said of one, with the next write."""
        with self._lock:
            self._waiting.append((row, what))
            self._size += _size_of(what)
            is_full = len(self._waiting) >= WAITING_ROWS or self._size > WAITING_BYTES
            if is_full and self._is_stuck:  # the last write failed: whoever asks does not wait for the next
                self._drop_oldest()
                return
        if is_full:
            _flush(self)  # what goes wrong with it is no business of who asked

    def flush(self) -> None:
        """Write what waits.

        Raises:
            NoSpaceError: The disk is full; what waits is tried again with the next write, the newest that there is room for.
        """
        with self._writing:
            with self._lock:
                waiting, self._waiting = self._waiting, deque()
                size, self._size = self._size, 0
            if not waiting:
                return
            try:
                self._commit(waiting)
            except BaseException:
                with self._lock:
                    self._is_stuck = True
                    self._waiting.extendleft(reversed(waiting))
                    self._size += size
                    self._drop_oldest()
                raise
            finally:
                self._tell_lost()
            self._is_stuck = False
            self.rows += sum(isinstance(each, Tried) for _, each in waiting)

    def _tell_lost(self) -> None:
        with self._lock:
            lost, self._told_lost = self.lost - self._told_lost, self.lost
        if lost:
            logger.error("lost, because more than can wait could not be written: %s", counted(lost, "request"))

    def _drop_oldest(self) -> None:
        while len(self._waiting) > WAITING_ROWS or (self._size > WAITING_BYTES and len(self._waiting) > 1):
            _, oldest = self._waiting.popleft()
            self._size -= _size_of(oldest)
            self.lost += 1

    def _commit(self, waiting: Iterable[tuple[str, Tried | Verdict]]) -> None:
        buffer = LogBuffer()
        for row, what in waiting:
            try:
                buffer.log(RESULTS, row, self._columns(what))
            except (StarwhaleError, ValueError, RecursionError) as error:  # a name or value that no table can hold
                logger.warning("request %s cannot be kept: %s", row, error)
        self._write(buffer)

    def _write(self, buffer: LogBuffer) -> None:
        task, side = self._begun()
        side.commit(PartDraft(tables=buffer.drain()))
        with self._stores.catalog.write() as connection:
            self._stores.catalog.parts.finalize(connection, task.id, task.attempt)

    def end(self) -> None:
        """Write what waits, and end the job."""
        self.flush()
        if self._task is None:
            return
        jobs, task = self._stores.catalog.jobs, self._task
        summary, tried = LogBuffer(), count_tried(JobTables(self._stores, jobs.find(task.job_id)))
        summary.log_summary(tried.to_summary())
        self._write(summary)
        jobs.add_to_record(task.job_id, lambda _: {FIGURES: tried.to_figures().to_json()})
        jobs.record_attempt_end(TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.SUCCESS))
        jobs.record_step(task.job_id, task.step.name, Status.SUCCESS)
        self._stores.results.compact(task.job_id, task.step.name)
        jobs.set_status(task.job_id, Status.SUCCESS)

    def _begun(self) -> tuple[Task, LocalTaskStores]:
        """Begin the job, if it has not begun."""
        if self._task is None or self._side is None:
            job = self._job()
            record = {
                **describe_machine(self._argv),
                **describe_job(job),
                **self._prepared.record,
                ONLINE: {"api": self._endpoint.name, "model": self._prepared.source.id},
            }
            jobs = self._stores.catalog.jobs
            jobs.create(without_secrets(job), record, this_driver())
            jobs.set_status(job.id, Status.RUNNING)
            step = job.steps[0]
            task = Task(id=f"{job.id}/0/0", job_id=job.id, step=step, index=0, total=1, attempt=1, request=job.request)
            jobs.record_attempt_start(task, ONLINE)
            jobs.record_step(job.id, step.name, Status.RUNNING)
            self._task, self._side = task, LocalTaskStores(task, JobSide(self._stores, job.steps, ()))
            logger.warning(
                "model=%s api=%s: requests are kept as job %s", self._prepared.source.id, self._endpoint.name, job.id
            )
        return self._task, self._side

    def _job(self) -> Job:
        endpoint, request = self._endpoint, self._prepared.request
        name = endpoint.handler or endpoint.name
        record = HandlerRecord(name=name, kind=ONLINE, doc=endpoint.doc)
        called = re.sub(r"[^A-Za-z0-9._-]+", "-", f"tried-{endpoint.name}-{self._prepared.source.id}")[:NAME_LENGTH]
        asked: RunRequest = dataclasses.replace(request, handler=name, job_id="", executor=ONLINE, name=called)
        return Job(
            id=self._stores.catalog.make_id(),
            request=asked,
            handler=name,
            steps=(Step(name=name, record=record),),
            datasets=(),
        )

    def _columns(self, what: Tried | Verdict) -> Json:
        if isinstance(what, Verdict):
            said: Json = {
                "verdict": what.verdict or None,
                "good": {"good": 1.0, "bad": 0.0}.get(what.verdict),
                "note": what.note or None,
            }
            return {**said, **({"corrected": _value(what.corrected, {})} if what.has_corrected else {})}
        fields: Mapping[str, Json] = self._endpoint.form.get("properties", {})
        given: Json = json.loads(what.body or b"{}")
        inputs = {name: _value(each, fields.get(name, {})) for name, each in given.items()}
        row: Json = {"input": inputs, "latency_seconds": what.latency_s, "duration_seconds": what.seconds}
        if what.error:
            return {**row, "error": what.error}
        return {**row, "output": _value(json.loads(what.answer or b"null"), {})}


class OnlineRecord:
    """What is kept of all models that a server serves; writes in a thread of its own until it is closed."""

    def __init__(self, instance: Instance, argv: Sequence[str]) -> None:
        """Begin to write.

        Args:
            instance: Where the jobs will lie; it stays open for as long as this.
            argv: How the server was started.
        """
        self._stores, self._argv = instance.stores, argv
        self._functions: dict[tuple[str, str], FunctionRecord] = {}
        self._requests: dict[str, tuple[FunctionRecord, str]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write, name="online-record", daemon=True)
        self._thread.start()

    def cover(self, prepared: Prepared, endpoints: Sequence[Endpoint]) -> None:
        """Keep what the functions of a model are asked from now on."""
        for each in endpoints:
            key = prepared.source.id, each.name
            self._functions[key] = FunctionRecord(self._stores, prepared, each, self._argv)

    def keep(self, model: str, api: str, request: str, tried: Tried) -> None:
        """Keep an answer."""
        found = self._functions[model, api]
        found.add(tried.trial, tried)
        self._requests[request] = found, tried.trial
        if len(self._requests) > KEPT_REQUESTS:
            del self._requests[next(iter(self._requests))]

    def judge(self, request: str, verdict: Verdict) -> str:
        """Keep what a person says of an answer; it is written when this returns.

        Returns:
            The job that it stands in.

        Raises:
            NotFoundError: No such request was kept.
        """
        found = self._requests.get(request)
        if found is None:
            raise NotFoundError(
                f"no request {request[:60]!r} was kept",
                hint="answers of this server, kept with --record, can be judged",
            )
        function, row = found
        function.add(row, verdict)
        function.flush()
        return function.job_id

    def jobs(self, model: str) -> dict[str, FunctionRecord]:
        """Return what is kept of a model by function, as far as there is anything."""
        return {api: each for (name, api), each in self._functions.items() if name == model and each.job_id}

    def flush(self) -> None:
        """Write what waits of all functions."""
        for each in list(self._functions.values()):
            each.flush()

    def close(self) -> None:
        """Write what waits, and end the jobs."""
        self._ends.set()
        self._thread.join()
        for each in self._functions.values():
            each.end()

    def _write(self) -> None:
        while not self._ends.wait(FLUSH_S):
            for each in list(self._functions.values()):
                _flush(each)


def _flush(record: FunctionRecord) -> None:
    """Write what waits; where that fails it is told in the log, and waits on."""
    try:
        record.flush()
    except StarwhaleError as error:
        logger.error("requests cannot be kept, and are tried again: %s", error)  # noqa: TRY400 - the message says it all
    except Exception:
        # The entry point of the thread that writes: were it to end here, nothing would be kept any more, and nobody would be told.
        logger.exception("requests cannot be kept, and are tried again")


def _size_of(what: Tried | Verdict) -> int:
    return len(what.body) + len(what.answer) if isinstance(what, Tried) else 0


def _value(value: Any, schema: Mapping[str, Any]) -> Any:  # Any: JSON, and values of users
    """Return what a table is to hold of a JSON value: content as media, everything else as it is."""
    try:
        return decode(value, _HINTS.get(schema.get(MEDIA, ""), Any), "")
    except StarwhaleError:
        return value
