"""One attempt of a task, beside user code: lease rows, predict them, commit the part and lease the next; or run a step without rows.

Success is reported after the last commit. What a user's function raises becomes an update that says where; what it did before is
kept.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Protocol

from starwhale.domain.job import Task, TaskError, TaskUpdate
from starwhale.domain.status import Status
from starwhale.domain.usage import Activity
from starwhale.errors import LeaseLostError, NoSpaceError, StarwhaleError, UserCodeError
from starwhale.execution.tasks.meter import Meter
from starwhale.execution.tasks.read_ahead import RangeFeed, Ready
from starwhale.handlers import call
from starwhale.handlers.calls.predict_rows import PredictRunner
from starwhale.handlers.calls.range_part import Origin, RowFailed, Rules
from starwhale.handlers.calls.row_clock import RowClock
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.handlers.failures import has_quit
from starwhale.handlers.result_rows import iter_results
from starwhale.media.weight import PART_BYTES
from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Rows, TablePage, TableQuery
from starwhale.storage.task_contract import TaskStores

logger = logging.getLogger(__name__)

_READY = {Activity.READ: "read_s", Activity.DECODE: "decode_s", Activity.WRITE: "write_s"}
COMMIT_ROWS = 10_000
"""A step without rows commits what it has logged after so many rows."""


class Output(Protocol):
    """What keeps what a task prints."""

    sends_at_once: bool
    """Whether every line is sent when it is whole."""

    def tail(self) -> str:
        """Return the end of what was printed."""
        ...

    def write(self, text: str) -> None:
        """Take text as if it was printed."""
        ...


def run_task(  # noqa: PLR0913 - what differs between a worker, a notebook and a debugger
    task: Task,
    stores: TaskStores,
    *,
    should_stop: Callable[[], bool],
    clock: Callable[[], float] = time.perf_counter,
    on_failure: Callable[[UserCodeError], None] | None = None,
    output: Output | None = None,
    on_stuck: Callable[[TaskUpdate], None] | None = None,
) -> TaskUpdate:
    """Run one attempt to its end.

    Args:
        task: What to run; the user's modules have been imported.
        stores: The task's side of the stores.
        should_stop: Whether to stop at the next batch boundary.
        clock: Seconds, for timings.
        on_failure: Called with what user code raised, while everything that it uses is still open.
        output: What keeps what the task prints; its end is kept with a failure.
        on_stuck: Ends this process, after reporting the update, when a call of predict takes longer than its handler allows. Called from
            another thread, while this one is stuck; None where the process must live on.

    Returns:
        How it ended; never raises for what user code or the stores do.
    """
    context = make_context(task, stores)
    set_runtime_context(context)
    attempt = _Attempt(task, stores, context, should_stop, Meter(clock), clock)
    attempt.on_failure, attempt.output, attempt.on_stuck = on_failure, output, on_stuck
    failed: TaskError | None = None
    try:
        status = attempt.run()
    except UserCodeError as error:
        if task.request.is_debug and error.__cause__ is not None and has_quit(error.__cause__):
            status = Status.INTERRUPTED
        else:
            status, failed = Status.FAILED, describe_error(error)
    except NoSpaceError as error:
        status, failed = (
            Status.INTERRUPTED,
            TaskError(message=error.message, hint=error.hint, is_user_error=False),
        )
    except LeaseLostError as error:
        logger.warning("task=%s attempt=%s: %s", task.id, task.attempt, error)
        status, failed = Status.INTERRUPTED, describe_error(error)
    except Exception as error:
        status, failed = Status.FAILED, describe_error(error)
    finally:
        set_runtime_context(None)
    if failed is not None:
        tail = "" if output is None else output.tail()
        failed = dataclasses.replace(
            failed, step=task.step.name, task=task.index, attempt=task.attempt, output=failed.output or tail
        )
    used = attempt.meter.read()
    return TaskUpdate(task_id=task.id, attempt=task.attempt, status=status, error=failed, timings=used)


def make_context(task: Task, stores: TaskStores) -> Context:
    """Make the context that user code sees."""
    request = task.request
    return Context(
        workdir=request.workdir,
        step=task.step.name,
        total=task.total,
        index=task.index,
        dataset_uris=list(request.datasets) or [each.given for each in task.datasets],
        version=task.job_id,
        run_project=request.project,
        log_project=request.project,
        dataset_head=request.dataset_head,
        model_name=request.model_name,
        accelerators=task.accelerators,
        arguments=request.handler_arguments,
        base_seed=request.seed,
        inputs=task.datasets,
        stores=stores,
    )


class _Attempt:
    """What the steps of one attempt share."""

    def __init__(
        self,
        task: Task,
        stores: TaskStores,
        context: Context,
        should_stop: Callable[[], bool],
        meter: Meter,
        clock: Callable[[], float],
    ) -> None:
        self._task = task
        self._stores = stores
        self._context = context
        self._should_stop = should_stop
        self._clock = clock
        self.meter = meter
        """Counts where the time goes."""
        self.on_failure: Callable[[UserCodeError], None] | None = None
        """Called with what user code raised, before its instance is closed."""
        self.output: Output | None = None
        """What keeps what the task prints."""
        self.on_stuck: Callable[[TaskUpdate], None] | None = None
        """Ends the process when a call does not end."""
        self._feed: RangeFeed | None = None

    def run(self) -> Status:
        """Run the handler; returns success or interrupted."""
        with self._watch(), self.meter.measure(Activity.LOAD):
            bound = call.load(self._task.step.record)
        try:
            with self._watch():
                status = self._run_async(bound) if bound.record.is_async else self._run_bound(bound)
        finally:
            bound.close()
        if status is Status.SUCCESS:
            self._keep_the_rest()
        return status

    def _run_bound(self, bound: call.Bound) -> Status:
        step = self._task.step
        if not step.consumes_rows:
            self._run_whole(bound)
            return Status.SUCCESS
        runner = PredictRunner(bound, self._context, self._rules())
        if not step.record.timeout_s or self._task.request.is_debug:  # who debugs takes the time that it takes
            return self._run_rows(runner)
        on_late = None if self.on_stuck is None else lambda stack: self._give_up(runner, stack)
        with closing(RowClock(step.record.timeout_s, on_late)) as row_clock:
            runner.limit(row_clock)
            return self._run_rows(runner)

    def _rules(self) -> Rules:
        """Say what holds for every range, and let user code see what belongs to the datasets."""
        task, step = self._task, self._task.step
        info = {each.uri: self._stores.dataset_info(n) for n, each in enumerate(task.datasets)}
        self._context.dataset_info = info
        origin = Origin(
            id_step=step.id_step,
            step=step.name,
            task=task.index,
            attempt=task.attempt,
            output=self.output.tail if self.output is not None else lambda: "",
        )
        return Rules.make(
            step.record,
            origin,
            is_debug=task.request.is_debug,
            puts_up_with_errors=bool(task.request.max_errors),
        )

    def _run_async(self, bound: call.Bound) -> Status:
        """Run an async handler in an event loop of this thread."""
        from starwhale.execution.tasks.event_loops import LOOPS

        with LOOPS.borrow() as loop:
            if self._task.step.consumes_rows:
                return loop.run_until_complete(self._run_async_rows(bound))
            bound.function = call.in_loop(bound.function, loop.run_until_complete)
            return self._run_bound(bound)

    async def _run_async_rows(self, bound: call.Bound) -> Status:
        from starwhale.execution.tasks.async_rows import AsyncRows
        from starwhale.handlers.calls.gate import Gate
        from starwhale.handlers.calls.predict_async import AsyncRunner

        task, output = self._task, self.output
        gate = Gate(task.step.concurrency, time.monotonic)
        async with call.entered(bound):
            runner = AsyncRunner(bound, self._context, self._rules(), gate, note=self._note)
            rows = AsyncRows(task, self._stores, runner, self._should_stop, self.meter)
            if output is not None:
                rows.on_lease = lambda lease: setattr(output, "sends_at_once", lease.is_suspect)
            return await rows.run()

    def _note(self, text: str) -> None:
        """Write a line into the task's log."""
        if self.output is not None:
            self.output.write(f"{time.strftime('%H:%M:%S')} {self._task.step.name}: {text}\n")

    def _give_up(self, runner: PredictRunner, stack: FrameType | None) -> None:
        """Keep what was done, and have this process ended: a call of predict does not end."""
        assert self.on_stuck is not None  # noqa: S101 - the caller has looked
        task, draft = self._task, None
        self.meter.take_over()
        try:
            draft, failed, ends_task = runner.give_up(stack)
            if draft is not None and draft.lease is not None:
                self._keep(self._finish(draft, draft.lease, self._clock() - draft.took_s))
        except Exception as error:
            failed, ends_task = describe_error(error), True
        tail = "" if self.output is None else self.output.tail()
        failed = dataclasses.replace(failed, step=task.step.name, task=task.index, attempt=task.attempt, output=tail)
        self.on_stuck(
            TaskUpdate(
                task_id=task.id,
                attempt=task.attempt,
                status=Status.FAILED,
                error=failed,
                worker_died=not ends_task,
                is_renewal=not ends_task,
                timings=self.meter.read(),
            )
        )

    @contextmanager
    def _watch(self) -> Generator[None]:
        """Tell whoever wants to know of what user code raises."""
        try:
            yield
        except UserCodeError as error:
            if self.on_failure is not None:
                self.on_failure(error)
            raise

    def _keep_the_rest(self) -> None:
        """Commit what was logged outside of any range: by the handler's constructor and at its exit."""
        tables = self._context.log_buffer.drain()
        if tables:
            with self.meter.measure(Activity.WRITE):
                self._stores.commit(PartDraft(tables=tables))

    def _run_rows(self, runner: PredictRunner) -> Status:
        draft: PartDraft | None = None
        is_ahead = not self._task.request.is_debug
        with closing(RangeFeed(self._stores, is_ahead=is_ahead, clock=self._clock)) as feed:
            self._feed = feed
            while not self._should_stop():
                asked = self._clock()
                ready = feed.next(draft)
                if ready is None:
                    self.meter.add(Activity.WRITE, self._clock() - asked)
                    return Status.SUCCESS
                began = self._clock() - ready.read_s - ready.decode_s
                for activity, seconds in _READY.items():
                    self.meter.add(activity, getattr(ready, seconds))
                try:
                    draft = self._run_range(runner, ready, began)
                except RowFailed as failure:
                    self._keep(failure.draft and self._finish(failure.draft, ready.lease, began))
                    raise
            self._keep(draft)
        return Status.INTERRUPTED

    def _run_range(self, runner: PredictRunner, ready: Ready, began: float) -> PartDraft | None:
        lease, rows = ready.lease, ready.rows
        if self.output is not None:
            self.output.sends_at_once = lease.is_suspect
        used = lease
        if lease.is_tried_apart:  # a worker has died on these rows: they are tried and committed one by one
            used = dataclasses.replace(lease, stop=lease.start + 1)
            rows = Rows(keys=rows.keys[:1], columns={name: column[:1] for name, column in rows.columns.items()})
        elif self._task.request.is_debug:  # one row at a time, whatever the size of a batch
            used = dataclasses.replace(lease, rebatched=True)
        draft = runner.run(rows, used, self._task.datasets[lease.dataset_position], should_stop=self._should_stop)
        if draft is None:
            return None
        if used.stop < lease.stop and draft.stop is None:
            draft = dataclasses.replace(draft, stop=used.stop)
        return self._finish(draft, lease, began)

    def _finish(self, draft: PartDraft, lease: RangeLease, began: float) -> PartDraft:
        """Add what the user logged, and the time that it took."""
        took_s = self._clock() - began
        wait_s = draft.timings.get(Activity.WAIT, 0.0)  # calls that overlap add up to more than the time that they took
        self.meter.add(Activity.PREDICT, min(draft.timings.get(Activity.PREDICT, 0.0), took_s - wait_s))
        if wait_s:
            self.meter.add(Activity.WAIT, wait_s)
        self.meter.rows += draft.rows_done
        tables = [*draft.tables, *self._context.log_buffer.drain()]
        return dataclasses.replace(draft, lease=lease, tables=tables, took_s=took_s, timings=self.meter.read())

    def _keep(self, draft: PartDraft | None) -> None:
        """Commit what was done of a range, if any of it was, after the one before; the rest goes back when the attempt ends."""
        if self._feed is not None:
            with self.meter.measure(Activity.WRITE):
                self._feed.settle()
        if draft is None or draft.lease is None:
            return
        if draft.stop is None or draft.stop > draft.lease.start:
            with self.meter.measure(Activity.WRITE):
                self._stores.commit(draft)

    def _run_whole(self, bound: call.Bound) -> None:
        record, context = self._task.step.record, self._context
        drain = _Drain(context, self._stores, self.meter)
        context.log_buffer.on_log = drain.count
        before, began = self.meter.total(), self._clock()
        try:
            if record.kind == "evaluate":
                call.call_evaluate(bound, iter_results(_MeteredPages(self._stores, self.meter)))
            else:
                call.call_plain(bound)
        finally:
            context.log_buffer.on_log = None
            self.meter.add(Activity.RUN, self._clock() - began - (self.meter.total() - before))
        drain.commit()


