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
            What to commit; its `stop` is set when a stop was asked for in between, or when outputs are so large that they have to be
            committed before the end of the range. None when nothing was done before that.

        Raises:
            RowFailed: A row failed, and the handler wants the task to fail then.
        """
        self._context.dataset = dataset
        part = self._running = RangePart(self._rules, lease, dataset, rows.keys)
        stopped = self._loop(feature_rows(rows.columns, len(rows.keys), Features), part, should_stop)
        draft = part.draft()
        if part.failure is not None:
            raise RowFailed(part.failure[0], draft) from part.failure[1]
        if draft is None and not stopped:
            return PartDraft(lease=lease)
        return draft

    def _loop(self, datas: Iterator[Features], part: RangePart, should_stop: Callable[[], bool]) -> bool:
        """Call the function until the rows end, one fails, the part is heavy enough, or a stop is asked for.

        Returns:
            Whether it was for one of the last two.
        """
        batching = self._record.batch_size > 1
        keys, dataset, size, ranks = part.keys, part.dataset, part.size, part.ranks
        function, with_external, clock = self._function, self._with_external, time.perf_counter
        seed_globals = self._record.seed_globals
        outputs, buffer, values = part.outputs, self._context.log_buffer, part.outputs.values
        add_rank, add_key = outputs.ranks.append, outputs.keys.append
        add_seconds, add_value = outputs.seconds.append, outputs.values.append
        for at in range(0, len(keys), size):
            if should_stop() or (
                at and (buffer.weight >= PART_BYTES or (values and type(values[-1]) not in LIGHT and part.is_heavy()))
            ):
                return True
            data: Any = list(islice(datas, size)) if batching else next(datas)  # Any: a batch or a row
            external = None if with_external is None else self._external(dataset, keys[at : at + size])
            if seed_globals:
                _seed_globals(self._context.seed(keys[at]))
            start = clock()
            try:
                result = function(data) if external is None else with_external(data, external)  # pyright: ignore[reportOptionalCall] - external is None where with_external is
                elapsed = clock() - start
                if batching and result is not None:
                    check_batch(self._record, result, len(data))
            except NOT_THE_USERS:
                raise
            except self._rules.catches as error:
                part.predict_s += clock() - start
                tried = self._try_again(error, data, external, make_row_id(dataset, keys[at]), should_stop)
                part.wait_s += tried.waited_s
                if tried.is_stopped:
                    return True
                if tried.error is not None:
                    if not part.note_failure(tried, keys[at : at + size], data[0] if batching else data):
                        return False
                    continue
                result, elapsed = tried.result, tried.elapsed_s
                part.tries.update(dict.fromkeys(ranks[at : at + size], tried.tries))
            part.predict_s += elapsed
            part.done += len(data) if batching else 1
            if result is None:
                continue
            if not batching:
                add_rank(ranks[at])
                add_key(keys[at])
                add_seconds(elapsed)
                add_value(result)
                continue
            for offset, value in enumerate(result[: len(data)]):
                if value is not None:
                    add_rank(ranks[at + offset])
                    add_key(keys[at + offset])
                    add_seconds(elapsed)
                    add_value(value)
        return False

    def _external(self, dataset: DatasetInput, keys: Sequence[Key]) -> External:
        return external_of(self._context, dataset, keys, batching=self._record.batch_size > 1)

    def _try_again(
        self,
        error: BaseException,
        data: Any,  # Any: a batch or a row
        external: External | None,
        row_id: str,
        should_stop: Callable[[], bool],
    ) -> Tried:
        """Call predict again where the handler has declared the error as one that may pass.

        Raises:
            NoSpaceError: Storage failed below the user's code; as do LeaseLostError and CorruptedError.
        """
        if not is_transient(self._record, error):
            return Tried(error=error)

        def call() -> tuple[Any, BaseException | None]:  # Any: what the user returns
            try:
                result = self._function(data) if external is None else self._with_external(data, external)  # pyright: ignore[reportOptionalCall] - external is None where it is
                if self._record.batch_size > 1 and result is not None:
                    check_batch(self._record, result, len(data))
            except self._rules.catches as raised:
                return None, raised
            return result, None

        tried = try_again(self._record, error, call, seed=lambda: self._context.seed(row_id), should_stop=should_stop)
        if isinstance(tried.error, NOT_THE_USERS):
            raise tried.error
        return tried


def _seed_globals(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
