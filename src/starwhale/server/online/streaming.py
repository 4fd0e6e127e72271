"""Answers bit by bit, as server-sent events: `start` with the request's id, `item` for each bit, then `done`, or `problem`.

Who asks stops by leaving: the call ends after the present bit. A client that does not read is left when too much waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from starwhale.errors import StarwhaleError
from starwhale.server.online.answers import REQUEST_ID, failure, refusal

if TYPE_CHECKING:
    from starwhale.serving.lanes import Lane, Request
    from starwhale.serving.model_host import Outcome

SILENCE_S = 15.0
"""Say that the stream lives after so long without a bit."""
WAITING_BYTES = 16 << 20
"""Bytes that wait for a client that does not read; its call is stopped when there are more."""
KEPT_BYTES = 64 << 20
"""Bytes of an answer that are kept for whoever records it; of a longer one nothing is."""
OnEnd = Callable[["Outcome | None"], None]
"""Called with what became of the call."""


class Bits:
    """What a call has given out and nobody has read yet."""

    def __init__(self) -> None:
        self.given: list[bytes] = []
        """All of it, for whoever records it."""
        self.is_cut = False
        """Whether that was too long to be kept."""
        self._kept = 0
        self.size = 0
        """Bytes that wait."""
        self.keeps = False
        """Whether what was read is kept: for whoever records it."""
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.on_flood: Callable[[], None] | None = None
        """Called when too much waits."""

    def put(self, bit: bytes) -> None:
        """Take a bit from the model."""
        self.size += len(bit)
        if self.keeps:
            self._keep(bit)
        self._waiting.put_nowait(bit)
        if self.size > WAITING_BYTES and self.on_flood is not None:
            self.on_flood()

    def _keep(self, bit: bytes) -> None:
        self._kept += len(bit)
        if self._kept > KEPT_BYTES:
            self.keeps, self.is_cut = False, True
            self.given.clear()
        else:
            self.given.append(bit)

    async def get(self) -> bytes:
        """Wait for the next bit."""
        bit = await self._waiting.get()
        self.size -= len(bit)
        return bit

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._waiting.empty()


def stream(lane: Lane, request: Request, bits: Bits, model: str, on_end: OnEnd) -> StreamingResponse:
    """Answer with what a call gives out."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no", REQUEST_ID: request.key, "x-model": model}
    bits.on_flood = lambda: lane.stop(request)
    return StreamingResponse(
        _events(lane, request, bits, model, on_end), media_type="text/event-stream", headers=headers
    )


async def _events(lane: Lane, request: Request, bits: Bits, model: str, on_end: OnEnd) -> AsyncIterator[bytes]:
    count, outcome = 0, None
    try:
        yield _event("start", json.dumps({"request": request.key, "model": model}).encode())
        async for bit in _bits(request, bits):
            if bit is None:
                yield b": \n\n"  # finds out whether anybody is there
                continue
            count += 1
            yield _event("item", bit)
        try:
            outcome = await request.outcome
        except asyncio.CancelledError:
            if not request.is_stopped:
                raise
            yield _event("done", json.dumps({"request": request.key, "items": count, "is_stopped": True}).encode())
            return
        except StarwhaleError as error:
            yield _event("problem", bytes(refusal(error, request.key).body))
            return
        if outcome.error is not None and not request.is_stopped:
            yield _event("problem", bytes(failure(outcome, request.key, model).body))
            return
        if count == 0 and outcome.answer not in {b"", b"[]"}:  # it was no generator: all of it at once
            count = 1
            yield _event("item", outcome.answer)
        told = {"request": request.key, "items": count, "seconds": outcome.seconds, "is_stopped": request.is_stopped}
        yield _event("done", json.dumps(told).encode())
    finally:
        if not request.outcome.done():
            lane.stop(request)
        on_end(outcome)


async def _bits(request: Request, bits: Bits) -> AsyncIterator[bytes | None]:
    """Give out bits until the call has ended and all are read; None where nothing comes for a while."""
    getting: asyncio.Task[bytes] | None = None
    try:
        while not (request.outcome.done() and bits.is_empty and getting is None):
            getting = getting or asyncio.ensure_future(bits.get())
            done, _ = await asyncio.wait(
                {getting, request.outcome}, timeout=SILENCE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if getting in done:
                yield getting.result()
                getting = None
            elif request.outcome in done:
                if bits.is_empty:
                    return
            else:
                yield None
    finally:
        if getting is not None:
            getting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await getting


def _event(kind: str, data: bytes) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
