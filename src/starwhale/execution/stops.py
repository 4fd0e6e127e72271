"""Why a run of a job should stop: Ctrl-C, a wish of another process, or the time that it was given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from starwhale.domain.job import Job, TaskError
from starwhale.domain.wish import STOPS, Stop, Wish

LOOK_S = 0.2
"""How long the driver of a job does not look for wishes at least."""


class WishBox(Protocol):
    """Where wishes are found."""

    def after(self, job_id: str, last: int) -> list[Wish]:
        """Return the wishes behind an event."""
        ...


class Stops:
    """The reasons to stop one run of one job, the strongest first."""

    def __init__(
        self,
        job: Job,
        should_stop: Callable[[], bool],
        wishes: WishBox,
        *,
        last: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock of the time limit.

        Args:
            job: The job.
            should_stop: Whether the user of this process wants it to stop.
            wishes: What other processes want.
            last: The newest event of the job from before this run; what came earlier is settled.
            clock: Seconds.
        """
        self._job = job
        self._should_stop = should_stop
        self._wishes = wishes
        self._last = last
        self._clock = clock
        self._began = clock()
        self._looked: float | None = None
        self._wished: Stop | None = None

    def find(self) -> Stop | None:
        """Return the strongest reason to stop that there is, or None; cheap enough for several times a second."""
        now = self._clock()
        if self._looked is None or now - self._looked >= LOOK_S:
            self._looked = now
            found = [STOPS[wish] for wish in self._wishes.after(self._job.id, self._last)]
            self._wished = max(found, key=lambda stop: stop.strength, default=None)
        reasons = [self._wished, self._overtime(now), Stop() if self._should_stop() else None]
        return max((each for each in reasons if each is not None), key=lambda stop: stop.strength, default=None)

    def _overtime(self, now: float) -> Stop | None:
        limit = self._job.request.time_limit_s
        if not limit or now - self._began < limit:
            return None
        message = f"job {self._job.id[:12]} has reached its time limit of {limit:g} s; what was done is kept"
        return Stop(error=TaskError(message=message, is_user_error=False))
