"""What the tasks of a job have printed: the last lines of each attempt, and what comes while the job runs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.attempt_name import task_place
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import NotFoundError, nearest

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import AttemptRecord, JobRecord
    from starwhale.storage.stores import Stores

_BLOCK_BYTES = 1 << 16


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
    found = [_read(each, limit) for each in _find(stores, job, choice)]
    return [each for each in found if each.lines]


def list_logs(stores: Stores, job: JobRecord) -> list[TaskLogLines]:
    """Return the logs of all attempts of a job that hold something, without their lines; worker processes last."""
    folder = stores.layout.logs(job.id)
    every = [
        TaskLogLines(
            step=each.step,
            task=each.task_index,
            attempt=each.number,
            status=str(each.status),
            path=str(folder / _file_name(each)),
        )
        for each in stores.catalog.jobs.attempts(job.id)
    ]
    found = [(each, Path(each.path)) for each in (*every, *_worker_logs(folder))]
    sized = [dataclasses.replace(each, size_bytes=path.stat().st_size) for each, path in found if path.exists()]
    return [each for each in sized if each.size_bytes]


def find_log(stores: Stores, job: JobRecord, choice: LogChoice) -> Path:
    """Return the file of one log: of a task, or of a worker process where no step is named.

    Raises:
        NotFoundError: No such step, task, attempt or worker process.
    """
    folder = stores.layout.logs(job.id)
    if choice.step:
        return Path(_find(stores, job, choice)[0].path)
    logs = _worker_logs(folder)
    found = next((each for each in logs if each.task == choice.task), None)
    if found is None:
        there = ", ".join(str(each.task) for each in logs) or "none"
        raise NotFoundError(
            f"no log of worker process {choice.task}", hint=f"name a step; worker processes are: {there}"
        )
    return Path(found.path)


def _worker_logs(folder: Path) -> list[TaskLogLines]:
    return [
        TaskLogLines(step="", task=int(path.stem.partition("-")[2]), attempt=0, status="", path=str(path))
        for path in sorted(folder.glob("worker-*.txt"))
    ]


def follow_logs(
    stores: Stores, job: JobRecord, choice: LogChoice, *, limit: int, poll_s: float = 0.2
) -> Iterator[TaskLogLines]:
    """Return the last lines of the logs that are meant, then what comes, until nobody works on the job any more.

    Each value holds whole lines that are new; the last one of a log may be a line without its end.

    Raises:
        NotFoundError: As `read_logs`; a task that has not started yet is waited for.
    """
    tails: dict[str, _Tail] = {}
    while True:
        is_over = not stores.catalog.jobs.is_driven(
            stores.catalog.jobs.get(job.id)
        )  # looked up first: nothing is missed
        for each in _find(stores, job, choice, is_patient=not is_over):
            if each.path not in tails:
                tails[each.path] = _Tail(Path(each.path), limit)
            if lines := tails[each.path].read(is_last=is_over):
                yield _with(each, lines)
        if is_over:
            return
        time.sleep(poll_s)


def _find(stores: Stores, job: JobRecord, choice: LogChoice, *, is_patient: bool = False) -> list[TaskLogLines]:
    """Return the logs that are meant, without their lines."""
    folder = stores.layout.logs(job.id)
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
    logs = [
        TaskLogLines(
            step=each.step,
            task=each.task_index,
            attempt=each.number,
            status=str(each.status),
            path=str(folder / _file_name(each)),
        )
        for each in chosen
    ]
    if choice == LogChoice():
        logs += _worker_logs(folder)
    return logs


def _file_name(attempt: AttemptRecord) -> str:
    position, index = task_place(attempt.task_id)
    return f"{position}-{index}-{attempt.number}.txt"


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


def _read(log: TaskLogLines, limit: int) -> TaskLogLines:
    path = Path(log.path)
    start = tail_start(path, limit) if path.exists() else 0
    return _with(log, _lines(_from(path, start)), has_more=start > 0)


def _with(log: TaskLogLines, lines: Sequence[str], *, has_more: bool = False) -> TaskLogLines:
    return dataclasses.replace(log, lines=tuple(lines), has_more=has_more)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="backslashreplace").splitlines()


def _from(path: Path, start: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def tail_start(path: Path, limit: int, *, block: int = _BLOCK_BYTES) -> int:
    """Return the offset at which the last lines of a file begin, looking from its end."""
    if limit <= 0:
        return 0
    with path.open("rb") as file:
        at = end = file.seek(0, 2)
        wanted = limit + 1  # the end of the line before the first one
        while at > 0:
            size = min(block, at)
            at -= size
            file.seek(at)
            piece = file.read(size)
            if at + size == end and not piece.endswith(b"\n"):
                wanted -= 1
            count = piece.count(b"\n")
            if count < wanted:
                wanted -= count
                continue
            place = len(piece)
            for _ in range(wanted):
                place = piece.rindex(b"\n", 0, place)
            return at + place + 1
    return 0


@dataclass(slots=True)
class _Tail:
    """Reads what is appended to a file, line by line."""

    path: Path
    limit: int
    _at: int | None = field(default=None, init=False)

    def read(self, *, is_last: bool) -> list[str]:
        """Return the whole lines that are new; at the end also one that was begun."""
        if not self.path.exists():
            return []
        if self._at is None:
            self._at = tail_start(self.path, self.limit)
        content = _from(self.path, self._at)
        if not is_last:
            content = content[: content.rfind(b"\n") + 1]
        self._at += len(content)
        return _lines(content)
