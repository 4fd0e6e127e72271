"""How an attempt ended, as an executor says it whose workers have not said it themselves; and how often one is begun anew through nobody's mistake."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from typing import TYPE_CHECKING

from starwhale.domain.job import Task, TaskError, TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import UsageError
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.network.spec import GAVE_UP, NEVER_REACHED

if TYPE_CHECKING:
    from starwhale.execution.network.launch import RemoteTasks

MOST_RENEWALS = 10
"""So often is a task begun anew whose place was taken from under it; after that, its attempt counts as any that died."""


def interrupted(task: Task) -> TaskUpdate:
    """Say that an attempt was stopped before its end."""
    return TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.INTERRUPTED)


def failed(
    task: Task, message: str, *, hint: str = "", output: str = "", exit_code: int | None = None, signal: str = ""
) -> TaskUpdate:
    """Say that an attempt failed without a word of its worker.

    Args:
        task: The attempt.
        message: What happened.
        hint: What to try.
        output: What the worker wrote last.
        exit_code: With which it ended; None where it was killed, or was none.
        signal: What killed it, or empty.
    """
    error = TaskError(
        message=message,
        details=output,
        hint=hint or "see the task's log",
        is_user_error=False,
        step=task.step.name,
        task=task.index,
        attempt=task.attempt,
        output=output,
        exit_code=exit_code,
        signal=signal,
    )
    return TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.FAILED, error=error)


def take_waiting(waiting: deque[Task], task_id: str) -> list[TaskUpdate]:
    """Take a task that is canceled out of those that wait, and return what is to be reported of it."""
    found = [each for each in waiting if each.id == task_id]
    for each in found:
        waiting.remove(each)
    return [interrupted(each) for each in found]


def need_server(options: ExecutorOptions, executor: str, workers: str) -> RemoteTasks:
    """Return what starts workers elsewhere.

    Args:
        options: What the executor was opened with.
        executor: Its name.
        workers: What its workers are called, as in "its Pods".

    Raises:
        UsageError: No server is known that they could reach.
    """
    if options.remote is None:
        message = f"the executor {executor!r} needs a server that {workers} reach"
        raise UsageError(message, hint="start one with swcli server start, and submit the job to it")
    return options.remote


class Renewals:
    """Counts how often tasks were begun anew."""

    def __init__(self, most: int = MOST_RENEWALS) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def renew(self, update: TaskUpdate) -> TaskUpdate:
        """Have the task begun anew: no row is suspected, and the attempt does not count; where that was too often, it is left as it is."""
        if self._counts[update.task_id] >= self._most:
            return update
        self._counts[update.task_id] += 1
        return dataclasses.replace(update, worker_died=True, is_renewal=True)

    def after_exit(self, update: TaskUpdate, code: int | None) -> TaskUpdate:
        """Have a task begun anew whose worker gave its server up; one that never reached it only while an outage lasts.

        Args:
            update: What is to be reported.
            code: With which the worker ended; None where it was killed.
        """
        is_outage = code == GAVE_UP or (code == NEVER_REACHED and self._counts[update.task_id] > 0)
        return self.renew(update) if is_outage else update
