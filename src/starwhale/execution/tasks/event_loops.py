"""The event loops of this process, which outlive the tasks that run in them.

A client that a user's module or notebook keeps belongs to the loop in which it was used first; it would fail in another one. So a task gets
the loop that the task before it had. This is a named exception to "no ambient state": what it has to match is module state of users.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


class EventLoops:
    """Lends event loops to threads; tasks that come one after another get the same one."""

    def __init__(self) -> None:
        self._free: list[asyncio.AbstractEventLoop] = []
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self) -> Generator[asyncio.AbstractEventLoop]:
        """Lend a loop to this thread; what user code has left running in it ends with the loan."""
        with self._lock:
            loop = self._free.pop() if self._free else asyncio.new_event_loop()
        threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        loop.set_default_executor(threads)
        asyncio.set_event_loop(loop)
        try:
            yield loop
        finally:
            _end_tasks(loop)
            asyncio.set_event_loop(None)
            threads.shutdown(wait=False, cancel_futures=True)
            with self._lock:
                self._free.append(loop)

    def close(self) -> None:
        """Close the loops that nobody has."""
        with self._lock:
            free, self._free = self._free, []
        for loop in free:
            loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


LOOPS = EventLoops()
"""Those of this process."""
atexit.register(LOOPS.close)