class _Drain:
    """Commits what a step without rows has logged, now and then; safe to call from the threads of user code."""

    def __init__(self, context: Context, stores: TaskStores, meter: Meter) -> None:
        self._context = context
        self._stores = stores
        self._meter = meter
        self._rows = 0
        self._lock = threading.Lock()

    def count(self) -> None:
        """Take note of one logged row."""
        with self._lock:
            self._rows += 1
            is_due = self._rows >= COMMIT_ROWS or self._context.log_buffer.weight >= PART_BYTES
            if is_due:
                self._rows = 0
        if is_due:
            self.commit()

    def commit(self) -> None:
        """Commit what waits."""
        with self._lock:
            tables = self._context.log_buffer.drain()
            if tables:
                with self._meter.measure(Activity.WRITE):
                    self._stores.commit(PartDraft(tables=tables))


class _MeteredPages:
    """Pages of results for evaluate, with the time counted that it waits for them."""

    def __init__(self, stores: TaskStores, meter: Meter) -> None:
        self._stores = stores
        self._meter = meter

    def read_page(self, query: TableQuery, cursor: str | None = None) -> TablePage:
        """Read some rows of a table of the job."""
        with self._meter.measure(Activity.READ):
            return self._stores.read_page(query, cursor)


def describe_error(error: BaseException) -> TaskError:
    """Say why an attempt failed, the user's frame first where user code did it."""
    if isinstance(error, RowFailed):
        return error.task_error
    if isinstance(error, UserCodeError):
        return TaskError(
            message=error.message,
            exception=error.exception,
            frame=error.frame,
            details=error.details,
            key=error.key,
            row=error.row,
            source=error.source,
            hint=error.hint,
        )
    if isinstance(error, StarwhaleError):
        return TaskError(message=error.message, exception=f"{type(error).__name__}: {error}", hint=error.hint)
    details = "".join(traceback.format_exception(error))
    text = f"{type(error).__name__}: {error}"
    return TaskError(message=text, exception=text, details=details, is_user_error=False)
