"""Which of the jobs that wait are begun: pure, so that what is fair can be tested without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SUBMITTED = "submitted"
"""Key of the record of a job: since when it waits, or waited, for the server to run it."""
WAITS = "waits"
"""Key of the record of a job that was submitted: whether it was never begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much runs at the same time."""

    jobs: int = 2
    """Jobs, at most."""
    tasks: int = 0
    """Tasks of all jobs, at most; 0 for no limit. A job with more of them runs alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job that waits, or runs."""

    id: str
    """Whole id."""
    project: str
    """Its project."""
    tasks: int
    """Tasks that it has at once, at most."""
    since: float
    """Since when it waits, in seconds since the epoch."""


def choose(waiting: Sequence[QueuedJob], running: Sequence[QueuedJob], limits: QueueLimits) -> list[QueuedJob]:
    """Return the jobs to begin now, the first first.

    The next one is the oldest of the project that has the fewest jobs running, so that many jobs of one project do not hold up the others. It
    is waited for where there is no room for its tasks: smaller ones do not overtake it for ever.

    Example:
        >>> a, b, c = (QueuedJob(id=n, project=n[0], tasks=1, since=k) for k, n in enumerate(["a1", "a2", "b1"]))
        >>> [each.id for each in choose([a, b, c], [], QueueLimits(jobs=2))]
        ['a1', 'b1']
    """
    chosen: list[QueuedJob] = []
    left = sorted(waiting, key=lambda each: (each.since, each.id))
    while left and len(running) + len(chosen) < limits.jobs:
        counts = Counter(each.project for each in [*running, *chosen])
        following = min(left, key=lambda each: (counts[each.project], each.since, each.id))
        busy = sum(each.tasks for each in [*running, *chosen])
        if limits.tasks and busy and busy + following.tasks > limits.tasks:
            break
        left.remove(following)
        chosen.append(following)
    return chosen
