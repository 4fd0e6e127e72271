"""Where the time of a job's steps went: shares of what their tasks did, and how fast and how busy they were.

The time of a step is that of its tasks together: two tasks that wait ten seconds each have waited twenty.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.domain.job import THREADS
from starwhale.domain.usage import CPU, PEAK_BYTES, PROCESS_CPU, QUEUED, ROWS, WALL, Activity

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import AttemptRecord

ENOUGH_S = 1.0
"""Of steps that took less, nothing is said of threads: starting them is most of it."""
ONE_CORE = (0.75, 1.2)
"""Threads that kept so many cores busy, all together, ran one at a time."""
CROWDED = 0.2
"""Threads that waited for a processor for more of their time were on a machine that was busy with something else."""
MOSTLY = 0.5
"""Only where predict, or what a handler does, is this much of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUsage:
    """What one task of a step used, all its attempts together."""

    index: int
    """Position of the task in its step."""
    attempts: int
    """Attempts that are known of."""
    rows: int
    """Rows that it has tried, as far as they were committed."""
    seconds: Mapping[str, float]
    """Seconds by activity, of `domain.usage.Activity`."""
    cpu_s: float
    """Seconds of processor time: of its thread, or of its process where it had one of its own."""
    peak_bytes: int
    """Most memory that its process has had; tasks that are threads share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUsage:
    """What one step used."""

    executor: str
    """What it ran on last."""
    seconds: Mapping[str, float]
    """Seconds by activity of all tasks together, the longest first."""
    elapsed_s: float
    """Seconds in which a task of the step was at work."""
    rows_per_second: float | None
    """Rows per second of those; None of a step without rows."""
    cores: float
    """Processors that its processes kept busy, on average."""
    peak_bytes: int
    """Most memory that one of its processes has had."""
    tasks: tuple[TaskUsage, ...]
    """Its tasks."""
    accelerators: tuple[Mapping[str, Any], ...] = ()  # Any: JSON values
    """Of each: position, name, looks, share of the time in which it was busy, most bytes taken; of the whole device, whoever used it."""
    note: str = ""
    """What is worth knowing; empty where there is nothing."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of the time by activity, the largest first; they add up to 1."""
        whole = sum(self.seconds.values())
        return {name: seconds / whole for name, seconds in self.seconds.items()} if whole > 0 else {}

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of `usage` in `job info -o json`."""
        return {
            "executor": self.executor,
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
            "seconds": _rounded(self.seconds),
            "elapsed_s": round(self.elapsed_s, 3),
            "rows_per_second": None if self.rows_per_second is None else round(self.rows_per_second, 3),
            "cores": round(self.cores, 3),
            "peak_bytes": self.peak_bytes,
            "accelerators": [dict(each) for each in self.accelerators],
            "note": self.note,
            "tasks": [
                {
                    "index": each.index,
                    "attempts": each.attempts,
                    "rows": each.rows,
                    "seconds": _rounded(each.seconds),
                    "cpu_s": round(each.cpu_s, 3),
                    "peak_bytes": each.peak_bytes,
                }
                for each in self.tasks
            ],
        }


def step_usage(
    attempts: Iterable[AttemptRecord],
    *,
    has_rows: bool,
    cores: int = 0,
    seen: Mapping[str, Mapping[str, Any]] | None = None,
) -> StepUsage | None:  # Any: JSON values
    """Add up what the attempts of one step used; None where nothing is known of any.

    Args:
        attempts: All attempts of the step's tasks.
        has_rows: Whether the step consumes rows.
        cores: Processors that the job could use; 0 where nobody knows.
        seen: What the record of the job says of accelerators during the step.
    """
    known = [each for each in attempts if each.timings and each.finished_at is not None]
    if not known:
        return None
    by_task: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
    for each in known:
        by_task[each.task_index].append(each)
    tasks = tuple(_task_usage(index, found) for index, found in sorted(by_task.items()))
    seconds: defaultdict[str, float] = defaultdict(float)
    for task in tasks:
        for name, value in task.seconds.items():
            seconds[name] += value
    bursts = _bursts(known)
    elapsed_s = sum(end - start for start, end, _ in bursts)
    rows = sum(task.rows for task in tasks)
    usage = StepUsage(
        executor=known[-1].executor,
        seconds=dict(sorted(seconds.items(), key=lambda item: -item[1])),
        elapsed_s=elapsed_s,
        rows_per_second=rows / elapsed_s if has_rows and elapsed_s > 0 else None,
        cores=sum(map(_process_cpu, bursts)) / elapsed_s if elapsed_s > 0 else 0.0,
        peak_bytes=max(task.peak_bytes for task in tasks),
        tasks=tasks,
        accelerators=tuple({"position": int(position), **each} for position, each in sorted((seen or {}).items())),
    )
    note = _note(usage, bursts, cores)
    return dataclasses.replace(usage, note=note)


_Burst = tuple[float, float, "list[AttemptRecord]"]
"""Beginning, end and attempts of a time in which tasks of a step were at work."""


def _bursts(attempts: Sequence[AttemptRecord]) -> list[_Burst]:
    """Group attempts that overlap: between a run and its resumption nobody is at work."""
    found: list[_Burst] = []
    for each in sorted(attempts, key=lambda attempt: attempt.started_at):
        end = _end_of(each)
        if found and each.started_at <= found[-1][1]:
            start, before, members = found[-1]
            found[-1] = start, max(before, end), [*members, each]
        else:
            found.append((each.started_at, end, [each]))
    return found


def _end_of(attempt: AttemptRecord) -> float:
    """Return when an attempt ended; of one whose driver was killed only its last commit is known."""
    known = attempt.started_at + attempt.timings.get(WALL, 0.0)
    return max(attempt.finished_at or known, known) if Activity.START in attempt.timings else known


def _process_cpu(burst: _Burst) -> float:
    """Add up the processor time of the processes at work; threads of one process have each counted all of it."""
    shared = [each.timings.get(PROCESS_CPU, 0.0) for each in burst[2] if each.executor in THREADS]
    own = [each.timings.get(PROCESS_CPU, 0.0) for each in burst[2] if each.executor not in THREADS]
    return max(shared, default=0.0) + sum(own)


def _task_usage(index: int, attempts: Sequence[AttemptRecord]) -> TaskUsage:
    seconds: defaultdict[str, float] = defaultdict(float)
    cpu_s = 0.0
    for each in attempts:
        timings = each.timings
        told = {name.value: timings[name] for name in Activity if name in timings}
        for name, value in told.items():
            seconds[name] += value
        within = sum(told.values()) - told.get(Activity.START, 0.0)
        seconds[Activity.OTHER.value] += max(timings.get(WALL, 0.0) - within, 0.0)
        cpu_s += timings.get(CPU if each.executor in THREADS else PROCESS_CPU, 0.0)
    return TaskUsage(
        index=index,
        attempts=len(attempts),
        rows=round(sum(each.timings.get(ROWS, 0.0) for each in attempts)),
        seconds=dict(sorted(seconds.items(), key=lambda item: -item[1])),
        cpu_s=cpu_s,
        peak_bytes=round(max(each.timings.get(PEAK_BYTES, 0.0) for each in attempts)),
    )


def _note(usage: StepUsage, bursts: Sequence[_Burst], cores: int) -> str:
    """Say that threads have run one at a time: Python code holds a lock that one thread has.

    That is so when the process of several threads, which were at work together and mostly in the user's code, kept one core busy: as
    much as a single thread can. Threads that wait for something else keep less busy, native code that gives the lock up keeps more. Where
    other programs had the processors while the threads could have run, nobody can tell.
    """
    _, _, longest = max(bursts, key=lambda burst: burst[1] - burst[0])
    together = [each for each in longest if each.executor in THREADS]
    threads = len({each.task_index for each in together})
    working_s = max((each.timings.get(WALL, 0.0) for each in together), default=0.0)
    if threads < 2 or cores == 1 or working_s < ENOUGH_S:
        return ""
    if sum(each.timings.get(QUEUED, 0.0) for each in together) > CROWDED * sum(
        each.timings.get(WALL, 0.0) for each in together
    ):
        return ""
    busy = max(each.timings.get(PROCESS_CPU, 0.0) for each in together) / working_s
    shares = usage.shares
    in_user_code = shares.get(Activity.PREDICT, 0.0) + shares.get(Activity.RUN, 0.0)
    if not ONE_CORE[0] <= busy <= ONE_CORE[1] or in_user_code < MOSTLY:
        return ""
    of = f" of {cores}" if cores else ""
    return (
        f"{threads} threads kept {busy:.1f}{of} cores busy together, which one thread does alone: Python code runs in one thread at a time. "
        "`--executor process` runs it side by side"
    )


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in seconds.items()}
