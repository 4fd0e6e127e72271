"""Which functions are async, and how many of their calls are in flight when nobody says."""

from __future__ import annotations

import dataclasses
import inspect

from starwhale.domain.job import HandlerRecord
from starwhale.errors import HandlerError, UsageError
from starwhale.handlers.registry import UserFunction

CONCURRENCY = 32
"""Calls of an async predict in flight per task, where neither the handler nor the user says: what most services take from one client."""


def with_concurrency(record: HandlerRecord, function: UserFunction, wanted: int | None) -> HandlerRecord:
    """Complete a record with whether its function is async, and with the calls that may be in flight.

    Args:
        record: What is known of the handler.
        function: It.
        wanted: What the handler says; None when it says nothing.

    Raises:
        UsageError: It says so of a function that is not async, or seeds the global generators for calls that overlap.
        HandlerError: It is an async generator.
    """
    name = getattr(function, "__qualname__", repr(function))
    if inspect.isasyncgenfunction(function):
        message = f"{name!r} is an async generator, of which nobody would take what it yields"
        raise HandlerError(message, hint="return the output instead of yielding it")
    if not inspect.iscoroutinefunction(function):
        if wanted is not None and wanted > 1:
            message = f"concurrency is {wanted}, and {name!r} is no async function"
            raise UsageError(message, hint="write async def, or let tasks share the rows: replicas=N")
        return record
    calls = 1 if record.kind != "predict" else wanted or CONCURRENCY
    if record.seed_globals and calls > 1:
        message = f"{name!r} seeds the global random generators, which {calls} calls in flight would share"
        raise UsageError(message, hint="use external['seed'], or set concurrency=1")
    return dataclasses.replace(record, is_async=True, concurrency=calls)
