"""The one place that calls what users wrote."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, cast

from starwhale.domain.job import DatasetInput, HandlerRecord, TaskError
from starwhale.domain.uri import parse_uri
from starwhale.errors import (
    CorruptedError,
    HandlerError,
    LeaseLostError,
    NoSpaceError,
    StarwhaleError,
    UnsupportedValueError,
    UserCodeError,
    nearest,
)
from starwhale.handlers.context import Context
from starwhale.handlers.failures import (
    definition,
    details,
    exception_text,
    row_error,
    stuck_place,
    user_code_error,
    user_frame,
)
from starwhale.handlers.features import Features, feature_rows
from starwhale.handlers.outputs import Outputs
from starwhale.handlers.registry import REGISTRY, UserFunction
from starwhale.handlers.retry import Tried, try_again
from starwhale.handlers.row_clock import RowClock
from starwhale.handlers.shape import External, decide
from starwhale.storage.protocols import Key, PartDraft, RangeLease, Rows, TableDraft

logger = logging.getLogger(__name__)
_NOT_THE_USERS = (UserCodeError, NoSpaceError, LeaseLostError, CorruptedError)  # storage failed below the user's code
_USER_ERRORS = (Exception, SystemExit)  # a user's sys.exit() must not end the worker


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


@dataclass(slots=True)
class Bound:
    """A handler that is ready to be called; whoever loaded it closes it."""

    record: HandlerRecord
    """What is known of it."""
    function: UserFunction
    """The function, or the method of an instance."""
    leave: Callable[[], object] | None = None
    """Leaves the instance's context manager."""

    def close(self) -> None:
        """Leave the instance, if it was entered.

        Raises:
            UserCodeError: Its `__exit__` raised.
        """
        leave, self.leave = self.leave, None
        if leave is not None:
            _guarded(f"closing handler {self.record.name!r}", leave)


def load(record: HandlerRecord) -> Bound:
    """Import the handler's module, unless it is there already, and build its class without arguments.

    Raises:
        UserCodeError: Importing, building or entering raised.
        HandlerError: The module has no such function.
    """
    module: Any = sys.modules.get(record.module_name)  # Any: a user's module
    if module is None:
        module = _guarded(f"importing {record.module_name!r}", lambda: importlib.import_module(record.module_name))
    if not record.cls_name:
        found = getattr(module, record.func_name, None)
        registered = REGISTRY.get(record.name)
        if found is None and registered is not None:
            found = registered.function  # functions made inside functions, and names that were taken for something else
        if not callable(found):
            message = f"module {record.module_name!r} has no function {record.func_name!r}"
            raise HandlerError(message, hint=nearest(record.func_name, vars(module)))
        return Bound(record, found)
    cls = getattr(module, record.cls_name, None)
    if not isinstance(cls, type) or not hasattr(cls, record.func_name):
        message = f"module {record.module_name!r} has no method {record.cls_name}.{record.func_name}"
        raise HandlerError(message, hint=nearest(record.cls_name, vars(module)))
    instance: Any = _guarded(f"building {record.cls_name!r} without arguments", cls)  # Any: a user's object
    leave = None
    if hasattr(cls, "__enter__") and hasattr(cls, "__exit__"):
        entered = instance
        instance = _guarded(f"entering {record.cls_name!r}", entered.__enter__) or entered
        if not isinstance(instance, cls):
            instance = entered
        leave = lambda: entered.__exit__(None, None, None)  # noqa: E731 - the instance is what it closes over
    return Bound(record, getattr(instance, record.func_name), leave)


def call_evaluate(bound: Bound, results: Iterable[Any]) -> Any:  # Any: rows and what the user returns
    """Call evaluate with the results, or without when it does not want them.

    Raises:
        UserCodeError: It raised.
    """
    arguments = (results,) if bound.record.auto_log else ()
    return _guarded(f"handler {bound.record.name!r}", lambda: bound.function(*arguments))


def call_plain(bound: Bound) -> Any:  # Any: what the user returns
    """Call a handler with the arguments that were registered.

    Raises:
        UserCodeError: It raised.
    """
    record = bound.record
    return _guarded(f"handler {record.name!r}", lambda: bound.function(*record.extra_args, **record.extra_kwargs))


