"""The status of jobs, steps, tasks and attempts, and which may follow which."""

from __future__ import annotations

from enum import StrEnum

from starwhale.errors import StatusError


class Status(StrEnum):
    """One vocabulary for jobs, steps, tasks and attempts; lower case in manifests, upper case in `Job.status`."""

    CREATED = "created"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    CANCELLING = "cancelling"
    CANCELED = "canceled"
    FAILED = "failed"
    SUCCESS = "success"


_AGAIN = frozenset({Status.QUEUED, Status.RUNNING})
_ENDS = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED})
_NEXT: dict[Status, frozenset[Status]] = {
    Status.CREATED: _AGAIN | {Status.FAILED, Status.CANCELED, Status.INTERRUPTED},
    Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELED, Status.FAILED, Status.INTERRUPTED}),
    Status.RUNNING: _ENDS | {Status.PAUSED, Status.INTERRUPTED, Status.CANCELLING, Status.QUEUED},
    Status.PAUSED: _AGAIN | {Status.CANCELED},
    Status.INTERRUPTED: _AGAIN | {Status.CANCELED, Status.FAILED},
    Status.CANCELLING: frozenset({Status.CANCELED, Status.FAILED, Status.SUCCESS, Status.INTERRUPTED}),
    Status.CANCELED: _AGAIN,
    Status.FAILED: _AGAIN,
    Status.SUCCESS: frozenset(),
}


def is_terminal(status: Status) -> bool:
    """Whether nothing is going to happen by itself any more."""
    return status in _ENDS


def is_active(status: Status) -> bool:
    """Whether a driver process should be working on it."""
    return status in {Status.QUEUED, Status.RUNNING, Status.CANCELLING}


def is_resumable(status: Status) -> bool:
    """Whether `swcli job resume` has something to go on with."""
    return status in {Status.INTERRUPTED, Status.PAUSED, Status.FAILED, Status.CANCELED, Status.CREATED}


def check_transition(what: str, current: Status, following: Status) -> None:
    """Refuse a change of status that the rules do not allow; staying the same is allowed.

    Raises:
        StatusError: `following` may not come after `current`.
    """
    if following is not current and following not in _NEXT[current]:
        allowed = ", ".join(sorted(_NEXT[current])) or "nothing"
        message = f"{what} is {current} and cannot become {following}"
        raise StatusError(message, hint=f"after {current} may come: {allowed}")
