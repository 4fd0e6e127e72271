"""What somebody wants of a job that another process runs: that it stops, for now or for good."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starwhale.domain.job import TaskError
from starwhale.domain.status import Status


class Wish(StrEnum):
    """How a running job is to stop."""

    PAUSE = "pause"
    """For now: at the next batch boundaries; it can go on."""
    CANCEL = "cancel"
    """For good: at the next batch boundaries."""
    FORCE = "force"
    """For good and at once: workers are ended in the middle of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a run of a job comes to its end before its work does; the strongest one counts."""

    status: Status = Status.INTERRUPTED
    """What the job ends as: interrupted, paused or canceled."""
    is_forced: bool = False
    """Whether nobody waits for the batches under way."""
    error: TaskError | None = None
    """What the user should know about it, where nobody asked for it."""

    @property
    def strength(self) -> int:
        """Grows with how much is given up: interrupted, paused, canceled, canceled at once."""
        return _ORDER.index(self.status) + self.is_forced


_ORDER = (Status.INTERRUPTED, Status.PAUSED, Status.CANCELED)
STOPS = {
    Wish.PAUSE: Stop(status=Status.PAUSED),
    Wish.CANCEL: Stop(status=Status.CANCELED),
    Wish.FORCE: Stop(status=Status.CANCELED, is_forced=True),
}
"""What each wish comes to."""
