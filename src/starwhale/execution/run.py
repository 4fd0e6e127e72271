"""The loop of one job, where schedule, executor and catalog meet, and nowhere else.

The schedule decides, the executor places, the catalog remembers. Everything a worker committed counts, whatever becomes of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starwhale.domain.error_budget import ErrorBudget, parse_error_budget
from starwhale.domain.job import Job, Step, Task, TaskError, TaskUpdate
from starwhale.domain.status import Status, is_active
from starwhale.domain.usage import ACCELERATOR_USE
from starwhale.domain.wanted_metrics import FIGURES
from starwhale.domain.wish import Stop
from starwhale.errors import (
    ExecutionError,
    InterruptedJobError,
    NoSpaceError,
    StarwhaleError,
    UsageError,
)
from starwhale.execution import schedule
from starwhale.execution.attempt_stores import AttemptStores
from starwhale.execution.executors.protocol import Executor
from starwhale.execution.machine.accelerator_use import AcceleratorWatch, find_look, merge
from starwhale.execution.outcome import JobOutcome, JobProgress, OnProgress, StepView, make_error
from starwhale.execution.plan import plan_tasks
from starwhale.execution.schedule import JobState, TaskState
from starwhale.execution.suspects import Suspects
from starwhale.storage.protocols import StepProgress
from starwhale.storage.task_side import log_path

logger = logging.getLogger(__name__)

TICK_S = 0.2
"""How long the loop waits for the executor before it looks at everything else."""
END_STEPS = ("update_taken", "attempt_ended", "step_recorded", "compacted", "steps_settled")
"""The crash points after the last commit of a task, in order."""
_STOPPED = frozenset({Status.INTERRUPTED, Status.PAUSED, Status.CANCELED})


class JobRun:
    """One driver's run of one job, new or resumed."""

    def __init__(
        self, job: Job, executor: Executor, attempts: AttemptStores, *, on_progress: OnProgress | None = None
    ) -> None:
        if attempts.side is None:
            message = f"job {job.id} has no stores"
            raise ExecutionError(message)
        self._job = job
        self._executor = executor
        self._attempts = attempts
        self._stores = attempts.side.stores
        self._catalog = attempts.side.stores.catalog
        self._results = attempts.side.stores.results
        self._layout = attempts.side.stores.layout
        self._crash_point = attempts.side.crash_point
        self._on_progress = on_progress
        self._steps = {step.name: step for step in job.steps}
        self._tasks = {task.id: task for step in job.steps for task in plan_tasks(job, step)}
        self._state = self._first_state()
        self._recorded = {each.step.name: each.status for each in self._catalog.jobs.steps(job.id)}
        self._cancelled: set[tuple[str, int]] = set()
        self._to_cancel: list[str] = []
        self._ready: list[Task] = []
        self._untidy: list[str] = []
        self._halt: TaskError | None = None
        self._suspects = Suspects(job, attempts.side)
        self._budget = parse_error_budget(job.request.max_errors) if job.request.max_errors else None
        self._packages: dict[str, str] = {}

    def run(self, find_stop: Callable[[], Stop | None]) -> JobOutcome:
        """Run the job to its end.

        Args:
            find_stop: Says why it is to stop, or None; asked several times a second.
        """
        watch = AcceleratorWatch(self._steps_at_work, find_look())
        try:
            with watch:
                return self._run(find_stop)
        finally:
            self._keep_use(dict(watch.found))  # nobody adds to it any more, but for a driver that does not answer

    def _run(self, find_stop: Callable[[], Stop | None]) -> JobOutcome:
        stop = find_stop()
        with self._catalog.together():
            self._begin()
            self._record_starts(stop)
        while (status := schedule.end_status(self._state)) is None:
            self._submit()
            self._report()
            if stop is not None and self._stop(stop):
                continue
            updates = self._executor.wait(TICK_S)
            stop = find_stop()
            with self._catalog.together() if _are_quick(updates) else contextlib.nullcontext():
                self._take_all(updates)
                self._record_starts(stop)
            self._send_cancels()
            if self._results.should_compact(self._job.id):
                self._results.compact(self._job.id)
        return self._finish(status)

    def _take_all(self, updates: Sequence[TaskUpdate]) -> None:
        alone = self._alone(updates)
        for update in updates:
            self._take(update, is_alone=update.task_id in alone)
        self._settle(has_news=bool(updates))

    def _steps_at_work(self) -> list[str]:
        return [name for name in self._steps if schedule.step_status(self._state, name) is Status.RUNNING]

    def _keep_use(self, found: Mapping[str, Mapping[str, Any]]) -> None:  # Any: JSON values
        """Write down how busy the accelerators were, beside what earlier runs of the job have seen."""
        if not found:
            return
        with contextlib.suppress(StarwhaleError):  # what ends the job is told, and this is not worth more than that

            def add(record: Mapping[str, Any]) -> dict[str, Any]:  # Any: see above
                before = record.get(ACCELERATOR_USE) or {}
                return {
                    ACCELERATOR_USE: {**before, **{name: merge(before.get(name, {}), found[name]) for name in found}}
                }

            self._catalog.jobs.add_to_record(self._job.id, add)

    def _stop(self, why: Stop) -> bool:
        """Let nothing start any more and what runs come to its end; returns whether that is news."""
        before, self._state = self._state, schedule.stop(self._state, why)
        if self._state is before:
            return False
        if why.status is Status.CANCELED:
            self._catalog.jobs.set_status(self._job.id, Status.CANCELLING)
        if why.is_forced:
            self._executor.close(kill=True)
            for task in self._state.tasks:
                if task.status is Status.RUNNING:
                    self._take(
                        TaskUpdate(task_id=task.id, attempt=task.attempt, status=Status.INTERRUPTED), is_alone=False
                    )
        else:
            self._cancel()
            self._send_cancels()
        return True

    def _first_state(self) -> JobState:
        last: dict[str, int] = {}
        for attempt in self._catalog.jobs.attempts(self._job.id):
            last[attempt.task_id] = max(last.get(attempt.task_id, 0), attempt.number)
        succeeded = self._catalog.jobs.ended_tasks(self._job.id)
        done = {each.step.name for each in self._catalog.jobs.steps(self._job.id) if each.status is Status.SUCCESS}
        states: list[TaskState] = []
        for task in self._tasks.values():
            # Rows are in the ledger, so every task of such a step helps again; a task without rows has succeeded for good.
            is_done = task.step.name in done or (task.id in succeeded and not task.step.consumes_rows)
            states.append(
                TaskState(
                    id=task.id,
                    step=task.step.name,
                    status=Status.SUCCESS if is_done else Status.CREATED,
                    attempt=last.get(task.id, 0),
                )
            )
        return schedule.make_state({step.name: step.needs for step in self._job.steps}, states)

    def _begin(self) -> None:
        job = self._job
        for step in job.steps:
            if step.consumes_rows:
                batch = 1 if job.request.is_debug else max(step.record.batch_size, 1)
                for position, dataset in enumerate(job.datasets):
                    stop = dataset.start + dataset.row_count
                    chosen = dataset.chosen if job.request.sample else None
                    self._catalog.ledger.create_queue(
                        job.id, step.name, "", position, stop, batch, start=dataset.start, chosen=chosen
                    )
            if self._recorded.get(step.name) is Status.SUCCESS:  # a driver may have died before it tidied up
                self._untidy.append(step.name)
        self._catalog.jobs.set_status(job.id, Status.RUNNING)

    def _record_starts(self, stop: Stop | None) -> None:
        """Write down the attempts that can start, unless something is to stop them; `_submit` has them placed."""
        if stop is not None:
            return
        for each in schedule.next_tasks(self._state):
            self._state = schedule.start(self._state, each.id)
            task = dataclasses.replace(self._tasks[each.id], attempt=each.attempt + 1)
            self._catalog.jobs.record_attempt_start(task, self._job.request.executor)
            self._ready.append(task)
        if self._ready:
            self._record_steps()

    def _submit(self) -> None:
        """Place the attempts that were written down; not within a transaction, for processes are started and ended."""
        while self._ready:
            self._executor.submit(self._ready.pop(0))

    def _alone(self, updates: Sequence[TaskUpdate]) -> set[str]:
        """Return the tasks whose worker died while it was at one range only, so that no other can have killed it."""
        died = [each for each in updates if each.worker_died and not each.is_renewal]
        at = {each.task_id: self._attempts.count_worked_on(each.task_id, each.attempt) for each in died}
        if self._executor.shares_workers and sum(at.values()) > 1:
            return set()
        return {task_id for task_id, count in at.items() if count == 1}

    def _take(self, update: TaskUpdate, *, is_alone: bool) -> None:
        task = dataclasses.replace(self._tasks[update.task_id], attempt=update.attempt)
        update = self._describe(task, update)
        stores = self._attempts.close(update.task_id, update.attempt)
        held = stores is not None and stores.holds_ranges
        culprit: TaskError | None = None
        if update.worker_died and not update.is_renewal:
            reason = "" if update.error is None else update.error.message
            logger.warning("job=%s task=%s attempt=%s: %s", task.job_id, task.id, update.attempt, reason)
            if stores is not None:
                culprit = self._suspects.died(task, stores, update, is_alone=is_alone)
        elif held and stores is not None:
            self._catalog.ledger.release_holder(task.job_id, stores.holder)
        self._state = schedule.apply(self._state, update, counts=not held and not update.is_renewal)
        self._crash_point("update_taken")
        self._catalog.jobs.record_attempt_end(update, lambda connection: self._settle_parts(connection, task, update))
        self._crash_point("attempt_ended")
        if update.status is Status.INTERRUPTED and update.error is not None and self._halt is None:
            self._halt = update.error  # the disk is full, or the lease was taken away: the job can go on later
            self._state = schedule.stop(self._state)
        if culprit is not None:
            self._state = schedule.fail(self._state, task.id, culprit)

    def _describe(self, task: Task, update: TaskUpdate) -> TaskUpdate:
        """Say where the log lies; in a debug run, a worker that died is not started again."""
        if self._job.request.is_debug:
            return dataclasses.replace(update, worker_died=False)
        if update.error is None:
            return update
        path = log_path(self._layout, task)
        path = path.parent if update.worker_died else path  # what native code wrote lies beside it
        log = str(path) if path.exists() else ""
        return dataclasses.replace(update, error=dataclasses.replace(update.error, log=log))

    def _settle_parts(self, connection: Any, task: Task, update: TaskUpdate) -> None:  # Any: passed on
        """Make what a task without rows has logged final, or hide it; what was done of rows is final already.

        What the attempt's process has imported is written down in the same transaction, where that is news.
        """
        if new := {name: each for name, each in update.packages.items() if self._packages.get(name) != each}:
            self._packages |= new
            self._catalog.jobs.add_packages(connection, task.job_id, new)
        if task.step.consumes_rows:
            return
        if update.status is Status.SUCCESS:
            self._catalog.parts.finalize(connection, task.id, update.attempt)
        else:
            self._catalog.parts.hide(connection, task.id)

    def _settle(self, *, has_news: bool) -> None:
        """Draw the conclusions of what has ended, and of rows that failed."""
        if self._budget is not None:
            self._check_budget(self._budget)
        if has_news:
            for step in self._job.steps:
                self._check_rows(step)
            self._record_steps()
            self._cancel()
        if has_news or self._state.is_cautious:
            is_cautious = self._executor.shares_workers and self._suspects.remain()
            self._state = dataclasses.replace(self._state, is_cautious=is_cautious)

    def _check_rows(self, step: Step) -> None:
        """Fail a step whose tasks have all succeeded although rows are missing; that would be a mistake of ours."""
        if not step.consumes_rows or self._recorded.get(step.name) is Status.SUCCESS:
            return
        if schedule.step_status(self._state, step.name) is not Status.SUCCESS or self._job.request.task_index >= 0:
            return
        if not self._catalog.ledger.is_complete(self._job.id, step.name):
            rows = {each.step: each for each in self._catalog.ledger.progress(self._job.id)}[step.name]
            message = f"step {step.name!r} ended with {rows.done} of {rows.total} rows"
            error = TaskError(
                message=message, hint=f"go on with: swcli job resume {self._job.id[:12]}", is_user_error=False
            )
            self._state = schedule.fail(self._state, self._state.of_step(step.name)[0].id, error)

    def _check_budget(self, budget: ErrorBudget) -> None:
        """Fail a step in which more rows have failed than the job puts up with."""
        for rows in self._catalog.ledger.progress(self._job.id):
            if rows.step not in self._steps or budget.allows(rows.failed, rows.total):
                continue
            tasks = self._state.of_step(rows.step)
            if any(task.status is Status.FAILED for task in tasks):
                continue
            running = [task for task in tasks if task.status is Status.RUNNING]
            for task in running:
                self._cancel_one(task.id, task.attempt)
            if running:  # what they have begun is kept
                continue
            message = (
                f"{rows.failed} of {rows.total} rows of step {rows.step!r} failed, and --max-errors is {budget.text}"
            )
            hint = f"look at them: swcli job results {self._job.id[:12]} --failed"
            error = TaskError(message=message, hint=hint, step=rows.step)
            self._state = schedule.fail(self._state, tasks[0].id, error)

    def _record_steps(self) -> None:
        for name in self._steps:
            status = schedule.step_status(self._state, name)
            before = self._recorded.get(name, Status.CREATED)
            has_not_run = status in _STOPPED and not is_active(before)  # the job was stopped again before its turn came
            if status is before or status is Status.CREATED or has_not_run:
                continue
            self._catalog.jobs.record_step(self._job.id, name, status)
            self._recorded[name] = status
            if status is Status.SUCCESS:
                self._crash_point("step_recorded")
                self._untidy.append(name)

    def _tidy_up(self) -> None:
        """Merge the parts of steps that have ended: when nobody waits for it any more, and whatever the job has come to."""
        while self._untidy:
            self._results.compact(self._job.id, self._untidy.pop(0))
            self._crash_point("compacted")

    def _cancel(self) -> None:
        for task_id in schedule.to_cancel(self._state):
            self._cancel_one(task_id, self._state.task(task_id).attempt)

    def _cancel_one(self, task_id: str, attempt: int) -> None:
        if (task_id, attempt) not in self._cancelled:
            self._cancelled.add((task_id, attempt))
            self._to_cancel.append(task_id)

    def _send_cancels(self) -> None:
        """Tell the executor which tasks are to stop; not within a transaction, for it may have to ask another machine."""
        while self._to_cancel:
            self._executor.cancel(self._to_cancel.pop(0))

    def _finish(self, status: Status) -> JobOutcome:
        halt = self._halt
        if halt is None and self._state.stopped is not None:
            halt = self._state.stopped.error
        error = schedule.first_error(self._state) if status is Status.FAILED else halt if status in _STOPPED else None
        self._record_steps()
        self._tidy_up()
        self._crash_point("steps_settled")
        if status is Status.SUCCESS and (error := self._keep_figures()) is not None:
            status = Status.FAILED
        self._catalog.jobs.set_status(self._job.id, status, error=error)
        self._report()
        raised = None if error is None else make_error(error)
        if error is not None and status in _STOPPED:
            cls = NoSpaceError if error is self._halt else InterruptedJobError
            raised = cls(error.message, hint=error.hint)
        return JobOutcome(job_id=self._job.id, status=status, error=raised)

    def _keep_figures(self) -> TaskError | None:
        """Compute the figures that handlers asked for, and write them down; returns why that cannot be."""
        if self._job.request.is_debug or self._job.request.task_index >= 0:  # not the rows that figures are about
            return None
        from starwhale.results.job_figures import compute_figures

        try:
            found = compute_figures(self._stores, self._catalog.jobs.get(self._job.id))
        except UsageError as error:
            return TaskError(message=error.message, hint=error.hint)
        if found.figures:
            self._catalog.jobs.add_to_record(self._job.id, lambda _: {FIGURES: found.to_json()})
        return None

    def _report(self) -> None:
        if self._on_progress is None:
            return
        rows: Mapping[str, StepProgress] = {each.step: each for each in self._catalog.ledger.progress(self._job.id)}
        views: list[StepView] = []
        notes = self._attempts.notes()
        for name in self._steps:
            status = schedule.step_status(self._state, name)
            views.append(StepView(name=name, status=status, rows=rows.get(name), note=notes.get(name, "")))
        self._on_progress(JobProgress(job_id=self._job.id, steps=tuple(views)))


def _are_quick(updates: Sequence[TaskUpdate]) -> bool:
    """Whether all that follows from updates is written in one transaction: what it takes to find a culprit holds nobody else up."""
    return bool(updates) and not any(each.worker_died for each in updates)
