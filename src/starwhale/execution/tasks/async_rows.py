"""The rows of a task whose predict is async: many calls in flight in one event loop, committed range by range.

Ranges are open side by side; each is committed when all its calls have ended. One in which a few calls are late is cut, so that the
others do not wait for them. The event loop belongs to user code: what reads, leases and commits rows does so in two threads.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starwhale.domain.job import Task
from starwhale.domain.ledger import TARGET_S
from starwhale.domain.status import Status
from starwhale.domain.usage import Activity
from starwhale.execution.tasks.meter import Meter
from starwhale.handlers.calls.predict_async import AsyncRunner, Call, OpenRange
from starwhale.handlers.calls.range_part import RowFailed
from starwhale.media.weight import PART_BYTES
from starwhale.storage.part import RangeLease
from starwhale.storage.protocols import Rows
from starwhale.storage.task_contract import TaskStores

R = TypeVar("R")
TICK_S = 0.1
"""How often is looked whether the task should stop, at least."""
LEAD_S = 0.5
"""Rows for so long lie ready."""
FEW = 2
"""So many calls of a range that are late do not hold up the others."""
LATE_S = 1.0
"""They are late after so long."""
GRACE_S = 10.0
"""So long may calls in flight go on after a row has failed the task: they may have cost money."""
MOST_OPEN = 4
"""Calls that are leased and not committed, in multiples of those that are in flight at most or lie in one range."""


class AsyncRows:
    """Drives the calls of one attempt, in the event loop of its thread."""

    def __init__(
        self, task: Task, stores: TaskStores, runner: AsyncRunner, should_stop: Callable[[], bool], meter: Meter
    ) -> None:
        """Begin with no range.

        Args:
            task: What to run.
            stores: The task's side of the stores.
            runner: Calls predict.
            should_stop: Whether to begin no more calls.
            meter: Counts where the time goes: to predict as long as any call is in flight.
        """
        self._task = task
        self._stores = stores
        self._runner = runner
        self._gate = runner.gate
        self._should_stop = should_stop
        self._most = task.step.concurrency
        self._batch = 1 if task.request.is_debug else max(task.step.record.batch_size, 1)
        self._open: list[OpenRange] = []
        self._running: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[object]] = set()
        self._is_fetching = False
        self._coming: list[RangeLease] = []
        self._is_exhausted = False
        self._is_stopped = False
        self._failure: RowFailed | None = None
        self._failed_at = 0.0
        self._broken: BaseException | None = None
        self._speed = Speed(time.monotonic())
        self._news = asyncio.Event()
        self._noted = ""
        self._ledger = ThreadPoolExecutor(1, "ledger")
        self._reader = ThreadPoolExecutor(1, "read-ahead")
        self._meter = meter
        self.on_lease: Callable[[RangeLease], None] = lambda _lease: None
        """Told of every range that is leased."""

    async def run(self) -> Status:
        """Run until no rows are left or a stop was asked for; returns success or interrupted.

        Raises:
            RowFailed: A row failed, and the handler wants the task to fail then; what was done is committed.
            StarwhaleError: Storage failed.
        """
        try:
            await self._work()
            await self._end_calls()
            await self._commit_rest()
        finally:
            await self._end_calls()
            self._ledger.shutdown(wait=True)
            self._reader.shutdown(wait=True)
        if self._failure is not None:
            raise self._failure
        return Status.INTERRUPTED if self._is_stopped else Status.SUCCESS

    async def _work(self) -> None:
        while True:
            began = time.perf_counter()
            self._news.clear()
            self._look()
            if not self._is_stopping:
                self._fetch()
                self._begin()
                self._commit()
            if self._is_over():
                return
            timer = asyncio.get_running_loop().call_later(TICK_S, self._news.set)
            await self._news.wait()
            timer.cancel()
            self._account(time.perf_counter() - began)

    @property
    def _is_stopping(self) -> bool:
        return self._is_stopped or self._failure is not None

    def _look(self) -> None:
        """See whether something ends the work."""
        if self._broken is not None:
            raise self._broken
        if not self._is_stopping and self._should_stop():
            self._is_stopped = True
            self._runner.stop()
        self._speed.look(time.monotonic(), is_held=self._gate.held_s > 0)
        if (noted := self._gate.describe()) != self._noted:
            self._noted = noted
            self._stores.note(noted)

    def _is_over(self) -> bool:
        if self._chores:
            return False
        if self._is_stopping:
            return not self._running or (self._failed_at > 0 and time.monotonic() - self._failed_at > GRACE_S)
        return self._is_exhausted and not self._open

    def _account(self, seconds: float) -> None:
        if self._gate.active:
            activity = Activity.PREDICT
        elif self._runner.put_off or self._gate.held_s:
            activity = Activity.WAIT
        else:
            activity = Activity.READ if self._is_fetching or self._coming else Activity.WRITE
        self._meter.add(activity, seconds)

    def _fetch(self) -> None:
        """Lease the next range where rows will be wanted soon, and there is room for them."""
        leases = [*(opened.lease for opened in self._open), *self._coming]
        if self._is_fetching or self._is_exhausted or any(lease.is_suspect for lease in leases):
            return  # a suspect is alone
        most, speed = self._most, self._speed.calls_per_s
        free = max(min(self._gate.limit - self._gate.active, most - len(self._running)), 0)
        coming = sum(-(-lease.row_count // self._batch) for lease in self._coming)
        ready = sum(len(opened.calls) - opened.begun for opened in self._open) + coming
        is_slow = self._task.total > 1 and speed < most / 2  # a row that lies ready here could be another task's
        lead = 0 if is_slow else max(speed * LEAD_S, 1)
        calls = max(int(speed * TARGET_S), min(free, -(-most // 4)), 1)
        leased = sum(len(opened.calls) for opened in self._open) + coming
        if self._gate.held_s or (free <= ready and ready >= lead) or leased + calls > MOST_OPEN * max(most, calls):
            return
        self._is_fetching = True
        self._do(self._fetch_range(calls))

    async def _fetch_range(self, calls: int) -> None:
        """Lease a range and read its rows; once it is leased, the next one may be."""
        lease = await _in_thread(self._ledger, lambda: self._stores.next_range(wanted=calls * self._batch))
        self._is_fetching = False
        if lease is None:
            self._is_exhausted = True
            return
        self.on_lease(lease)
        self._coming.append(lease)
        self._news.set()
        rows = await _in_thread(self._reader, lambda: self._stores.read_rows(lease))  # in the order of the leases
        self._coming.remove(lease)
        if lease.is_tried_apart:  # a worker has died on these rows: they are tried and committed one by one
            rows = Rows(keys=rows.keys[:1], columns={name: column[:1] for name, column in rows.columns.items()})
        dataset = self._task.datasets[lease.dataset_position]
        self._open.append(self._runner.open(rows, lease, dataset, is_debug=self._task.request.is_debug))

    def _begin(self) -> None:
        """Begin calls in row order, as many as may be in flight."""
        for opened in self._open:
            if opened.lease.is_suspect and opened is not self._open[0]:
                return  # it is tried alone
            while opened.begun < len(opened.calls):
                if len(self._running) >= self._most or not self._gate.is_open:
                    return
                call = opened.calls[opened.begun]
                call.home = opened
                opened.begun += 1
                task = self._runner.begin(call, opened.dataset)
                self._running.add(task)
                task.add_done_callback(lambda task, call=call: self._ended(task, call))

    def _ended(self, task: asyncio.Task[None], call: Call) -> None:
        self._running.discard(task)
        self._news.set()
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._broken = self._broken or error
        if call.tried is None or call.home is None:  # a stop came while it waited for another try
            return
        self._speed.count()
        home = call.home
        home.left -= 1
        home.weight += call.weight
        if home.left <= FEW and home.few_since is None:
            home.few_since = time.monotonic()
        self._fail(self._runner.failure_of(home.dataset, call))

    def _fail(self, failure: RowFailed | None) -> None:
        if failure is not None and self._failure is None:
            self._failure, self._failed_at = failure, time.monotonic()
            self._runner.stop()

    def _commit(self) -> None:
        """Commit ranges that are whole, and cut those in which a few calls are late, or which have given much."""
        now = time.monotonic()
        for opened in self._open:
            if opened.is_writing:
                continue
            is_late = opened.few_since is not None and now - opened.few_since > LATE_S
            if opened.left == 0:
                opened.is_writing = True
                self._do(self._write(opened))
            elif opened.weight >= PART_BYTES or (is_late and opened.begun == len(opened.calls) > opened.left):
                opened.is_writing = True
                self._do(self._cut(opened))

    async def _write(self, opened: OpenRange) -> None:
        draft, failure = self._runner.draft(opened)
        self._fail(failure)
        if draft is not None:
            last = opened.calls[-1].stop
            stop = last if draft.stop is None and last < opened.lease.stop else draft.stop
            self._meter.rows += draft.rows_done
            done = dataclasses.replace(draft, lease=opened.lease, stop=stop, timings=self._meter.read())
            await _in_thread(self._ledger, lambda: self._stores.commit(done))
        self._open.remove(opened)

    async def _cut(self, opened: OpenRange) -> list[OpenRange]:
        """Make a range of its own of each run of calls that have ended, and of each that has not."""
        runs = [list(run) for _, run in itertools.groupby(opened.calls, key=self._counts)]
        cuts = [run[0].start for run in runs[1:]]
        leases = [opened.lease]
        if cuts:
            leases = await _in_thread(self._ledger, lambda: self._stores.split(opened.lease, cuts))
        pieces = opened.pieces(leases, runs)
        position = self._open.index(opened)
        self._open[position : position + 1] = pieces
        for piece in pieces:
            for call in piece.calls:
                call.home = piece
        return pieces

    def _counts(self, call: Call) -> bool:
        """Whether a call has ended and does not fail the task."""
        return call.tried is not None and (call.tried.error is None or not self._runner.fails_on_error)

    async def _commit_rest(self) -> None:
        """Commit the calls that have ended, wherever they lie; the others are given back when the attempt ends."""
        for opened in list(self._open):
            if any(map(self._counts, opened.calls)):
                for piece in await self._cut(opened):
                    if piece.left == 0 and self._counts(piece.calls[0]):
                        await self._write(piece)

    async def _end_calls(self) -> None:
        """End what still runs."""
        for task in [*self._running, *self._chores]:
            task.cancel()
        await asyncio.gather(*self._running, *self._chores, return_exceptions=True)

    def _do(self, chore: Coroutine[Any, Any, object]) -> None:  # Any: what coroutines of asyncio yield
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._did)

    def _did(self, task: asyncio.Task[object]) -> None:
        self._chores.discard(task)
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = self._broken or error


class Speed:
    """Calls that end per second: all of them at first, then those of the last seconds."""

    def __init__(self, now_s: float) -> None:
        self._since = now_s
        self._ended = 0
        self._is_known = False
        self.calls_per_s = 0.0
        """The speed; 0 before any has ended."""

    def count(self) -> None:
        """Take note that a call has ended."""
        self._ended += 1

    def look(self, now_s: float, *, is_held: bool) -> None:
        """Work the speed out; time in which no call may begin does not count."""
        passed = now_s - self._since
        if is_held:
            self._since, self._ended = now_s, 0
        elif not self._is_known:
            self.calls_per_s = self._ended / max(passed, 1e-3)
            self._is_known = passed >= 2 * TARGET_S
        elif passed >= TARGET_S:
            self.calls_per_s = (self.calls_per_s + self._ended / passed) / 2
            self._since, self._ended = now_s, 0


async def _in_thread(pool: ThreadPoolExecutor, function: Callable[[], R]) -> R:
    return await asyncio.get_running_loop().run_in_executor(pool, function)
