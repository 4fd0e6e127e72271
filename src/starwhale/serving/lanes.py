"""What waits before a model: a bounded queue per function, batches made of it, and a bound for calls at a time.

A request waits in the lane of its function. A call begins as soon as there is a place for one: with what waits then, up to the size of a batch; of a
function that takes batches the first request waits for others, but no longer than it is told to. Everything here lives in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from starwhale.errors import BusyError, ModelGoneError
from starwhale.serving.endpoint import Endpoint
from starwhale.serving.model_host import ModelHost, Outcome

LONGEST_RETRY_S = 60
"""Nobody is told to come again later than after so many seconds."""
_USUAL_S = 0.05
"""A call takes so long, as long as nobody knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is done at a time, and how much may wait."""

    max_batch_size: int | None = None
    """Requests of one call of a batch handler; None for what the handler was written for."""
    max_wait_ms: float = 5.0
    """How long the first request of a batch waits for others."""
    concurrency: int | None = None
    """Calls of a function at a time; None for one, and for an async function for what it was written for."""
    max_waiting: int = 1024
    """Requests that wait for a model, at most; more are refused."""
    max_waiting_bytes: int = 256 << 20
    """Bytes of their bodies, at most."""


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """A request that waits, or is under way."""

    key: str
    """Its id."""
    body: bytes
    """JSON that fits the function's form."""
    outcome: asyncio.Future[Outcome]
    """What becomes of it."""
    on_item: Callable[[bytes], None] | None = None
    """Called with what is given out bit by bit; such a request is never part of a batch."""
    arrived: float = field(default_factory=time.monotonic)
    """When it came."""
    began: float = 0.0
    """When its call began."""
    stop: Callable[[], None] | None = None
    """Stops its call; None while it waits."""
    is_stopped: bool = False
    """Whether nobody waits for it any more."""


@dataclass(slots=True)
class Load:
    """What waits for one model, in all lanes together."""

    waiting: int = 0
    """Requests that wait."""
    size: int = 0
    """Bytes of their bodies."""
    reading: int = 0
    """Bytes of bodies that are on their way."""
    under_way: int = 0
    """Requests of calls that have begun."""
    seconds: float = _USUAL_S
    """Of a call per request, lately."""


