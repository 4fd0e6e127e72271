"""Calls of what is served online: a function once, a predict handler with one row or with a batch of them, and what is given out bit by bit.

A call knows nothing of HTTP or JSON: `serving` makes its arguments, and takes what comes back.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from starwhale.domain.features import Features
from starwhale.domain.job import HandlerRecord
from starwhale.errors import HandlerError
from starwhale.handlers.call import USER_ERRORS, Bound, load
from starwhale.handlers.calls.shape import External, decide
from starwhale.handlers.context import Context
from starwhale.handlers.failures import user_code_error
from starwhale.handlers.service import DeclaredApi

Arguments = dict[str, Any]  # Any: values of users
DATASET = "online"
"""Stands for a dataset in what predict is told beside a row: a row that somebody typed is of none."""


def load_api(declared: DeclaredApi, loaded: dict[str, Bound]) -> Bound:
    """Return a function that is offered, ready to be called; the instance of a class is shared by all that it offers.

    Args:
        declared: The function.
        loaded: Instances by class, to which that of this one is added.

    Raises:
        UserCodeError: Building or entering the class raised.
    """
    function = declared.function
    cls_name, _, func_name = function.__qualname__.rpartition("<locals>.")[2].rpartition(".")
    record = HandlerRecord(
        name=declared.uri, kind="api", module_name=function.__module__, cls_name=cls_name, func_name=func_name
    )
    if not cls_name:
        return Bound(record, function)
    return load_shared(record, loaded)


def load_shared(record: HandlerRecord, loaded: dict[str, Bound]) -> Bound:
    """Return a handler that is ready to be called; the instance of a class is shared by all handlers of it."""
    if not record.cls_name:
        return load(record)
    key = f"{record.module_name}:{record.cls_name}"
    known = loaded.get(key)
    if known is None:
        loaded[key] = known = load(record)
        return known
    return Bound(record, getattr(known.instance, record.func_name), None, known.instance)


class PredictCall:
    """How a predict handler is called with rows that are of no dataset."""

    def __init__(self, bound: Bound) -> None:
        """Decide it.

        Raises:
            HandlerError: It cannot be called as predict is.
        """
        self._bound = bound
        self._with_external = decide(bound.function).with_external
        self.is_batch = bound.record.batch_size > 1

    def __call__(
        self, context: Context, rows: Sequence[Arguments], keys: Sequence[str]
    ) -> Any:  # Any: what the user returns
        """Call it with one row, or with a batch where it takes batches; what it returns is given back as it is."""
        datas = [Features(row) for row in rows]
        data: Any = datas if self.is_batch else datas[0]  # Any: a batch or a row
        if self._with_external is None:
            return self._bound.function(data)
        return self._with_external(data, self._external(context, keys))

    def _external(self, context: Context, keys: Sequence[str]) -> External:
        ids = [f"{DATASET}_#@#_{key}" for key in keys]
        seeds = [context.seed(each) for each in ids]
        return {
            "index": list(keys) if self.is_batch else keys[0],
            "index_with_dataset": ids if self.is_batch else ids[0],
            "seed": seeds if self.is_batch else seeds[0],
            "dataset_info": {},
            "context": context,
            "dataset_uri": None,
        }


def call_online(what: str, call: Callable[[], Any]) -> Any:  # Any: what the user returns
    """Call user code.

    Raises:
        UserCodeError: It raised.
    """
    try:
        return call()
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error


async def await_online(what: str, call: Callable[[], Any]) -> Any:  # Any: as above
    """Call an async function of the user's to its end; one that gives out bit by bit is given back as it is.

    Raises:
        UserCodeError: It raised.
    """
    try:
        made = call()
        return await made if inspect.isawaitable(made) else made
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error


def iterate_online(what: str, items: Iterator[Any]) -> Iterator[Any]:  # Any: as above
    """Go through what a generator of the user's gives out; closing this closes it.

    Raises:
        UserCodeError: It raised.
    """
    try:
        yield from items
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error


async def aiterate_online(what: str, items: AsyncIterator[Any]) -> AsyncIterator[Any]:  # Any: as above
    """Do the same with an async generator.

    Raises:
        UserCodeError: It raised.
    """
    try:
        async for item in items:
            yield item
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


def split_batch(what: str, result: Any, count: int) -> Sequence[Any]:  # Any: what the user returned
    """Return what a batch handler returned, row by row.

    Raises:
        HandlerError: It returned no list, or one of another length.
    """
    if not isinstance(result, (list, tuple)):
        message = f"{what} takes batches and has to return a list or tuple, not {type(result).__name__}"
        raise HandlerError(message, hint="return one result per row")
    if len(result) != count:
        message = f"{what} returned {len(result)} results for {count} rows"
        raise HandlerError(message, hint="return one result per row")
    return result


def fresh_context(base: Context) -> Context:
    """Return a context for one call: what it logs is kept apart from other calls, and goes with it."""
    made = dataclasses.replace(base, parsed=base.parsed)
    made.log_buffer = type(base.log_buffer)()
    return made
