"""What the calls of predict have given for one range so far, and the part that is made of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from starwhale.domain.job import DatasetInput, HandlerRecord, TaskError
from starwhale.domain.row_id import make_row_id, row_address, row_label
from starwhale.errors import StarwhaleError, UsageError, UserCodeError
from starwhale.handlers.call import USER_ERRORS
from starwhale.handlers.calls.busy_signal import busy_signal
from starwhale.handlers.calls.outputs import Outputs
from starwhale.handlers.calls.retry import Tried, is_transient
from starwhale.handlers.failures import details, exception_text, row_error, user_frame
from starwhale.media.weight import PART_BYTES, weigh
from starwhale.storage.part import PartDraft, RangeLease, TableDraft
from starwhale.storage.protocols import Key


class RowFailed(UserCodeError):  # noqa: N818 - it says what happened; the rows before are in it
    """User code raised on a row, and the handler wants the task to fail then."""

    def __init__(self, task_error: TaskError, draft: PartDraft | None) -> None:
        super().__init__(
            task_error.message, exception=task_error.exception, frame=task_error.frame, details=task_error.details
        )
        self.key, self.row, self.source = task_error.key, task_error.row, task_error.source
        self.task_error = task_error
        """What to report."""
        self.draft = draft
        """The rows before the failing batch, to be committed; None when there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which attempt rows are predicted by: kept with those that fail."""

    id_step: str = ""
    """What distinguishes the ids of this step's rows; see `Step.id_step`."""
    step: str = ""
    """Name of the step."""
    task: int | None = None
    """Index of the task."""
    attempt: int = 0
    """Its attempt, from 1."""
    output: Callable[[], str] = lambda: ""
    """Returns the end of what the task has printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every range of a task."""

    record: HandlerRecord
    """The handler."""
    origin: Origin
    """Which attempt it is."""
    fails_on_error: bool
    """Whether a failed row ends the task; otherwise it is recorded."""
    catches: tuple[type[BaseException], ...]
    """What predict may raise. In a worker nobody presses Ctrl-C: a KeyboardInterrupt is the user's code's own, and fails its row."""

    @classmethod
    def make(
        cls, record: HandlerRecord, origin: Origin | None, *, is_debug: bool = False, puts_up_with_errors: bool = False
    ) -> Rules:
        """Say what holds for the ranges of a task.

        Args:
            record: The handler.
            origin: Which attempt it is.
            is_debug: Whether an error ends the task whatever the handler says: the user wants to see it.
            puts_up_with_errors: Whether failed rows are recorded whatever the handler says: the job has a budget for them.
        """
        fails = is_debug or (record.fail_on_error and not puts_up_with_errors)
        catches = USER_ERRORS if is_debug else (*USER_ERRORS, KeyboardInterrupt)
        return cls(record=record, origin=origin or Origin(), fails_on_error=fails, catches=catches)


