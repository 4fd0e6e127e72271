"""What starts next, what is tried again, what is skipped, and how the job ended. Pure: states go in, states come out.

A step starts as soon as its own needs have succeeded, whatever its siblings do. A task whose worker died is tried again; a task
whose user code failed is not, and then no further step starts, while what runs in other steps runs to its end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from starwhale.domain.graph import StepGraph
from starwhale.domain.job import TaskError, TaskUpdate
from starwhale.domain.status import Status
from starwhale.domain.wish import Stop

MAX_DEATHS = 3
"""A task whose worker died so many times has failed."""

_WAITING = Status.CREATED
_RUNNING = Status.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """Where one task stands."""

    id: str
    """Unique in the job."""
    step: str
    """Its step."""
    status: Status = Status.CREATED
    """created while it waits (also for another try), running, or how it ended."""
    attempt: int = 0
    """Number of the last try that began; 0 before the first."""
    deaths: int = 0
    """Workers that died under it, as far as they count."""
    error: TaskError | None = None
    """Why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Where a job stands: its graph and its tasks."""

    needs: Mapping[str, tuple[str, ...]]
    """Step → the steps that must have succeeded before."""
    tasks: tuple[TaskState, ...]
    """All tasks of all steps."""
    stopped: Stop | None = None
    """Why nothing starts any more; None while the job goes on."""
    is_cautious: bool = False
    """Whether one task runs at a time, because rows are suspected of having killed a worker."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing starts any more, because somebody wants the job to stop."""
        return self.stopped is not None

    def of_step(self, step: str) -> tuple[TaskState, ...]:
        """Return the tasks of one step."""
        return tuple(task for task in self.tasks if task.step == step)

    def task(self, task_id: str) -> TaskState:
        """Return the task with an id."""
        return next(task for task in self.tasks if task.id == task_id)


def next_tasks(state: JobState) -> list[TaskState]:
    """Return the tasks to start now, in a stable order."""
    if state.is_stopping or has_failed(state):
        return []
    ready = set(_startable_steps(state))
    waiting = [task for task in state.tasks if task.status is _WAITING and task.step in ready]
    if not state.is_cautious:
        return waiting
    if any(task.status is _RUNNING for task in state.tasks):
        return []
    return sorted(waiting, key=lambda task: -task.attempt)[:1]


def start(state: JobState, task_id: str) -> JobState:
    """Return the state in which a new attempt of the task runs."""
    return _replace(state, task_id, lambda task: dataclasses.replace(task, status=_RUNNING, attempt=task.attempt + 1))


def apply(state: JobState, update: TaskUpdate, *, counts: bool = True) -> JobState:
    """Take in how an attempt ended; an update of an earlier attempt, or of a task that does not run, changes nothing.

    Args:
        state: The state before.
        update: What the executor reported.
        counts: Whether a death of the worker counts against the task; it does not while the suspects become fewer.
    """

    def ended(task: TaskState) -> TaskState:
        if task.status is not _RUNNING or task.attempt != update.attempt:
            return task
        if update.worker_died and not state.is_stopping:
            deaths = task.deaths + counts
            status = Status.FAILED if deaths >= MAX_DEATHS else _WAITING
            return dataclasses.replace(task, status=status, deaths=deaths, error=update.error)
        status = Status.INTERRUPTED if update.worker_died else update.status
        return dataclasses.replace(task, status=status, error=update.error)

    return _replace(state, update.task_id, ended)


def fail(state: JobState, task_id: str, error: TaskError) -> JobState:
    """Return the state in which a task has failed for a reason that no executor reported."""
    return _replace(state, task_id, lambda task: dataclasses.replace(task, status=Status.FAILED, error=error))


def stop(state: JobState, why: Stop | None = None) -> JobState:
    """Return the state in which nothing starts any more; the strongest reason to stop decides what the job ends as."""
    why = why or Stop()
    if state.stopped is not None and state.stopped.strength >= why.strength:
        return state
    return dataclasses.replace(state, stopped=why)


def to_cancel(state: JobState) -> list[str]:
    """Return the running tasks that should stop at their next batch boundary.

    When the user stops the job: all. When a task failed: those that share its step's rows; other steps run to their end.
    """
    running = [task for task in state.tasks if task.status is _RUNNING]
    if state.is_stopping:
        return [task.id for task in running]
    failed = {task.step for task in state.tasks if task.status is Status.FAILED}
    return [task.id for task in running if task.step in failed]


def step_status(state: JobState, step: str) -> Status:
    """Derive the status of a step from its tasks."""
    statuses = {task.status for task in state.of_step(step)}
    if statuses == {Status.SUCCESS}:
        return Status.SUCCESS
    if _RUNNING in statuses:
        return Status.RUNNING
    if Status.FAILED in statuses:
        return Status.FAILED
    if Status.INTERRUPTED in statuses:
        return _stopped_as(state)
    if Status.CANCELED in statuses:
        return Status.CANCELED
    begun = any(task.attempt > 0 for task in state.of_step(step))
    if _has_stopped(state):
        return _stopped_as(state) if begun else Status.CREATED
    return Status.RUNNING if begun else Status.CREATED


def end_status(state: JobState) -> Status | None:
    """Return how the job ended; None while something runs or is going to."""
    if any(task.status is _RUNNING for task in state.tasks):
        return None
    if has_failed(state):
        return Status.FAILED
    if all(task.status is Status.SUCCESS for task in state.tasks):
        return Status.SUCCESS
    if state.is_stopping:
        return _stopped_as(state)
    return None if next_tasks(state) else Status.INTERRUPTED


def first_error(state: JobState) -> TaskError | None:
    """Return why the job failed: an error of user code rather than of a worker, in the order of the steps."""
    errors = [task.error for task in state.tasks if task.status is Status.FAILED and task.error is not None]
    return min(errors, key=lambda error: not error.is_user_error, default=None)


def has_failed(state: JobState) -> bool:
    """Whether a task has failed for good."""
    return any(task.status is Status.FAILED for task in state.tasks)


def succeeded_steps(state: JobState) -> list[str]:
    """Return the steps all of whose tasks have succeeded."""
    return [step for step in state.needs if step_status(state, step) is Status.SUCCESS]


def make_state(needs: Mapping[str, Sequence[str]], tasks: Iterable[TaskState]) -> JobState:
    """Begin with a graph and its tasks; needs that lie outside the graph are taken as done."""
    inside = {step: tuple(need for need in wanted if need in needs) for step, wanted in needs.items()}
    return JobState(needs=inside, tasks=tuple(tasks))


def _startable_steps(state: JobState) -> list[str]:
    """Return the steps whose needs are done, however far behind: a step that has succeeded may need one whose failed rows are tried again."""
    graph = StepGraph(state.needs)
    succeeded = set(succeeded_steps(state))
    done: list[str] = []
    for step in graph.order():
        if step in succeeded and all(need in done for need in state.needs[step]):
            done.append(step)
    return graph.ready(done, started=())


def _stopped_as(state: JobState) -> Status:
    return Status.INTERRUPTED if state.stopped is None else state.stopped.status


def _has_stopped(state: JobState) -> bool:
    return state.is_stopping or has_failed(state)


def _replace(state: JobState, task_id: str, change: Callable[[TaskState], TaskState]) -> JobState:
    tasks = tuple(change(task) if task.id == task_id else task for task in state.tasks)
    return dataclasses.replace(state, tasks=tasks)