def _guarded(what: str, function: Callable[[], Any]) -> Any:  # Any: what the user returns
    try:
        return function()
    except _NOT_THE_USERS:
        raise
    except _USER_ERRORS as error:
        raise user_code_error(what, error) from error


def _calling(record: HandlerRecord, function: UserFunction) -> Callable[[Any, External], Any] | None:
    """Decide how predict is called; a function that cannot be is shown by its first line."""
    try:
        return decide(function).with_external
    except HandlerError as error:
        place = definition(function)
        message = f"handler {record.name!r}: {error.message}" + (f" at {place}" if place else "")
        refused = UserCodeError(message, frame=str(place or ""), details=message, hint=error.hint)
        refused.source = place.excerpt() if place else ""
        raise refused from error


@dataclass(slots=True)
class _Progress:
    """What the batches of one range have given so far."""

    outputs: Outputs = field(default_factory=Outputs)
    errors: TableDraft = field(default_factory=lambda: TableDraft(name="errors", ids=[]))
    done: int = 0
    predict_s: float = 0.0
    wait_s: float = 0.0
    tries: dict[int, int] = field(default_factory=dict[int, int])
    """Rank → calls of predict, of rows that took more than one."""
    failure: tuple[int, TaskError, BaseException] | None = None


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


class PredictRunner:
    """Calls predict for the rows of ranges; one per task."""

    def __init__(
        self,
        record: HandlerRecord,
        bound: Bound,
        context: Context,
        origin: Origin | None = None,
        *,
        is_debug: bool = False,
        puts_up_with_errors: bool = False,
    ) -> None:
        """Decide how the function is called.

        Args:
            record: The handler.
            bound: It, loaded.
            context: The context of the task.
            origin: Which attempt it is.
            is_debug: Whether an error ends the task whatever the handler says: the user wants to see it.
            puts_up_with_errors: Whether failed rows are recorded whatever the handler says: the job has a budget for them.

        Raises:
            UserCodeError: The function cannot be called as predict is.
        """
        self._record = record
        self._fails_on_error = is_debug or (record.fail_on_error and not puts_up_with_errors)
        self._function = bound.function
        self._with_external = _calling(record, bound.function)
        self._context = context
        self._origin = origin or Origin()
        self._running: tuple[_Progress, RangeLease, DatasetInput, list[Key], float] | None = None
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
        assert self._running is not None  # noqa: S101 - only a call in a range can be late
        assert self._clock is not None  # noqa: S101 - it has called
        progress, lease, dataset, keys, began = self._running
        size = 1 if lease.rebatched else self._record.batch_size
        late = keys[progress.done : progress.done + size]
        error = self._clock.error()
        frame, details_ = stuck_place(stack)
        told = dataclasses.replace(self._row_error(error, dataset, late), frame=frame, details=details_, tries=1)
        if not self._fails_on_error:
            self._record_errors(progress.errors, error, dataset, late)
            for name, value in (("frame", frame), ("traceback", details_)):
                progress.errors.columns[name][-len(late) :] = [value] * len(late)
            progress.done += len(late)
        return self._draft(progress, lease, dataset, began), told, self._fails_on_error

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
            What to commit; its `stop` is set when a stop was asked for in between. None when nothing was done before that.

        Raises:
            RowFailed: A row failed, and the handler wants the task to fail then.
        """
        began = time.perf_counter()
        self._context.dataset = dataset
        progress = _Progress()
        datas = feature_rows(rows)
        self._running = progress, lease, dataset, rows.keys, began
        stopped = self._loop(datas, rows.keys, lease, dataset, progress, should_stop)
        draft = self._draft(progress, lease, dataset, began)
        if progress.failure is not None:
            raise RowFailed(progress.failure[1], draft) from progress.failure[2]
        if draft is None and not stopped:
            return PartDraft(lease=lease)
        return draft

    def _loop(
        self,
        datas: list[Features],
        keys: list[Key],
        lease: RangeLease,
        dataset: DatasetInput,
        progress: _Progress,
        should_stop: Callable[[], bool],
    ) -> bool:
        """Call the function until the rows end, one fails, or a stop is asked for; return whether the last was it."""
        batching = self._record.batch_size > 1
        size = 1 if lease.rebatched else self._record.batch_size
        function, with_external, clock = self._function, self._with_external, time.perf_counter
        seed_globals = self._record.seed_globals
        outputs = progress.outputs
        add_rank, add_key = outputs.ranks.append, outputs.keys.append
        add_seconds, add_value = outputs.seconds.append, outputs.values.append
        for at in range(0, len(datas), size):
            if should_stop():
                return True
            data: Any = datas[at : at + size] if batching else datas[at]  # Any: a batch or a row
            external = (
                None if with_external is None else self._external(keys[at : at + size], dataset, batching=batching)
            )
            if seed_globals:
                _seed_globals(self._context.seed(keys[at]))
            start = clock()
            try:
                result = function(data) if external is None else with_external(data, external)  # pyright: ignore[reportOptionalCall] - external is None where with_external is
                elapsed = clock() - start
                if batching and result is not None:
                    self._check_batch(result, len(data))
            except (NoSpaceError, LeaseLostError, CorruptedError):
                raise  # storage failed below the user's code: that is no property of the row
            except _USER_ERRORS as error:
                progress.predict_s += clock() - start
                tried = self._try_again(error, data, external, dataset.row_id(keys[at]), should_stop)
                progress.wait_s += tried.waited_s
                if tried.is_stopped:
                    return True
                if tried.error is not None:
                    if not self._note_failure(progress, tried, at, data, dataset, keys[at : at + size]):
                        return False
                    continue
                result, elapsed = tried.result, tried.elapsed_s
                ranks = range(lease.start + at, lease.start + at + len(keys[at : at + size]))
                progress.tries.update(dict.fromkeys(ranks, tried.tries))
            progress.predict_s += elapsed
            progress.done += len(data) if batching else 1
            if result is None:
                continue
            if not batching:
                add_rank(lease.start + at)
                add_key(keys[at])
                add_seconds(elapsed)
                add_value(result)
                continue
            for offset, value in enumerate(result[: len(data)]):
                if value is not None:
                    add_rank(lease.start + at + offset)
                    add_key(keys[at + offset])
                    add_seconds(elapsed)
                    add_value(value)
        return False

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
        if not self._record.retries:
            return Tried(error=error)

        def call() -> tuple[Any, BaseException | None]:  # Any: what the user returns
            try:
                result = self._function(data) if external is None else self._with_external(data, external)  # pyright: ignore[reportOptionalCall] - external is None where it is
                if self._record.batch_size > 1 and result is not None:
                    self._check_batch(result, len(data))
            except _USER_ERRORS as raised:
                return None, raised
            return result, None

        tried = try_again(self._record, error, call, seed=lambda: self._context.seed(row_id), should_stop=should_stop)
        if isinstance(tried.error, NoSpaceError | LeaseLostError | CorruptedError):
            raise tried.error
        return tried

    def _note_failure(
        self,
        progress: _Progress,
        tried: Tried,
        at: int,
        data: Any,  # Any: a batch or a row
        dataset: DatasetInput,
        keys: Sequence[Key],
    ) -> bool:
        """Take note of rows that failed; returns whether to go on with others."""
        assert tried.error is not None  # noqa: S101 - the caller has looked
        if self._fails_on_error:
            features = data[0] if self._record.batch_size > 1 else data
            told = self._row_error(tried.error, dataset, keys, features)
            progress.failure = (at, dataclasses.replace(told, tries=tried.tries), tried.error)
            return False
        self._record_errors(progress.errors, tried.error, dataset, keys, tries=tried.tries)
        progress.done += len(keys)
        return True

    def _external(self, keys: Sequence[Key], dataset: DatasetInput, *, batching: bool) -> External:
        context = self._context
        ids = [dataset.row_id(key) for key in keys]
        seeds = [context.seed(each) for each in ids]
        return {
            "index": list(keys) if batching else keys[0],
            "index_with_dataset": ids if batching else ids[0],
            "seed": seeds if batching else seeds[0],
            "dataset_info": context.dataset_info.get(dataset.uri, {}),
            "context": context,
            "dataset_uri": parse_uri(dataset.uri, kind="dataset", instances=(dataset.uri.partition("/")[0],)),
        }

    def _check_batch(self, result: object, count: int) -> None:
        if not isinstance(result, list | tuple):
            message = f"predict with batch_size={self._record.batch_size} has to return a list or tuple, not {type(result).__name__}"
            raise TypeError(message)
        if len(result) != count:
            logger.warning(
                "%s: predict returned %d results for %d rows; the first ones are paired",
                self._record.name,
                len(result),
                count,
            )

    def _row_error(
        self, error: BaseException, dataset: DatasetInput, keys: Sequence[Key], features: Iterable[str] = ()
    ) -> TaskError:
        key = f"{dataset.name}: {keys[0]}" + (f" to {keys[-1]}" if len(keys) > 1 else "")
        row = f"{dataset.name}{dataset.id_suffix}:{keys[0]}" if len(keys) == 1 else ""
        return row_error(f"handler {self._record.name!r}", key, error, row=row, features=features)

    def _record_errors(
        self,
        table: TableDraft,
        error: BaseException,
        dataset: DatasetInput,
        keys: Sequence[Key],
        *,
        tries: int = 1,
    ) -> None:
        origin = self._origin
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
            table.ids.append(dataset.row_id(key, origin.id_step))
            for name, value in {"_index": key, **told}.items():
                table.columns.setdefault(name, []).append(value)

    def _draft(self, progress: _Progress, lease: RangeLease, dataset: DatasetInput, began: float) -> PartDraft | None:
        """Make the part; a value that cannot be stored fails its row as an exception does."""
        outputs, table = progress.outputs, None

        def refuse(position: int, error: UnsupportedValueError) -> None:
            if self._fails_on_error:
                raise _RefusedError(position, error)
            self._record_errors(progress.errors, error, dataset, [outputs.keys[position]])

        if self._record.auto_log and outputs.values:
            try:
                table = outputs.draft(self._record.log_mode, refuse)
            except _RefusedError as refused:
                table = self._cut(progress, refused, lease, dataset, refuse)
            if table is not None and not progress.tries.keys().isdisjoint(table.ids):
                table.columns["tries"] = [progress.tries.get(cast("int", rank)) for rank in table.ids]
        if progress.done == 0:
            return None
        stop = lease.start + progress.done
        return PartDraft(
            lease=lease,
            stop=None if stop >= lease.stop else stop,
            tables=[each for each in (table, progress.errors) if each is not None and each.ids],
            rows_done=progress.done,
            rows_failed=len(progress.errors.ids),
            seconds=time.perf_counter() - began,
            timings={"predict": progress.predict_s, **({"wait": progress.wait_s} if progress.wait_s else {})},
        )

    def _cut(
        self,
        progress: _Progress,
        refused: _RefusedError,
        lease: RangeLease,
        dataset: DatasetInput,
        refuse: Callable[[int, UnsupportedValueError], None],
    ) -> TableDraft | None:
        """Keep the batches before the row whose output cannot be stored."""
        outputs = progress.outputs
        rank = outputs.ranks[refused.position]
        size = 1 if lease.rebatched else self._record.batch_size
        first = (rank - lease.start) // size * size
        told = self._row_error(refused.error, dataset, [outputs.keys[refused.position]])
        progress.failure = (first, told, refused.error)
        progress.done = first
        kept = sum(1 for each in outputs.ranks if each < lease.start + first)
        for column in (outputs.ranks, outputs.keys, outputs.seconds, outputs.values):
            del column[kept:]
        return outputs.draft(self._record.log_mode, refuse) if kept else None


class _RefusedError(StarwhaleError):
    """An output cannot be stored; ends the conversion."""

    def __init__(self, position: int, error: UnsupportedValueError) -> None:
        super().__init__(error.message)
        self.position = position
        self.error = error


def _seed_globals(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)