class RangePart:
    """What one range has given; whoever calls predict fills it."""

    def __init__(self, rules: Rules, lease: RangeLease, dataset: DatasetInput, keys: Sequence[Key]) -> None:
        self.began = time.perf_counter()
        """When work on the range began."""
        self.lease = lease
        """The range."""
        self.dataset = dataset
        """Its dataset."""
        self.keys = keys
        """Keys of its rows."""
        self.ranks = lease.ranks
        """Ranks of its rows; there may be more of them than keys, where only the first rows are tried."""
        self.size = 1 if lease.rebatched else rules.record.batch_size
        """Rows per call."""
        self.outputs = Outputs()
        """What predict returned for the rows that were tried, which are the first ones."""
        self.errors = TableDraft(name="errors", ids=[])
        """Rows that failed."""
        self.predict_s = 0.0
        """Seconds in calls of predict that failed."""
        self.wait_s = 0.0
        """Seconds between tries."""
        self.tries: dict[int, int] = {}
        """Rank → calls of predict, of rows that took more than one."""
        self.failure: tuple[TaskError, BaseException] | None = None
        """Why the task has to fail."""
        self._weight = self._weighed = 0
        self._rules = rules

    def is_heavy(self) -> bool:
        """Whether so much waits that it has to be committed now."""
        values = self.outputs.values
        self._weight += sum(map(weigh, values[self._weighed :]))
        self._weighed = len(values)
        return self._weight >= PART_BYTES

    @property
    def done(self) -> int:
        """Rows that were tried, from the first on without a gap."""
        return len(self.outputs.values)

    def add(self, result: Any, seconds: float, *, tries: int = 1) -> None:  # Any: what the user returned
        """Take what the next call returned; of no call after one that failed the task.

        Args:
            result: A value, or one for each row of the batch; None for nothing.
            seconds: How long the call took.
            tries: Calls that it took to get it.
        """
        at = self.done
        count = min(self.size, len(self.keys) - at)
        if tries > 1:
            self.tries.update(dict.fromkeys(self.ranks[at : at + count], tries))
        results = list(result or ())[:count] if self._rules.record.batch_size > 1 else [result]
        self.outputs.values += results + [None] * (count - len(results))
        self.outputs.seconds += [seconds] * count

    def note_failure(self, tried: Tried, keys: Sequence[Key], features: Iterable[str] = ()) -> bool:
        """Take note of rows that failed; returns whether to go on with others."""
        assert tried.error is not None  # noqa: S101 - the caller has looked
        if self._rules.fails_on_error:
            told = self.row_error(tried.error, keys, features)
            self.failure = dataclasses.replace(told, tries=tried.tries), tried.error
            return False
        self.record_errors(tried.error, keys, tries=tried.tries)
        self.outputs.leave_out(len(keys))
        return True

    def row_error(self, error: BaseException, keys: Sequence[Key], features: Iterable[str] = ()) -> TaskError:
        """Say that predict raised on rows."""
        dataset = self.dataset
        key, address = row_label(dataset, keys), row_address(dataset, keys[0]) if len(keys) == 1 else ""
        told = row_error(f"handler {self._rules.record.name!r}", key, error, row=address, features=features)
        if not told.hint and busy_signal(error) is not None and not is_transient(self._rules.record, error):
            name = type(error).__name__
            hint = f"a busy service is waited for where the error is declared: predict(retries=3, retry_on={name})"
            told = dataclasses.replace(told, hint=hint)
        return told

    def record_errors(self, error: BaseException, keys: Sequence[Key], *, tries: int = 1) -> None:
        """Add rows to the table `errors`."""
        origin, table = self._rules.origin, self.errors
        told = TaskError(
            message=str(error),
            exception=exception_text(error),
            frame=user_frame(error),
            details=details(error),
            step=origin.step,
            task=origin.task,
            attempt=origin.attempt,
            tries=tries,
            output=origin.output(),
        ).columns()
        for key in keys:
            table.ids.append(make_row_id(self.dataset, key, origin.id_step))
            for name, value in {"_index": key, **told}.items():
                table.columns.setdefault(name, []).append(value)

    def give_up(self, error: BaseException, place: tuple[str, str]) -> TaskError:
        """Take note that the present call does not end.

        Args:
            error: What it comes to.
            place: `file:line in function` where it is stuck, and its stack.

        Returns:
            Why the rows of the call failed; they are among those that failed when failed rows are put up with.
        """
        frame, stack = place
        late = self.keys[self.done : self.done + self.size]
        told = dataclasses.replace(self.row_error(error, late), frame=frame, details=stack, tries=1)
        if not self._rules.fails_on_error:
            self.record_errors(error, late)
            for name, value in (("frame", frame), ("traceback", stack)):
                self.errors.columns[name][-len(late) :] = [value] * len(late)
            self.outputs.leave_out(len(late))
        return told

    def draft(self) -> PartDraft | None:
        """Make the part, None where nothing was done; a value that cannot be stored fails its row as an exception does."""
        table = None
        if self._rules.record.auto_log:
            try:
                table = self._table()
            except _RefusedError as refused:
                table = self._cut(refused)
            if not self.tries.keys().isdisjoint(table.ids):
                table.columns["tries"] = [self.tries.get(cast("int", rank)) for rank in table.ids]
        if self.done == 0:
            return None
        stop = self.ranks[self.done - 1] + 1
        return PartDraft(
            lease=self.lease,
            stop=None if stop >= self.lease.stop else stop,
            tables=[each for each in (table, self.errors) if each is not None and each.ids],
            rows_done=self.done,
            rows_failed=len(self.errors.ids),
            failed_ranks=self._failed_ranks(),
            took_s=time.perf_counter() - self.began,
            timings={"predict": self._seconds(), **({"wait": self.wait_s} if self.wait_s else {})},
        )

    def _failed_ranks(self) -> tuple[int, ...]:
        """Return which rows have failed, where the ledger cannot tell from their number."""
        if not self.lease.pieces or not self.errors.ids:
            return ()
        failed = set(self.errors.columns["_index"])
        return tuple(rank for rank, key in zip(self.ranks, self.keys, strict=False) if key in failed)

    def _seconds(self) -> float:
        """Return the seconds in predict; of a batch each row has those of its call, and every call but the last had as many rows."""
        return self.predict_s + sum(self.outputs.seconds[:: self.size])

    def _table(self) -> TableDraft:
        return self.outputs.draft(self.ranks, self.keys, self._rules.record.log_mode, self._refuse)

    def _refuse(self, position: int, error: UsageError) -> None:
        if self._rules.fails_on_error:
            raise _RefusedError(position, error)
        self.record_errors(error, [self.keys[position]])

    def _cut(self, refused: _RefusedError) -> TableDraft:
        """Keep the batches before the row whose output cannot be stored."""
        first = refused.position // self.size * self.size
        self.failure = self.row_error(refused.error, [self.keys[refused.position]]), refused.error
        self.outputs.keep(first)
        return self._table()


class _RefusedError(StarwhaleError):
    """An output cannot be stored; ends the conversion."""

    def __init__(self, position: int, error: UsageError) -> None:
        super().__init__(error.message)
        self.position = position
        self.error = error
