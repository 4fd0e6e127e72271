"""What changes, as server-sent events with ids only: one thread looks, every open page hears it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from starwhale.errors import StarwhaleError

if TYPE_CHECKING:
    from fastapi import Request

    from starwhale.instances.change_feed import ChangeFeed

logger = logging.getLogger(__name__)
POLL_S = 0.5
"""Look so often; a look that finds nothing takes microseconds."""
SILENCE_S = 15.0
"""Say that the stream lives after so long without a change."""
WAITING = 1000
"""Changes that wait for a page that is slow; it is told to look at everything when there are more."""
Changed = tuple[str, str]
EVERYTHING: Changed = ("all", "")
_END: Changed = ("", "")


class Changes:
    """Who wants to know of changes. `watching` runs for as long as the server does."""

    def __init__(self, feed: ChangeFeed, *, poll_s: float = POLL_S) -> None:
        self._feed = feed
        self._poll_s = poll_s
        self._listeners: set[asyncio.Queue[Changed]] = set()
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._number = 0
        feed.listen(self._hear)

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Look for changes until the block ends."""
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._watch, name="starwhale-changes", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.to_thread(thread.join)
            self._loop = None
            self._feed.close()

    def end(self) -> None:
        """End the streams of all pages, so that the server need not wait for them; called in its loop."""
        self._stop.set()
        for queue in self._listeners:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(_END)

    def stream(self, request: Request, *, is_again: bool) -> StreamingResponse:
        """Answer a page with what changes from now on.

        Args:
            request: What asks; its stream ends when it is gone.
            is_again: Whether it listened before, and may have missed something.
        """
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(request, is_again), media_type="text/event-stream", headers=headers)

    async def _events(self, request: Request, is_again: bool) -> AsyncIterator[str]:
        queue: asyncio.Queue[Changed] = asyncio.Queue(WAITING)
        self._listeners.add(queue)
        try:
            yield f"event: hello\nid: {self._number}\ndata: {{}}\nretry: 1000\n\n"
            if is_again:
                yield _event(EVERYTHING, self._number)
            while not self._stop.is_set() and not await request.is_disconnected():
                try:
                    found = await asyncio.wait_for(queue.get(), SILENCE_S)
                except TimeoutError:
                    yield ": \n\n"  # finds out whether anybody is there
                    continue
                if found == _END:
                    return
                yield _event(found, self._number)
        finally:
            self._listeners.discard(queue)

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self._feed.look()
            except StarwhaleError as error:
                logger.warning("changes cannot be looked for: %s", error)

    def _hear(self, found: Sequence[Changed]) -> None:
        """Pass changes on to the pages, from whichever thread has looked."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the server ends
                loop.call_soon_threadsafe(self._publish, found)

    def _publish(self, found: Sequence[Changed]) -> None:
        self._number += 1
        for queue in self._listeners:
            if queue.qsize() + len(found) > WAITING:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(EVERYTHING)
                continue
            for each in found:
                queue.put_nowait(each)


def _event(change: Changed, number: int) -> str:
    return f"event: change\nid: {number}\ndata: {json.dumps({'kind': change[0], 'id': change[1]})}\n\n"
