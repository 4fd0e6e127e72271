"""Calls an async predict: many calls in flight in one event loop, each with a context of its own."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.domain.features import Features, feature_rows
from starwhale.domain.job import DatasetInput, HandlerRecord
from starwhale.handlers.call import NOT_THE_USERS, Bound
from starwhale.handlers.calls.gate import Gate
from starwhale.handlers.calls.predict_rows import calling, check_batch, external_of
from starwhale.handlers.calls.range_part import RangePart, RowFailed, Rules
from starwhale.handlers.calls.retry import Patience, Tried, Wait
from starwhale.handlers.calls.row_clock import RowTimeoutError
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.handlers.failures import FailurePlace, exception_text, waiting_place
from starwhale.handlers.log_buffer import LogBranch, LogBuffer
from starwhale.media.weight import LIGHT, weigh
from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Key, Rows

_NOTE_CHARACTERS = 200
_LOOK_BEFORE_S = 0.01
_NO_LEASE = RangeLease(job_id="", step="", dataset_position=0, start=0, stop=0, epoch=0, batch=1)
"""For a row that failed: nothing is made of its range."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call of predict: a row, or a batch of rows."""

    start: int
    """Rank of its first row."""
    keys: Sequence[Key]
    """Keys of its rows."""
    data: Any  # Any: a row, or a list of rows
    """What predict is called with; None once it has ended."""
    logs: LogBranch
    """What it has logged."""
    tried: Tried | None = None
    """How it ended; None before, and for good where a stop came while it waited for another try."""
    home: OpenRange | None = None
    """The range that it lies in, once it was begun."""

    @property
    def stop(self) -> int:
        """Rank after its last row."""
        return self.start + len(self.keys)

    @property
    def is_done(self) -> bool:
        """Whether it has ended, so that it can be committed."""
        return self.tried is not None

    @property
    def weight(self) -> int:
        """Bytes of memory that it has given, about."""
        result = None if self.tried is None else self.tried.result
        return self.logs.weight + (0 if type(result) in LIGHT else weigh(result))


@dataclass(slots=True, kw_only=True, eq=False)
class OpenRange:
    """A leased range with its calls, those that have ended and those that have not."""

    lease: RangeLease
    """The range."""
    dataset: DatasetInput
    """Its dataset."""
    size: int
    """Rows per call."""
    calls: list[Call]
    """Its calls, in row order."""
    began: float
    """When it was opened."""
    begun: int = 0
    """So many of its calls, from the first on, were begun."""
    left: int = 0
    """So many of them have not ended."""
    few_since: float | None = None
    """Since when only few have not ended."""
    is_writing: bool = False
    """Whether it is being committed, or cut."""
    weight: int = 0
    """Bytes of memory that its calls have given, about."""

    def pieces(self, leases: Sequence[RangeLease], runs: Sequence[list[Call]]) -> list[OpenRange]:
        """Return what it falls into when it is cut: a range for each run of calls."""
        return [
            dataclasses.replace(
                self,
                lease=lease,
                calls=run,
                begun=min(max(self.begun - self.calls.index(run[0]), 0), len(run)),
                left=sum(not call.is_done for call in run),
                few_since=None,
                is_writing=False,
                weight=0,
            )
            for lease, run in zip(leases, runs, strict=True)
        ]


