"""Keeps the process of one model alive, and carries calls to it and answers back; seen from the event loop of whoever answers requests.

A thread of the host starts the process, waits for its end and starts the next one: the thread lives as long as the host does, because on Linux a process
may be bound to the thread that started it. What was under way in a process that ended is told so at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.counted import counted
from starwhale.domain.json_shape import Json
from starwhale.errors import ModelGoneError, WorkerDiedError
from starwhale.serving.endpoint import Offer
from starwhale.settings import child_environment
from starwhale.storage.carriers.frames import Channel, error_from_json
from starwhale.storage.carriers.lifetime import describe_exit
from starwhale.storage.object_accounts import accounts

logger = logging.getLogger(__name__)
LONGEST_PAUSE_S = 30.0
"""Between two tries of starting a model that does not start."""
_FIRST_PAUSE_S = 0.5
_END_S = 5.0
_GRADIO_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """What has to be known to start a model."""

    id: str
    """By which requests name it, of all that are served together."""
    workdir: str
    """Root of its modules."""
    modules: tuple[str, ...]
    """Modules to import."""
    python: str
    """Interpreter of its environment."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it finds in its environment beside what this process has."""
    arguments: tuple[str, ...] = ()
    """What stood after `--`."""
    name: str = ""
    """Name of the model."""
    uri: str = ""
    """Full URI of a packaged model; empty for a work directory."""
    version: str = ""
    """Version of a packaged model."""
    endpoint: str = ""
    """Name of the one function to serve; empty for all."""
    threads: int = 1
    """Calls of functions that are not async, at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request of a call."""

    answer: bytes = b""
    """JSON of what the function returned."""
    error: Json | None = None
    """`{"kind": "input" | "user", "message", …}` where it failed."""
    seconds: float = 0.0
    """How long the call took, of a batch all of it."""
    batch: int = 1
    """Requests of the call."""


@dataclass(slots=True)
class _Underway:
    """A call that the process has."""

    outcomes: asyncio.Future[list[Outcome]]
    on_item: Callable[[bytes], None] | None


