"""The calls of what users wrote: handlers are loaded here and called once; `predict_rows` calls them row by row."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.errors import CorruptedError, HandlerError, LeaseLostError, NoSpaceError, UserCodeError, nearest
from starwhale.handlers.failures import user_code_error
from starwhale.handlers.registry import REGISTRY, UserFunction

NOT_THE_USERS = (NoSpaceError, LeaseLostError, CorruptedError)
"""Storage failed below the user's code: that is no property of what it was called with."""
USER_ERRORS = (Exception, SystemExit)
"""What user code may raise: its `sys.exit()` must not end the worker."""


@dataclass(slots=True)
class Bound:
    """A handler that is ready to be called; whoever loaded it closes it."""

    record: HandlerRecord
    """What is known of it."""
    function: UserFunction
    """The function, or the method of an instance."""
    leave: Callable[[], object] | None = None
    """Leaves the instance's context manager."""
    instance: Any = None  # Any: a user's object
    """What the function is a method of, or None."""

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
    return Bound(record, getattr(instance, record.func_name), leave, instance)


@asynccontextmanager
async def entered(bound: Bound) -> AsyncGenerator[None]:
    """Enter the instance of an async handler where it is an asynchronous context manager, in the event loop that it will be used in.

    Raises:
        UserCodeError: Its `__aenter__` or `__aexit__` raised.
    """
    name, cls = bound.record.name, type(bound.instance)
    if not (hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__")):
        yield
        return
    await _guarded_async(f"entering handler {name!r}", bound.instance.__aenter__)
    try:
        yield
    finally:
        await _guarded_async(f"closing handler {name!r}", lambda: bound.instance.__aexit__(None, None, None))


def in_loop(function: UserFunction, run: Callable[[Any], Any]) -> UserFunction:  # Any: a coroutine, and what it returns
    """Return a function that runs an async one to its end."""
    return lambda *args, **kwargs: run(function(*args, **kwargs))


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


def call_metric(
    name: str, metric: Callable[[Any], Any], row: Any
) -> Any:  # Any: a result row, and what the user returns
    """Call a metric of the user's own with a row of results.

    Raises:
        UserCodeError: It raised; the message names the row.
    """
    return _guarded(f"metric {name!r} on row {row['id']}", lambda: metric(row))


async def _guarded_async(what: str, function: Callable[[], Any]) -> Any:  # Any: what the user returns
    try:
        return await function()
    except (UserCodeError, *NOT_THE_USERS):
        raise
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error


def _guarded(what: str, function: Callable[[], Any]) -> Any:  # Any: what the user returns
    try:
        return function()
    except (UserCodeError, *NOT_THE_USERS):
        raise
    except USER_ERRORS as error:
        raise user_code_error(what, error) from error
