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
        self._elsewhere: dict[tuple[str, int], tuple[Task, float]] = {}

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

    def announce(self, task: Task, lease_s: float) -> None:
        """Take note of an attempt for which a server answers: what it holds is asked of the ledger when it has ended."""
        self._elsewhere[task.id, task.attempt] = task, lease_s

    def close(self, task_id: str, attempt: int) -> LocalTaskStores | None:
        """Forget an attempt that has ended, and return what answered for it."""
        self._recall(task_id, attempt)
        return self._open.pop((task_id, attempt), None)

    def notes(self) -> dict[str, str]:
        """Return what tasks are waiting for, by step."""
        return {each.step: each.noted for each in list(self._open.values()) if each.noted}

    def count_worked_on(self, task_id: str, attempt: int) -> int:
        """Return at how many ranges an attempt is."""
        self._recall(task_id, attempt)
        stores = self._open.get((task_id, attempt))
        return 0 if stores is None else len(stores.worked_on)

    def _recall(self, task_id: str, attempt: int) -> None:
        """Open an attempt for which a server has answered, as if it had been answered here: with the leases that it still holds."""
        found = self._elsewhere.pop((task_id, attempt), None)
        if found is None or self.side is None:
            return
        task, lease_s = found
        stores = LocalTaskStores(task, self.side, lease_s=lease_s)
        ledger = self.side.stores.catalog.ledger
        ledger.renew(task.job_id, stores.holder, lease_s)  # until it is decided what becomes of them
        for lease in ledger.held(task.job_id, task.step.name, stores.holder):
            stores.held.setdefault(lease.queue, []).append(lease)
        self._open[task_id, attempt] = stores