class ModelHost:
    """One model, in a process that is replaced when it ends. Made and used in one event loop."""

    def __init__(self, source: ModelSource, command: Sequence[str] | None = None) -> None:
        """Take note of what to start; `start` does it.

        Args:
            source: What is served.
            command: Starts the process, less the number of its socket; None for the usual one.
        """
        self.source = source
        self.restarts = 0
        """How often the process was replaced."""
        self.offer: Offer | None = None
        """What the model offers, since it was ready for the first time."""
        self.gradio = ""
        """Where gradio serves its page, if it does."""
        self._gradio: Json | None = None
        self._has_gradio = asyncio.Event()
        self._command = tuple(command or (source.python, "-P", "-m", "starwhale.serving.model_process"))
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._underway: dict[int, _Underway] = {}
        self._ready = asyncio.Event()
        self._is_known = asyncio.Event()
        self._is_failing = False
        self._first: asyncio.Future[Offer] = self._loop.create_future()
        self._ends = threading.Event()
        self._was_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._to_send: queue.SimpleQueue[tuple[Json, Sequence[bytes]] | None] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"model-{source.id}", daemon=True)

    async def start(self) -> Offer:
        """Start the process, and return what the model offers when it is ready.

        Raises:
            UserCodeError: The user's code raised while it was loaded.
            HandlerError: There is nothing to serve.
            WorkerDiedError: The process ended while it was loaded.
        """
        self._thread.start()
        return await self._first

    @property
    def is_ready(self) -> bool:
        """Whether a call can begin at once."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def wait_ready(self) -> None:
        """Wait until there is a process that takes calls.

        Raises:
            ModelGoneError: The last try of starting one failed; it is tried again, but nobody knows whether that helps.
        """
        await self._is_known.wait()
        if self._is_failing:
            raise _gone(self.source.id, "does not start again")

    def call(
        self,
        endpoint: str,
        keys: Sequence[str],
        bodies: Sequence[bytes],
        on_item: Callable[[bytes], None] | None = None,
    ) -> tuple[int, asyncio.Future[list[Outcome]]]:
        """Begin a call.

        Args:
            endpoint: Name of the function.
            keys: Ids of the requests.
            bodies: Their bodies, which are JSON objects that fit its form.
            on_item: Called with the JSON of what the function gives out, bit by bit; None when all of it is wanted at its end.

        Returns:
            Number of the call, for `stop`, and what becomes of it, one outcome per request. It ends in a `ModelGoneError` when the process does.
        """
        number, future = next(self._numbers), self._loop.create_future()
        if self._to_send is None or not self._ready.is_set():
            future.set_exception(_gone(self.source.id, "is not there at present"))
            return number, future
        self._underway[number] = _Underway(future, on_item)
        said = {
            "op": "call",
            "call": number,
            "endpoint": endpoint,
            "keys": list(keys),
            "is_stream": on_item is not None,
        }
        self._to_send.put((said, list(bodies)))
        return number, future

    async def open_gradio(self, host: str, title: str) -> str:
        """Let gradio serve the page of the model, and return its address; empty where it cannot, which is logged.

        A process that replaces this one opens it again, on another port perhaps.
        """
        self._gradio = {"op": "gradio", "host": host, "title": title}
        self._ask_gradio()
        async with asyncio.timeout(_GRADIO_S):
            await self._has_gradio.wait()
        return self.gradio

    def _ask_gradio(self) -> None:
        if self._gradio is not None and self._to_send is not None:
            self._has_gradio.clear()
            self._to_send.put((self._gradio, ()))

    def stop(self, number: int) -> None:
        """Ask a call to stop; one that gives out bit by bit stops after the present bit, one that waits is not begun."""
        if self._to_send is not None and number in self._underway:
            self._to_send.put(({"op": "stop", "call": number}, ()))

    async def close(self) -> None:
        """End the process, and wait for that."""
        self._ends.set()
        if self._to_send is not None:
            self._to_send.put(({"op": "exit"}, ()))
        self._ready.clear()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._thread.join(_END_S)
        if self._thread.is_alive():
            self._kill()
            self._thread.join()

    # what follows runs in the host's own thread

    def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._ends.is_set():
            began = time.monotonic()
            is_served = self._run_one()
            if self._ends.is_set():
                return
            if not self._was_ready:
                return  # it never served: whoever waits for it has been told why
            pause = (
                _FIRST_PAUSE_S
                if is_served and time.monotonic() - began > LONGEST_PAUSE_S
                else min(pause * 2, LONGEST_PAUSE_S)
            )
            self._tell(self._count)
            if not is_served:
                self._ends.wait(pause)

    def _count(self) -> None:
        self.restarts += 1

    def _run_one(self) -> bool:
        """Start a process, serve what it can until it ends, and return whether it was ready."""
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                cwd=self.source.workdir,
                env=child_environment({"GRADIO_ANALYTICS_ENABLED": "False", **self.source.environment}),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for us: what is under way is finished first
            )
        except OSError as error:  # its folder or its interpreter has gone, or there is no room for a process
            ours.close()
            how = f"cannot be started: {error}"
            self._tell(lambda: self._ended(how))
            return False
        finally:
            theirs.close()
        self._process = process
        if self._ends.is_set():
            self._kill()

        def wait() -> int:
            code = process.wait()
            if code != 0:
                self._kill()  # with everything that user code started in it
            return code

        return self._carry(Channel(ours), wait)

    def _carry(self, channel: Channel, wait: Callable[[], int]) -> bool:
        """Carry messages to a process and back until it ends, and return whether it was ready."""
        to_send: queue.SimpleQueue[tuple[Json, Sequence[bytes]] | None] = queue.SimpleQueue()
        sender = threading.Thread(target=_send_all, args=(channel, to_send), name="model-send", daemon=True)
        receiver = threading.Thread(target=self._receive, args=(channel, to_send), name="model-receive", daemon=True)
        to_send.put((self._hello(), ()))
        sender.start()
        receiver.start()
        code = wait()
        channel.shut_down()
        receiver.join()
        to_send.put(None)
        sender.join()
        channel.close()
        was_ready = self._to_send is to_send
        self._tell(lambda: self._ended(describe_exit(code)))
        return was_ready

    def _hello(self) -> Json:
        source = self.source
        return {
            "op": "hello",
            "workdir": source.workdir,
            "modules": source.modules,
            "arguments": source.arguments,
            "model_name": source.name,
            "endpoint": source.endpoint,
            "threads": source.threads,
            "link_auths": accounts.pass_on(),
        }

    def _receive(self, channel: Channel, to_send: queue.SimpleQueue[tuple[Json, Sequence[bytes]] | None]) -> None:
        while (message := channel.receive()) is not None:
            said, blobs = message
            if said["op"] == "ready":
                self._to_send, self._was_ready = to_send, True
            self._tell(lambda said=said, blobs=blobs: self._take(said, blobs))

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _tell(self, what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what)

    # what follows runs in the event loop

    def _take(self, said: Json, blobs: Sequence[memoryview]) -> None:
        match said["op"]:
            case "ready":
                self.offer = Offer.from_json(said["offer"])
                self._is_failing = False
                self._ready.set()
                self._is_known.set()
                self._ask_gradio()
                if not self._first.done():
                    self._first.set_result(self.offer)
            case "failed":
                error = error_from_json(said["error"])
                if not self._first.done():
                    self._first.set_exception(error)
                else:
                    logger.error("model=%s: it cannot be started again: %s", self.source.id, error)
            case "gradio":
                self.gradio = said["address"]
                if said["problem"]:
                    logger.error("model=%s: %s", self.source.id, said["problem"])
                self._has_gradio.set()
            case "item":
                found = self._underway.get(said["call"])
                if found is not None and found.on_item is not None:
                    found.on_item(bytes(blobs[0]))
            case _:
                self._finish(said, blobs)

    def _finish(self, said: Json, blobs: Sequence[memoryview]) -> None:
        found = self._underway.pop(said["call"], None)
        if found is None or found.outcomes.done():
            return
        results: list[Mapping[str, Any]] = said["results"]
        seconds, batch = float(said["seconds"]), len(results)
        found.outcomes.set_result(
            [
                Outcome(answer=bytes(blob), error=None if each["ok"] else dict(each), seconds=seconds, batch=batch)
                for each, blob in zip(results, blobs, strict=True)
            ]
        )

    def _ended(self, how: str) -> None:
        """Tell everybody who waits for the process that it has ended, or that there is none."""
        if self._ready.is_set():
            self._ready.clear()
            self._is_known.clear()
        elif self._first.done():
            self._is_failing = True
            self._is_known.set()
        self._to_send = None
        self.gradio = ""  # until the next process serves it
        waiting, self._underway = self._underway, {}
        if not self._first.done():
            hint = "the memory of the machine may not suffice, or native code has failed"
            message = f"the process of model {self.source.id!r} {how} while it was loaded"
            self._first.set_exception(WorkerDiedError(message, hint=hint))
        elif not self._ends.is_set():
            calls = counted(len(waiting), "call")
            logger.error("model=%s: its process %s with %s under way; another is started", self.source.id, how, calls)
        for each in waiting.values():
            if not each.outcomes.done():
                each.outcomes.set_exception(_gone(self.source.id, f"{how} while it had this request"))


class AttachedHost(ModelHost):
    """The functions of a process that is there already, which has started this one: a script that serves itself. Nothing replaces it."""

    def __init__(self, source: ModelSource, descriptor: int, on_end: Callable[[], None]) -> None:
        """Take the socket that leads to it.

        Args:
            source: What is said of it.
            descriptor: Number of the socket, which was inherited.
            on_end: Called in the event loop when the process ends.
        """
        super().__init__(source)
        self._socket = socket.socket(fileno=descriptor)
        self._on_end = on_end
        self._left = threading.Event()

    def _run_one(self) -> bool:
        was_ready = self._carry(Channel(self._socket), lambda: int(not self._left.wait()))
        self._ends.set()
        self._tell(self._on_end)
        return was_ready

    def _receive(self, channel: Channel, to_send: queue.SimpleQueue[tuple[Json, Sequence[bytes]] | None]) -> None:
        super()._receive(channel, to_send)
        self._left.set()


def _gone(model: str, how: str) -> ModelGoneError:
    return ModelGoneError(f"the process of model {model!r} {how}", hint="it is started anew: try again in a moment")


def _send_all(channel: Channel, waiting: queue.SimpleQueue[tuple[Json, Sequence[bytes]] | None]) -> None:
    while (each := waiting.get()) is not None:
        try:
            channel.send(*each)
        except OSError:
            return  # the process has ended, which its host notices
