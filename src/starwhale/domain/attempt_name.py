"""What tasks and their attempts are called: an attempt is the holder of leases, and says so by its key."""

from __future__ import annotations


def attempt_key(task_id: str, attempt: int) -> str:
    """Name one attempt of a task, as `<task id>#<attempt>`; under this name it holds its leases."""
    return f"{task_id}#{attempt}"


def parse_attempt_key(key: str) -> tuple[str, int]:
    """Undo `attempt_key`: the id of the task, and the number of the attempt."""
    task_id, _, number = key.rpartition("#")
    return task_id, int(number or 0)


def task_place(task_id: str) -> tuple[str, str]:
    """Return what an id of a task says: the position of its step in the job, and its index in the step."""
    _, position, index = task_id.rsplit("/", 2)
    return position, index
