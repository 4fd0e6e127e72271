"""Every attempt of a job and its side of the stores."""

from __future__ import annotations

from starwhale.domain.job import Task
from starwhale.errors import ExecutionError
from starwhale.storage.task_side import JobSide, LocalTaskStores


class AttemptStores:
    """Hands every attempt its side of the stores; given to the executor before the job is known."""

    def __init__(self) -> None:
        self.side: JobSide | None = None
        """The job's side of the stores, once it is planned."""
        self._open: dict[tuple[str, int], LocalTaskStores] = {}

    def open(self, task: Task) -> LocalTaskStores:
        """Return what answers for an attempt.

        Raises:
            ExecutionError: The job of the task is not known yet.
        """
        key = task.id, task.attempt
        if key not in self._open:
            if self.side is None:
                message = f"task {task.id} came before its job"
                raise ExecutionError(message)
            self._open[key] = LocalTaskStores(task, self.side)
        return self._open[key]

    def close(self, task_id: str, attempt: int) -> LocalTaskStores | None:
        """Forget an attempt that has ended, and return what answered for it."""
        return self._open.pop((task_id, attempt), None)

    def notes(self) -> dict[str, str]:
        """Return what tasks are waiting for, by step."""
        return {each.step: each.noted for each in list(self._open.values()) if each.noted}

    def count_worked_on(self, task_id: str, attempt: int) -> int:
        """Return at how many ranges an attempt is."""
        stores = self._open.get((task_id, attempt))
        return 0 if stores is None else len(stores.worked_on)
