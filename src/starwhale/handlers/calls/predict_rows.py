"""Calls predict for the rows of ranges, one call after another."""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any

from starwhale.domain.features import Features, feature_rows
from starwhale.domain.job import DatasetInput, HandlerRecord, TaskError
from starwhale.domain.ledger import LATE_S
from starwhale.domain.row_id import make_row_id
from starwhale.domain.uri import parse_uri
from starwhale.errors import HandlerError, UserCodeError
from starwhale.handlers.call import NOT_THE_USERS, Bound
from starwhale.handlers.calls.range_part import RangePart, RowFailed, Rules
from starwhale.handlers.calls.retry import Tried, is_transient, try_again
from starwhale.handlers.calls.row_clock import RowClock
from starwhale.handlers.calls.shape import External, decide
from starwhale.handlers.context import Context
from starwhale.handlers.failures import definition, stuck_place
from starwhale.handlers.registry import UserFunction
from starwhale.media.weight import LIGHT, PART_BYTES
from starwhale.storage.part import PartDraft, RangeLease
from starwhale.storage.protocols import Key, Rows

logger = logging.getLogger(__name__)

LOOK_S = 0.01
"""How often is looked whether a stop was asked for, between two calls."""


def calling(record: HandlerRecord, function: UserFunction) -> Callable[[Any, External], Any] | None:
    """Decide how predict is called: with data and external, or with data alone, which is None.

    Raises:
        UserCodeError: It cannot be called; shown by its first line.
    """
    try:
        return decide(function).with_external
    except HandlerError as error:
        place = definition(function)
        message = f"handler {record.name!r}: {error.message}" + (f" at {place}" if place else "")
        refused = UserCodeError(message, frame=str(place or ""), details=message, hint=error.hint)
        refused.source = place.excerpt() if place else ""
        raise refused from error


def external_of(context: Context, dataset: DatasetInput, keys: Sequence[Key], *, batching: bool) -> External:
    """Make what predict is told beside the rows."""
    ids = [make_row_id(dataset, key) for key in keys]
    seeds = [context.seed(each) for each in ids]
    return {
        "index": list(keys) if batching else keys[0],
        "index_with_dataset": ids if batching else ids[0],
        "seed": seeds if batching else seeds[0],
        "dataset_info": context.dataset_info.get(dataset.uri, {}),
        "context": context,
        "dataset_uri": parse_uri(dataset.uri, kind="dataset", instances=(dataset.uri.partition("/")[0],)),
    }


def check_batch(record: HandlerRecord, result: object, count: int) -> None:
    """Look at what predict returned for a batch.

    Raises:
        TypeError: It is no list.
    """
    if not isinstance(result, list | tuple):
        message = (
            f"predict with batch_size={record.batch_size} has to return a list or tuple, not {type(result).__name__}"
        )
        raise TypeError(message)
    if len(result) != count:
        logger.warning(
            "%s: predict returned %d results for %d rows; the first ones are paired", record.name, len(result), count
        )


