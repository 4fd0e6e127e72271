"""The process in which a served model lives: `python -m starwhale.serving.model_process SOCKET`, given an inherited socket.

It imports the user's modules, calls their functions for requests that arrive as JSON, and gives answers back as JSON. It needs the standard library
only, so that the user's environment can hold whatever it wants. It ends when its parent does: the socket ends then.

to here:    hello · call {call, endpoint, keys} + a body per request · stop {call} · gradio · exit
from here:  ready {offer} | failed {error} · gradio {address} · item {call} + its JSON · done {call, results, seconds} + the JSON of each answer
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.errors import HandlerError, InputError, StarwhaleError, UserCodeError
from starwhale.handlers.calls.online import (
    aiterate_online,
    await_online,
    call_online,
    fresh_context,
    iterate_online,
    split_batch,
)
from starwhale.handlers.context import Context, set_runtime_context
from starwhale.handlers.failures import details as traceback_of
from starwhale.serving.callables import Callables, Served, load_callables
from starwhale.serving.values import encode
from starwhale.storage.carriers.frames import Channel, error_to_json
from starwhale.storage.carriers.lifetime import die_with_parent
from starwhale.storage.object_accounts import accounts


@dataclass(slots=True, kw_only=True)
class Call:
    """One call of a function, for one request or for a batch of them."""

    id: int
    """Number of the call."""
    served: Served
    """The function."""
    keys: list[str]
    """Ids of the requests."""
    bodies: list[memoryview]
    """Their bodies."""
    is_stream: bool = False
    """Whether the answer is given out bit by bit."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for it any more."""
    task: asyncio.Task[None] | None = None
    """Of an async function, what runs it."""


@dataclass(slots=True)
class Results:
    """What became of the requests of a call, each at its place."""

    told: list[Json]
    """Of each request whether it succeeded, and its error; empty as long as neither is known."""
    answers: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """JSON of the answers."""

    def succeed(self, place: int, answer: bytes) -> None:
        """Take note of an answer."""
        self.told[place] = {"ok": True}
        self.answers[place] = answer

    def fail(self, place: int, error: BaseException) -> None:
        """Take note of an error."""
        self.told[place] = {"ok": False, **_error(error)}


