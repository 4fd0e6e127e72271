"""What the tasks of a job have printed: the last lines of each attempt, and what comes while the job runs."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.attempt_name import task_place
from starwhale.domain.status import is_active
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import NotFoundError, nearest

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import AttemptRecord, JobRecord
    from starwhale.storage.stores import Stores

_BLOCK_BYTES = 1 << 16
_WORKER = re.compile(r"worker-(\d+)\.txt")
Read = Callable[[int, int], bytes]
"""Reads a piece of a log: from an offset so many bytes, -1 for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChoice:
    """Which logs of a job are meant."""

    step: str = ""
    """Handler of the step: full name, or the function's; empty for all."""
    task: int | None = None
    """Position of the task in its step; None for all."""
    attempt: int | None = None
    """Try of the task; None for the last one of each task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLogLines:
    """What one attempt of a task printed, or what native code of one worker process did."""

    step: str
    """The step; empty for a worker process."""
    task: int
    """Position of the task in its step, or number of the worker process."""
    attempt: int
    """Try of the task, from 1; 0 for a worker process."""
    status: str
    """Where the attempt stands; empty for a worker process."""
    path: str
    """The file."""
    lines: tuple[str, ...] = ()
    """Its last lines, without their ends."""
    has_more: bool = False
    """Whether there are lines before these."""
    size_bytes: int = 0
    """Bytes that the log has, where somebody asked which logs there are."""

    @property
    def title(self) -> str:
        """Say whose log it is."""
        if not self.step:
            return f"worker process {self.task}"
        return f"{self.step}, task {self.task}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """A log that may be there."""

    file: str
    """Name of its file."""
    told: TaskLogLines
    """What is said of it."""


def read_logs(stores: Stores, job: JobRecord, choice: LogChoice, *, limit: int) -> list[TaskLogLines]:
    """Return the logs that are meant and have lines, in the order in which the attempts started; worker processes last.

    Args:
        stores: The stores.
        job: The job.
        choice: Which logs; one that names a task leaves worker processes out.
        limit: The last so many lines of each; 0 for all.

    Raises:
        NotFoundError: No such step, task or attempt; those that exist are named.
    """
    sizes = stores.logs.sizes(job.id)
    found: list[TaskLogLines] = []
    for each in _find(stores, job, choice, sizes):
        if size := sizes.get(each.file):
            read = _reading(stores, job, each)
            start = tail_offset(read, size, limit)
            found.append(_with(each.told, _lines(read(start, -1)), has_more=start > 0))
    return [each for each in found if each.lines]


def list_logs(stores: Stores, job: JobRecord) -> list[TaskLogLines]:
    """Return the logs of all attempts of a job that hold something, without their lines; worker processes last."""
    sizes = stores.logs.sizes(job.id)
    every = [_log_of(stores, job, each) for each in stores.catalog.jobs.attempts(job.id)]
    found = [*every, *_worker_logs(stores, job, sizes)]
    return [dataclasses.replace(each.told, size_bytes=sizes[each.file]) for each in found if sizes.get(each.file)]


def find_log(stores: Stores, job: JobRecord, choice: LogChoice) -> Path:
    """Return the file of one log on this machine: of a task, or of a worker process where no step is named.

    Raises:
        NotFoundError: No such step, task, attempt or worker process.
    """
    folder = stores.layout.logs(job.id)
    sizes = stores.logs.sizes(job.id)
    if choice.step:
        return folder / _find(stores, job, choice, sizes)[0].file
    logs = _worker_logs(stores, job, sizes)
    found = next((each for each in logs if each.told.task == choice.task), None)
    if found is None:
        there = ", ".join(str(each.told.task) for each in logs) or "none"
        raise NotFoundError(
            f"no log of worker process {choice.task}", hint=f"name a step; worker processes are: {there}"
        )
    return folder / found.file


def _worker_logs(stores: Stores, job: JobRecord, sizes: Mapping[str, int]) -> list[_Log]:
    found: list[_Log] = []
    for name in sizes:
        number = _WORKER.fullmatch(name)
        if number is not None:
            path = stores.logs.address(job.id, name)
            told = TaskLogLines(step="", task=int(number[1]), attempt=0, status="", path=path)
            found.append(_Log(file=name, told=told))
    return found


def follow_logs(
    stores: Stores, job: JobRecord, choice: LogChoice, *, limit: int, poll_s: float = 0.2
) -> Iterator[TaskLogLines]:
    """Return the last lines of the logs that are meant, then what comes, until nobody works on the job any more, or is to.

    Each value holds whole lines that are new; the last one of a log may be a line without its end.

    Raises:
        NotFoundError: As `read_logs`; a task that has not started yet is waited for.
    """
    tails: dict[str, _Tail] = {}
    while True:
        now = stores.catalog.jobs.get(job.id)  # looked up first: nothing is missed
        is_over = not is_active(now.status) and not stores.catalog.jobs.is_driven(now)
        sizes = stores.logs.sizes(job.id)
        for each in _find(stores, job, choice, sizes, is_patient=not is_over):
            if each.file not in tails:
                tails[each.file] = _Tail(_reading(stores, job, each), limit)
            if lines := tails[each.file].read(sizes.get(each.file, 0), is_last=is_over):
                yield _with(each.told, lines)
        if is_over:
            return
        time.sleep(poll_s)


def _find(
    stores: Stores, job: JobRecord, choice: LogChoice, sizes: Mapping[str, int], *, is_patient: bool = False
) -> list[_Log]:
    """Return the logs that are meant, without their lines."""
    attempts = list(stores.catalog.jobs.attempts(job.id))
    steps = [each.step.name for each in stores.catalog.jobs.steps(job.id)]
    step = _step(choice.step, steps) if choice.step else ""
    attempts = [each for each in attempts if not step or each.step == step]
    chosen = [each for each in attempts if choice.task is None or each.task_index == choice.task]
    if choice.attempt is None:
        last = {each.task_id: each.number for each in chosen}
        chosen = [each for each in chosen if each.number == last[each.task_id]]
    else:
        chosen = [each for each in chosen if each.number == choice.attempt]
    if not chosen and not is_patient and (choice.task is not None or choice.attempt is not None):
        raise _nothing(job, choice, attempts)
    logs = [_log_of(stores, job, each) for each in chosen]
    if choice == LogChoice():
        logs += _worker_logs(stores, job, sizes)
    return logs


def _log_of(stores: Stores, job: JobRecord, attempt: AttemptRecord) -> _Log:
    position, index = task_place(attempt.task_id)
    name = f"{position}-{index}-{attempt.number}.txt"
    told = TaskLogLines(
        step=attempt.step,
        task=attempt.task_index,
        attempt=attempt.number,
        status=str(attempt.status),
        path=stores.logs.address(job.id, name),
    )
    return _Log(file=name, told=told)


def _reading(stores: Stores, job: JobRecord, log: _Log) -> Read:
    return lambda offset, size: stores.logs.read(job.id, log.file, offset, size)


def _step(text: str, steps: Sequence[str]) -> str:
    """Return the full name of a step that is given in full or by its function."""
    fits = [name for name in steps if text in {name, name.partition(":")[2], name.rpartition(".")[2]}]
    if len(fits) != 1:
        message = f"several steps are called {text!r}" if fits else f"no step {text!r}"
        raise NotFoundError(message, hint=f"there are: {', '.join(steps)}" if fits else nearest(text, steps))
    return fits[0]


def _nothing(job: JobRecord, choice: LogChoice, attempts: Sequence[AttemptRecord]) -> NotFoundError:
    """Say which tasks and attempts there are, where those that are wanted are not."""
    short = job.id[:SHORT_VERSION]
    if not attempts:
        return NotFoundError(f"no task of job {short} has started", hint=f"see swcli job info {short}")
    tries: dict[tuple[str, int], list[int]] = {}
    for each in attempts:
        tries.setdefault((each.step, each.task_index), []).append(each.number)
    has_task = choice.task is None or any(index == choice.task for _, index in tries)
    what = f"attempt {choice.attempt}" if has_task else f"task {choice.task}"
    shown = [
        f"{step}: task {index}, attempt{'s' if len(numbers) > 1 else ''} {', '.join(map(str, sorted(numbers)))}"
        for (step, index), numbers in sorted(tries.items())
        if not has_task or choice.task in {None, index}
    ]
    more = f"; and {len(shown) - 8} more" if len(shown) > 8 else ""
    return NotFoundError(f"job {short} has no {what}", hint=f"there are: {'; '.join(shown[:8])}{more}")


def _with(log: TaskLogLines, lines: Sequence[str], *, has_more: bool = False) -> TaskLogLines:
    return dataclasses.replace(log, lines=tuple(lines), has_more=has_more)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="backslashreplace").splitlines()


def tail_start(path: Path, limit: int) -> int:
    """Return the offset at which the last lines of a file begin."""
    with path.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        return tail_offset(read, file.seek(0, 2), limit)


def tail_offset(read: Read, size: int, limit: int, *, block: int = _BLOCK_BYTES) -> int:
    """Return the offset at which the last lines of a text begin, looking from its end.

    Args:
        read: Reads a piece, by offset and bytes.
        size: Its bytes.
        limit: So many lines; 0 for all.
        block: So many bytes are read at once.
    """
    if limit <= 0:
        return 0
    at = size
    wanted = limit + 1  # the end of the line before the first one
    while at > 0:
        count = min(block, at)
        at -= count
        piece = read(at, count)
        if at + count == size and not piece.endswith(b"\n"):
            wanted -= 1
        ends = piece.count(b"\n")
        if ends < wanted:
            wanted -= ends
            continue
        place = len(piece)
        for _ in range(wanted):
            place = piece.rindex(b"\n", 0, place)
        return at + place + 1
    return 0


@dataclass(slots=True)
class _Tail:
    """Reads what is appended to a log, line by line."""

    source: Read
    limit: int
    _at: int | None = field(default=None, init=False)

    def read(self, size: int, *, is_last: bool) -> list[str]:
        """Return the whole lines that are new; at the end also one that was begun.

        Args:
            size: Bytes that the log has by now.
            is_last: Whether nothing follows.
        """
        if self._at is None:
            if not size:
                return []
            self._at = tail_offset(self.source, size, self.limit)
        content = self.source(self._at, -1) if size > self._at else b""
        if not is_last:
            content = content[: content.rfind(b"\n") + 1]
        self._at += len(content)
        return _lines(content)
