"""Where the time of a job went, for people: one paragraph per step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from starwhale.domain.counted import counted

if TYPE_CHECKING:
    from starwhale.results.reports.job_report import StepReport
    from starwhale.results.reports.usage import StepUsage

LEAST = 0.005
"""Smaller shares are not worth a word."""
WORDS = {
    "start": "starting",
    "load": "loading the model",
    "read": "reading",
    "decode": "decoding",
    "predict": "predict",
    "write": "writing",
    "wait": "waiting to try again",
    "other": "other",
}
"""What an activity is called; a step without rows is called by its name."""


def usage_lines(steps: Sequence[StepReport], *, is_whole: bool = False) -> Iterator[tuple[str, str]]:
    """Return name and text of every step of which something is known.

    Args:
        steps: The steps of a job.
        is_whole: Whether each task has a line of its own.
    """
    for each in steps:
        if each.usage is not None:
            name = each.name.rpartition(":")[2]
            lines = [
                shares_line(each.usage.shares, name),
                speed_line(each.usage),
                *_accelerators(each.usage),
                each.usage.note,
            ]
            if is_whole:
                lines += _tasks(each.usage, name)
            yield name, "\n".join(filter(None, lines))


def shares_line(shares: Mapping[str, float], run: str = "run") -> str:
    """Write shares of the time in words.

    Args:
        shares: By activity, the largest first.
        run: What a step without rows calls.

    Example:
        >>> shares_line({"predict": 0.68, "read": 0.2, "write": 0.118, "wait": 0.002})
        '68 % of the time was predict; 20 % reading, 12 % writing'
    """
    told = [
        f"{share:.0%}".replace("%", " %") + f"|{WORDS.get(name, run)}"
        for name, share in shares.items()
        if share >= LEAST
    ]
    if not told:
        return ""
    first, *others = (each.split("|") for each in told)
    head = f"{first[0]} of the time was {first[1]}"
    return f"{head}; {', '.join(' '.join(each) for each in others)}" if others else head


def speed_line(usage: StepUsage) -> str:
    """Write how many tasks there were, how fast and how busy they were, and the memory that they took."""
    tasks = counted(len(usage.tasks), "task")
    speed = "" if usage.rows_per_second is None else f"{_count(usage.rows_per_second)} rows/s"
    cores = f"{usage.cores:.1f} cores busy"
    memory = f"{show_memory(usage.peak_bytes)} of memory" if usage.peak_bytes else ""
    return ", ".join(filter(None, (tasks, speed, cores, memory)))


def _accelerators(usage: StepUsage) -> Iterator[str]:
    for each in usage.accelerators:
        yield f"GPU {each['position']} ({each['name']}): {each['busy']:.0%} busy, {show_memory(each['peak_bytes'])} taken".replace(
            "%", " %"
        )


def _tasks(usage: StepUsage, name: str) -> Iterator[str]:
    for task in usage.tasks:
        whole = sum(task.seconds.values())
        shares = {name: seconds / whole for name, seconds in task.seconds.items()} if whole else {}
        rows = f"{counted(task.rows, 'row')}, " if task.rows else ""
        yield f"task {task.index}: {rows}{whole:.1f} s, {task.cpu_s:.1f} s of CPU; {shares_line(shares, name)}"


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def show_memory(size: int) -> str:
    """Write bytes of memory.

    Example:
        >>> show_memory(220 << 20), show_memory(3 << 29)
        ('220 MiB', '1.5 GiB')
    """
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"