class ModelProcess:
    """What the process does with the messages of its parent."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._calls: dict[int, Call] = {}
        self._waiting: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._base = Context()
        self._callables: Callables | None = None

    def run(self) -> None:
        """Load the model, then work until the parent says that it is enough."""
        first = self._channel.receive()
        if first is None:
            return
        hello = first[0]
        accounts.take_over(hello["link_auths"])
        self._base = Context(
            workdir=hello["workdir"],
            model_name=hello["model_name"],
            arguments=tuple(hello["arguments"]),
            step="serving",
        )
        try:
            self._callables = load_callables(
                hello["workdir"], hello["modules"], hello["arguments"], hello["endpoint"], self._base
            )
        except BaseException as error:  # noqa: BLE001 - user code may raise whatever it likes
            self._channel.send({"op": "failed", "error": error_to_json(_told(hello["modules"], error))})
            return
        threads = self._start_threads(int(hello["threads"]))
        # the parent has gone: nobody would take what user code still does
        threading.Thread(target=self._receive, args=(lambda: os._exit(1),), name="receive", daemon=True).start()
        self._channel.send({"op": "ready", "offer": self._callables.offer.to_json()})
        self._work()  # in the main thread, which some libraries insist on
        for each in threads:
            each.join()
        self._callables.close()

    def serve_here(self, callables: Callables) -> None:
        """Do the same with functions that this process has already: of a script that serves itself."""
        self._callables = callables
        if self._channel.receive() is None:
            return
        self._start_threads(1)
        threading.Thread(
            target=self._receive, args=(lambda: self._waiting.put(None),), name="receive", daemon=True
        ).start()
        self._channel.send({"op": "ready", "offer": callables.offer.to_json()})
        self._work()

    def _start_threads(self, count: int) -> list[threading.Thread]:
        more = [threading.Thread(target=self._work, name=f"calls-{n}", daemon=True) for n in range(1, count)]
        for each in more:
            each.start()
        if self._callables is not None and any(each.is_async for each in self._callables.offer.endpoints):
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="event-loop", daemon=True).start()
        self._threads = count
        return more

    def _receive(self, on_end: Callable[[], None]) -> None:
        while (message := self._channel.receive()) is not None:
            said, blobs = message
            match said["op"]:
                case "call":
                    self._take(said, blobs)
                case "stop":
                    self._stop(said["call"])
                case "gradio":  # which takes seconds to import: calls do not wait for that
                    threading.Thread(target=self._open_gradio, args=(said,), name="gradio", daemon=True).start()
                case "exit":
                    for _ in range(self._threads):
                        self._waiting.put(None)
                    return
                case _:
                    pass
        on_end()

    def _take(self, said: Json, blobs: list[memoryview]) -> None:
        assert self._callables is not None  # noqa: S101 - calls come after `ready`
        served = self._callables.functions.get(said["endpoint"])
        if served is None:  # this process was started anew, and the files of the model were changed meanwhile
            error = HandlerError(f"the model offers {said['endpoint']!r} no more", hint="start the server anew")
            results = [{"ok": False, **_error(error)} for _ in said["keys"]]
            self._channel.send(
                {"op": "done", "call": said["call"], "results": results, "seconds": 0.0}, [b"" for _ in results]
            )
            return
        call = Call(id=said["call"], served=served, keys=said["keys"], bodies=blobs, is_stream=said["is_stream"])
        self._calls[call.id] = call
        if not served.endpoint.is_async or self._loop is None:
            self._waiting.put(call)
            return
        loop = self._loop

        def begin() -> None:
            call.task = loop.create_task(self._run_async(call))

        loop.call_soon_threadsafe(begin)

    def _open_gradio(self, said: Json) -> None:
        from starwhale.serving.gradio_page import open_gradio

        assert self._callables is not None  # noqa: S101 - it comes after `ready`
        try:
            address, problem = open_gradio(self._callables, self._base, host=said["host"], title=said["title"]), ""
        except StarwhaleError as error:
            address, problem = "", str(error)
        self._channel.send({"op": "gradio", "address": address, "problem": problem})

    def _stop(self, number: int) -> None:
        call = self._calls.get(number)
        if call is None:
            return
        call.stop.set()
        if self._loop is not None and call.task is not None:
            self._loop.call_soon_threadsafe(call.task.cancel)

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            if call.stop.is_set():
                self._end(call, _refused(call, HandlerError("the call was stopped")), 0.0)
                continue
            start = time.perf_counter()
            self._end(call, self._run(call), time.perf_counter() - start)

    def _run(self, call: Call) -> Results:
        """Call the function; where a batch fails, its requests are tried one by one, so that one of them does not fail the others."""
        results, places, values = _read(call)
        if not places:
            return results
        for group in (places, *([each] for each in places)):
            if len(group) > 1 and not call.served.is_batch:
                continue
            if group is not places and (len(places) == 1 or results.told[group[0]]):
                continue
            try:
                made = self._call(call, [values[each] for each in group], [call.keys[each] for each in group])
            except BaseException as error:  # noqa: BLE001 - user code may raise whatever it likes
                if len(group) == 1:
                    results.fail(group[0], _blamed(call.served, values[group[0]], error))
                continue
            for place, answer in zip(group, made, strict=True):
                _succeed(results, place, answer)
        return results

    def _call(self, call: Call, values: list[Json], keys: list[str]) -> Sequence[Any]:  # Any: what users return
        context = fresh_context(self._base)
        set_runtime_context(context)
        served = call.served
        result = call_online(served.what, lambda: served.call(context, values, keys))
        if inspect.isgenerator(result):
            return [_joined(self._give_out(call, result))]
        if inspect.isawaitable(result) or inspect.isasyncgen(result):
            return [asyncio.run(self._finish(call, result))]  # an async function behind a decorator that hides it
        return split_batch(served.what, result, len(values)) if served.is_batch else [result]

    def _give_out(self, call: Call, items: Any) -> list[Any]:  # Any: a generator of the user's
        given: list[Any] = []
        iterator = iterate_online(call.served.what, items)
        try:
            for item in iterator:
                self._send_item(call, item, given)
                if call.stop.is_set():
                    break
        finally:
            with contextlib.suppress(BaseException):  # it may not want to be closed
                items.close()
        return given

    def _send_item(self, call: Call, item: Any, given: list[Any]) -> None:  # Any: what users give out
        if call.is_stream:
            self._channel.send({"op": "item", "call": call.id}, [encode(item)])
        else:
            given.append(item)

    async def _run_async(self, call: Call) -> None:
        start = time.perf_counter()
        results, places, values = _read(call)
        context = fresh_context(self._base)
        set_runtime_context(context)
        if places:
            try:
                served, keys = call.served, [call.keys[each] for each in places]
                read = [values[each] for each in places]
                made = await await_online(served.what, lambda: served.call(context, read, keys))
                answers = (
                    split_batch(served.what, made, len(read)) if served.is_batch else [await self._finish(call, made)]
                )
                for place, answer in zip(places, answers, strict=True):
                    _succeed(results, place, answer)
            except asyncio.CancelledError:
                results = _refused(call, HandlerError("the call was stopped"))
            except BaseException as error:  # noqa: BLE001 - user code may raise whatever it likes
                for place in places:
                    results.fail(place, _blamed(call.served, values[place], error))
        self._end(call, results, time.perf_counter() - start)

    async def _finish(self, call: Call, made: Any) -> Any:  # Any: what users return
        if inspect.isawaitable(made):
            waited: Awaitable[Any] = made
            return await await_online(call.served.what, lambda: waited)
        if not inspect.isasyncgen(made):
            return _joined(self._give_out(call, made)) if inspect.isgenerator(made) else made
        given: list[Any] = []
        async with contextlib.aclosing(aiterate_online(call.served.what, made)) as items:  # type: ignore[type-var] - it has aclose
            async for item in items:
                self._send_item(call, item, given)
                if call.stop.is_set():
                    break
        return _joined(given)

    def _end(self, call: Call, results: Results, seconds: float) -> None:
        self._calls.pop(call.id, None)
        blobs = [results.answers.get(place, b"") for place in range(len(results.told))]
        with contextlib.suppress(OSError):  # the parent has gone
            self._channel.send({"op": "done", "call": call.id, "results": results.told, "seconds": seconds}, blobs)


def _read(call: Call) -> tuple[Results, list[int], dict[int, Json]]:
    """Make the values of all requests; return also the places of those that fit, and the values at them."""
    results, values = Results([{} for _ in call.keys]), dict[int, Json]()
    for place, body in enumerate(call.bodies):
        try:
            values[place] = call.served.read(json.loads(bytes(body)))
        except BaseException as error:  # noqa: BLE001 - types of users may raise whatever they like
            results.fail(place, error)
    return results, list(values), values


def _blamed(served: Served, values: Json, error: BaseException) -> BaseException:
    """Say of a handler that looked in vain for a column of its row that the request lacks it."""
    cause = error.__cause__
    name = cause.args[0] if isinstance(cause, KeyError) and cause.args else getattr(cause, "name", None)
    is_column = isinstance(name, str) and name in served.endpoint.form.get("properties", {}) and name not in values
    return InputError(str(name), "is missing") if served.endpoint.kind == "predict" and is_column else error


def _refused(call: Call, error: BaseException) -> Results:
    results = Results([{} for _ in call.keys])
    for place in range(len(call.keys)):
        results.fail(place, error)
    return results


def _succeed(results: Results, place: int, answer: Any) -> None:  # Any: what users return
    try:
        results.succeed(place, encode(answer))
    except Exception as error:  # noqa: BLE001 - what users return may raise when it is looked at
        results.fail(place, error)


def _joined(given: list[Any]) -> Any:  # Any: what users give out
    """Return all that was given out as one answer: texts together, everything else as a list."""
    return "".join(given) if given and all(isinstance(each, str) for each in given) else given


def _error(error: BaseException) -> Json:
    if isinstance(error, InputError):
        return {"kind": "input", "field": error.field, "message": error.message, "hint": error.hint, "details": ""}
    number = uuid.uuid4().hex[:12]
    if isinstance(error, UserCodeError):
        return {"kind": "user", "id": number, "message": error.message, "details": error.details}
    if isinstance(error, StarwhaleError):
        return {"kind": "user", "id": number, "message": error.message, "details": f"{error.message}; {error.hint}"}
    return {"kind": "user", "id": number, "message": str(error), "details": traceback_of(error)}


def _told(modules: Sequence[str], error: BaseException) -> StarwhaleError:
    """Return an error that our parent can say: user code may raise KeyboardInterrupt, or make one of its own."""
    if isinstance(error, StarwhaleError):
        return error
    from starwhale.handlers.failures import user_code_error

    return user_code_error(f"loading {', '.join(modules)}", error)


def main(arguments: list[str]) -> None:
    """Serve a model over the inherited socket whose descriptor is given."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    inherited = socket.socket(fileno=int(arguments[0]))
    inherited.set_inheritable(False)
    die_with_parent()
    os.dup2(2, 1)  # what user code prints goes where the log goes: standard output is for results
    ModelProcess(Channel(inherited)).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that user code left behind do not hold it up


if __name__ == "__main__":
    main(sys.argv[1:])