class PredictRunner:
    """Calls predict for the rows of ranges; one per task."""

    def __init__(
        self,
        bound: Bound,
        context: Context,
        rules: Rules,
    ) -> None:
        """Decide how the function is called.

        Args:
            bound: The handler, loaded.
            context: The context of the task.
            rules: What holds for every range.

        Raises:
            UserCodeError: The function cannot be called as predict is.
        """
        self._rules = rules
        self._record = bound.record
        self._function = bound.function
        self._with_external = calling(bound.record, bound.function)
        self._context = context
        self.late_s = LATE_S
        """After so long no more rows of a range are begun."""
        self._running: RangePart | None = None
        self._clock: RowClock | None = None

    def limit(self, clock: RowClock) -> None:
        """Let a clock watch every call from now on."""
        self._clock = clock
        self._function = clock.wrap(self._function)
        if self._with_external is not None:
            self._with_external = clock.wrap(self._with_external)

    def give_up(self, stack: FrameType | None) -> tuple[PartDraft | None, TaskError, bool]:
        """Say what is to be kept when the present call is given up; called from another thread, while that one is stuck.

        Args:
            stack: Where it is stuck.

        Returns:
            The rows of the range before, and the row itself when failed rows are put up with; why it failed; and whether that ends the task.
        """
        part = self._running
        assert part is not None  # noqa: S101 - only a call in a range can be late
        assert self._clock is not None  # noqa: S101 - it has called
        told = part.give_up(self._clock.error(), stuck_place(stack))
        return part.draft(), told, self._rules.fails_on_error

    def run(
        self,
        rows: Rows,
        lease: RangeLease,
        dataset: DatasetInput,
        *,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> PartDraft | None:
        """Predict the rows of a range, batch by batch.

        Returns:
            What to commit; its `stop` is set when a stop was asked for in between, when outputs are so large that they have to be
            committed before the end of the range, or when it takes longer than ranges should. None when nothing was done before that.

        Raises:
            RowFailed: A row failed, and the handler wants the task to fail then.
        """
        self._context.dataset = dataset
        part = self._running = RangePart(self._rules, lease, dataset, rows.keys)
        stopped = self._loop(self._turns(rows, part), part, should_stop)
        draft = part.draft()
        if part.failure is not None:
            raise RowFailed(part.failure[0], draft) from part.failure[1]
        if draft is None and not stopped:
            return PartDraft(lease=lease)
        return draft

    def _turns(
        self, rows: Rows, part: RangePart
    ) -> Iterator[Any]:  # Any: a row, a batch, or that and what is told beside it
        """Make what each call gets, when its turn comes: before its time is taken."""
        datas: Iterator[Any] = feature_rows(rows.columns, len(rows.keys), Features)
        if self._record.batch_size > 1:
            single = datas
            datas = iter(lambda: list(islice(single, part.size)), [])
        if self._with_external is None and not self._record.seed_globals:
            return datas
        return self._prepared(datas, part)

    def _prepared(self, datas: Iterator[Any], part: RangePart) -> Iterator[Any]:  # Any: see _turns
        for data in datas:
            keys = part.keys[part.done : part.done + part.size]
            if self._record.seed_globals:
                _seed_globals(self._context.seed(keys[0]))
            yield data if self._with_external is None else (data, self._external(part.dataset, keys))

    def _caller(self) -> Callable[[Any], Any]:  # Any: see _turns, and what the user returns
        """Return what calls predict for a turn: the user's function itself, mostly."""
        plain, with_external, record = self._function, self._with_external, self._record
        function = plain if with_external is None else lambda turn: with_external(*turn)
        if record.batch_size == 1:
            return function

        def call(turn: Any) -> Any:  # Any: see above
            result = function(turn)
            if result is not None:
                check_batch(record, result, len(turn if with_external is None else turn[0]))
            return result

        return call

    def _loop(self, turns: Iterator[Any], part: RangePart, should_stop: Callable[[], bool]) -> bool:
        """Call the function until the rows end, one fails, the part is heavy enough, it is late, or a stop is asked for.

        What is here is done for every row: microseconds count.

        Returns:
            Whether it was for one of the last three.
        """
        is_single = self._record.batch_size == 1
        call, clock, buffer = self._caller(), time.perf_counter, self._context.log_buffer
        add_seconds, add_value = part.outputs.seconds.append, part.outputs.values.append
        look_at, late_at = 0.0, part.began + self.late_s
        for turn in turns:
            start = clock()
            if start >= look_at:
                if should_stop() or (start >= late_at and part.done):
                    return True
                look_at = min(start + LOOK_S, late_at)
            try:
                result = call(turn)
            except NOT_THE_USERS:
                raise
            except self._rules.catches as error:
                part.predict_s += clock() - start
                if not self._go_on(part, error, turn, call, should_stop):
                    return part.failure is None
            else:
                seconds = clock() - start
                if is_single:
                    add_value(result)
                    add_seconds(seconds)
                else:
                    part.add(result, seconds)
                if (type(result) not in LIGHT and part.is_heavy()) or buffer.weight >= PART_BYTES:
                    return True
        return False

    def _external(self, dataset: DatasetInput, keys: Sequence[Key]) -> External:
        return external_of(self._context, dataset, keys, batching=self._record.batch_size > 1)

    def _go_on(
        self,
        part: RangePart,
        error: BaseException,
        turn: Any,  # Any: see _turns
        call: Callable[[Any], Any],
        should_stop: Callable[[], bool],
    ) -> bool:
        """Call predict again where the handler has declared the error as one that may pass, and take note of how that ends.

        Returns:
            Whether to go on with other rows: not where the task has to fail, or a stop was asked for between two tries.

        Raises:
            NoSpaceError: Storage failed below the user's code; as do LeaseLostError and CorruptedError.
        """
        keys = part.keys[part.done : part.done + part.size]
        tried = self._try_again(error, lambda: call(turn), make_row_id(part.dataset, keys[0]), should_stop)
        part.wait_s += tried.waited_s
        if tried.is_stopped:
            return False
        if tried.error is not None:
            data = turn if self._with_external is None else turn[0]
            return part.note_failure(tried, keys, data[0] if self._record.batch_size > 1 else data)
        part.add(tried.result, tried.elapsed_s, tries=tried.tries)
        return True

    def _try_again(
        self,
        error: BaseException,
        call: Callable[[], Any],  # Any: what the user returns
        row_id: str,
        should_stop: Callable[[], bool],
    ) -> Tried:
        if not is_transient(self._record, error):
            return Tried(error=error)

        def attempt() -> tuple[Any, BaseException | None]:  # Any: what the user returns
            try:
                return call(), None
            except self._rules.catches as raised:
                return None, raised

        tried = try_again(
            self._record, error, attempt, seed=lambda: self._context.seed(row_id), should_stop=should_stop
        )
        if isinstance(tried.error, NOT_THE_USERS):
            raise tried.error
        return tried


def _seed_globals(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