class AsyncRunner:
    """Calls an async predict for the rows of ranges; one per task, in one event loop."""

    def __init__(
        self,
        bound: Bound,
        context: Context,
        rules: Rules,
        gate: Gate,
        *,
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Decide how the function is called.

        Args:
            bound: The handler, loaded.
            context: The context of the task; each call gets a copy.
            rules: What holds for every range.
            gate: Says how many calls may be in flight.
            note: Told in a line when a service is busy.

        Raises:
            UserCodeError: The function cannot be called as predict is.
        """
        self._record: HandlerRecord = bound.record
        self._function = bound.function
        self._with_external = calling(bound.record, bound.function)
        self._context = context
        self._rules = rules
        self.gate = gate
        """Says how many calls may be in flight."""
        self._note = note
        self._stopping = asyncio.Event()
        self.put_off = 0
        """Calls that wait for another try."""
        self.fails_on_error = rules.fails_on_error
        """Whether a failed row ends the task."""

    def open(self, rows: Rows, lease: RangeLease, dataset: DatasetInput, *, is_debug: bool = False) -> OpenRange:
        """Make the calls of a range; none of them is begun."""
        size = 1 if lease.rebatched or is_debug else self._record.batch_size
        datas, ranks = list(feature_rows(rows.columns, len(rows.keys), Features)), lease.ranks
        is_batched = self._record.batch_size > 1
        calls = [
            Call(
                start=ranks[at],
                keys=rows.keys[at : at + size],
                data=datas[at : at + size] if is_batched else datas[at],
                logs=self._context.log_buffer.branch(),
            )
            for at in range(0, len(datas), size)
        ]
        began = time.perf_counter()
        return OpenRange(lease=lease, dataset=dataset, size=size, calls=calls, began=began, left=len(calls))

    def begin(self, call: Call, dataset: DatasetInput) -> asyncio.Task[None]:
        """Start a call, for which the gate is open; the task ends without an error of the user's."""
        self.gate.take()
        own = contextvars.copy_context()
        context = dataclasses.replace(self._context, dataset=dataset, log_buffer=call.logs)
        own.run(set_runtime_context, context)
        return asyncio.get_running_loop().create_task(self._run(call, dataset, context), context=own)

    def failure_of(self, dataset: DatasetInput, call: Call) -> RowFailed | None:
        """Return why the task has to fail for how a call has ended."""
        if call.tried is None or call.tried.error is None or not self._rules.fails_on_error:
            return None
        part = RangePart(self._rules, _NO_LEASE, dataset, call.keys)
        part.size = len(call.keys)
        part.note_failure(call.tried, call.keys, call.data[0] if self._record.batch_size > 1 else call.data)
        return _failure(part)

    def stop(self) -> None:
        """Let calls that are in flight end, and begin none any more: neither new ones nor another try."""
        self._stopping.set()
        self.gate.close()

    def draft(self, opened: OpenRange) -> tuple[PartDraft | None, RowFailed | None]:
        """Make the part of a range whose calls have all ended.

        Returns:
            The part, None when nothing is to be committed; and why the task has to fail, because an output cannot be stored.
        """
        lease, calls = opened.lease, opened.calls
        part = RangePart(self._rules, lease, opened.dataset, [key for call in calls for key in call.keys])
        part.began, part.size = opened.began, opened.size
        for call in calls:
            assert call.tried is not None  # noqa: S101 - the caller has looked
            if call.tried.error is None:
                part.add(call.tried.result, call.tried.elapsed_s, tries=call.tried.tries)
            else:
                part.predict_s += call.tried.elapsed_s
                part.note_failure(call.tried, call.keys)
        made = part.draft()
        if made is not None:
            logged = LogBuffer()
            for call in calls:
                if made.stop is None or call.start < made.stop:
                    call.logs.join(logged)
            made = dataclasses.replace(made, tables=[*made.tables, *logged.drain()])
        return made, _failure(part)

    async def _run(self, call: Call, dataset: DatasetInput, context: Context) -> None:
        """Call predict for a row or a batch, again where that is allowed, and keep how it ended."""
        external = None
        if self._with_external is not None:
            external = external_of(context, dataset, call.keys, batching=self._record.batch_size > 1)
        tried = Tried()
        patience = Patience(self._record, lambda: context.seed(call.keys[0]))
        while True:
            began = self._gate_time()
            start = time.perf_counter()
            try:
                tried.result, tried.error = await self._call(call.data, external), None
                tried.elapsed_s = time.perf_counter() - start
                self.gate.answered()
            except NOT_THE_USERS:
                raise
            except (*self._rules.catches, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _is_given_up():
                    raise
                tried.result, tried.error = None, error
                tried.elapsed_s = time.perf_counter() - start
            finally:
                self.gate.leave()
            wait = None if tried.error is None else patience.after(tried.error)
            if wait is None:
                break
            if not await self._wait_out(tried, wait, began):
                return
        call.tried = tried
        if tried.error is None:
            call.data = None  # rows may be large, and are done with

    async def _call(
        self, data: Any, external: dict[str, Any] | None
    ) -> Any:  # Any: a row or batch, and what the user returns
        limit = asyncio.timeout(self._record.timeout_s or None)
        began = time.monotonic()
        places: list[FailurePlace | None] = []
        try:
            async with limit:
                found = self._function(data) if external is None else self._with_external(data, external)  # pyright: ignore[reportOptionalCall] - external is None where it is
                timer = self._look_later(found, places) if self._record.timeout_s else None
                try:
                    result = await found if inspect.isawaitable(found) else found
                finally:
                    if timer is not None:
                        timer.cancel()
        except TimeoutError as error:
            if not limit.expired():
                raise
            stuck = error.__cause__ or error  # the cancellation, which knows at which line of the user's it came
            raise self._late().with_traceback(stuck.__traceback__) from None
        if self._record.timeout_s and time.monotonic() - began > self._record.timeout_s:
            late = self._late()  # it has not listened when it was canceled
            late.place = places[0] if places else None
            raise late
        if self._record.batch_size > 1 and result is not None:
            check_batch(self._record, result, len(data))
        return result

    def _look_later(self, call: object, places: list[FailurePlace | None]) -> asyncio.TimerHandle:
        """Take note of the line at which a call waits just before its time is up; later it may be anywhere."""
        after_s = max(self._record.timeout_s - _LOOK_BEFORE_S, 0.0)
        return asyncio.get_running_loop().call_later(after_s, lambda: places.append(waiting_place(call)))

    async def _wait_out(self, tried: Tried, wait: Wait, began: float) -> bool:
        """Wait before another try; returns False when a stop was asked for."""
        assert tried.error is not None  # noqa: S101 - there would be nothing to wait for
        if wait.is_busy and self.gate.busy(began, wait.pause_s):
            text = " ".join(exception_text(tried.error).split())[:_NOTE_CHARACTERS]
            self._note(f"busy, waiting {wait.pause_s:.1f} s, then at most {self.gate.limit} calls at a time: {text}")
        start = time.perf_counter()
        self.put_off += 1
        try:
            if not await self._sleep(wait.pause_s) or not await self.gate.enter():
                return False
        finally:
            self.put_off -= 1
        tried.waited_s += time.perf_counter() - start
        tried.tries += 1
        return True

    async def _sleep(self, seconds: float) -> bool:
        """Sleep; returns False at once when a stop is asked for."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    def _gate_time(self) -> float:
        return asyncio.get_running_loop().time()

    def _late(self) -> RowTimeoutError:
        return RowTimeoutError(f"predict took longer than timeout_s={self._record.timeout_s:g}")


def _failure(part: RangePart) -> RowFailed | None:
    if part.failure is None:
        return None
    failed = RowFailed(part.failure[0], None)
    failed.__cause__ = part.failure[1]
    return failed


def _is_given_up() -> bool:
    """Whether this task was canceled from outside; otherwise something that user code called was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