class Lane:
    """What waits for one function of a model."""

    def __init__(
        self, host: ModelHost, endpoint: Endpoint, bounds: Bounds, load: Load, places: asyncio.Semaphore
    ) -> None:
        """Begin to call the function for what comes.

        Args:
            host: The model.
            endpoint: The function.
            bounds: How much.
            load: Of the model, shared by its lanes.
            places: For calls at a time; shared by functions that are called by the same threads.
        """
        self._host, self._endpoint, self._bounds, self._load, self._places = host, endpoint, bounds, load, places
        self.batch_size = min(bounds.max_batch_size or endpoint.batch_size, 4096) if endpoint.batch_size > 1 else 1
        """Requests of one call, at most."""
        self._waiting: deque[Request] = deque()
        self._came = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._go())

    def put(self, key: str, body: bytes, on_item: Callable[[bytes], None] | None = None) -> Request:
        """Let a request wait.

        Raises:
            BusyError: Too many wait.
        """
        load = self._load
        self._refuse_more(len(body))
        request = Request(key=key, body=body, outcome=asyncio.get_running_loop().create_future(), on_item=on_item)
        load.waiting += 1
        load.size += len(body)
        self._waiting.append(request)
        self._came.set()
        return request

    @contextlib.contextmanager
    def reading(self, size: int) -> Generator[Callable[[int], None]]:
        """Count a body that is being read among what waits, until the block ends; what is given out counts more of it.

        Args:
            size: Bytes that it has as far as anybody knows.

        Raises:
            BusyError: Too much waits for that.
        """
        counted = 0

        def count(more: int) -> None:
            nonlocal counted
            self._refuse_more(more)
            self._load.reading += more
            counted += more

        try:
            count(size)
            yield count
        finally:
            self._load.reading -= counted

    def _refuse_more(self, size: int) -> None:
        """Refuse what there is no room for; of bodies, one that is larger than all room is taken when it is the only one."""
        load, bounds = self._load, self._bounds
        there = load.size + load.reading
        is_short = load.waiting < bounds.max_waiting
        if is_short and (not there or there + size <= bounds.max_waiting_bytes):
            return
        seconds = min(max(math.ceil(load.waiting * load.seconds), 1), LONGEST_RETRY_S)
        what = f"requests of {there:,} bytes" if is_short else f"{load.waiting} requests"
        raise BusyError(f"{what} wait for model {self._host.source.id!r} already", retry_after_s=seconds)

    def stop(self, request: Request) -> None:
        """Give a request up: one that waits is not begun, one that is under way stops when it can."""
        request.is_stopped = True
        if request.stop is not None:
            request.stop()
        elif not request.outcome.done():
            request.outcome.cancel()

    async def close(self) -> None:
        """End the lane; what waits in it is refused, which is nothing after a graceful stop."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._refuse_all(ModelGoneError("the server is stopping", hint="ask again when it is back"))

    def _refuse_all(self, error: ModelGoneError) -> None:
        while self._waiting:
            for request in self._take(len(self._waiting)):
                request.outcome.set_exception(error)

    async def _go(self) -> None:
        while True:
            await self._some_wait()
            await self._places.acquire()
            try:
                await self._until_ready()
                batch = self._take(1 if self._waiting and self._waiting[0].on_item is not None else self.batch_size)
            except ModelGoneError as error:  # it does not start again: nobody is kept waiting for that
                self._places.release()
                self._refuse_all(error)
                continue
            except BaseException:
                self._places.release()
                raise
            if not batch:
                self._places.release()
                continue
            # begun at once: were the process to end before that, these would be lost although it never had them
            call = asyncio.get_running_loop().create_task(self._finish(batch, self._begin(batch)))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _some_wait(self) -> None:
        while not self._waiting:
            self._came.clear()
            await self._came.wait()

    async def _until_ready(self) -> None:
        """Wait until there is a process, and a batch for it; the process may end meanwhile, and then the next one is waited for."""
        while True:
            await self._host.wait_ready()
            await self._gather()
            if self._host.is_ready:
                return

    async def _gather(self) -> None:
        """Wait until a batch is full, or the first of it has waited long enough."""
        while self._waiting and len(self._waiting) < self.batch_size:
            left = self._waiting[0].arrived + self._bounds.max_wait_ms / 1000 - time.monotonic()
            if left <= 0:
                return
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except TimeoutError:
                return

    def _take(self, count: int) -> list[Request]:
        """Take requests from the queue; those that nobody waits for are dropped, and one that is given out bit by bit goes alone."""
        taken: list[Request] = []
        while self._waiting and len(taken) < count:
            if taken and self._waiting[0].on_item is not None:
                break
            request = self._waiting.popleft()
            self._load.waiting -= 1
            self._load.size -= len(request.body)
            if not request.is_stopped and not request.outcome.done():
                taken.append(request)
        return taken

    def _begin(self, batch: list[Request]) -> asyncio.Future[list[Outcome]]:
        """Send requests to the process, and return what becomes of them."""
        self._load.under_way += len(batch)
        number, outcomes = self._host.call(
            self._endpoint.name, [each.key for each in batch], [each.body for each in batch], batch[0].on_item
        )
        began = time.monotonic()
        for each in batch:
            each.began = began
            if len(batch) == 1:
                each.stop = lambda: self._host.stop(number)
        return outcomes

    async def _finish(self, batch: list[Request], outcomes: asyncio.Future[list[Outcome]]) -> None:
        try:
            found = await outcomes
        except ModelGoneError as error:
            for each in batch:
                if not each.outcome.done():
                    each.outcome.set_exception(error)
        else:
            self._learn((time.monotonic() - batch[0].began) / len(batch))
            for each, outcome in zip(batch, found, strict=True):
                if not each.outcome.done():
                    each.outcome.set_result(outcome)
        finally:
            self._load.under_way -= len(batch)
            self._places.release()

    def _learn(self, seconds: float) -> None:
        self._load.seconds = 0.9 * self._load.seconds + 0.1 * seconds
