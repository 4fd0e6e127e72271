"""Where the time of one attempt goes: seconds by activity, and what its thread and process used. Counted per range, never per row.

Activities follow each other in the thread of the task, so that they add up to its time; what happens beside it, such as reading ahead,
counts as far as the task had to wait for it.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from starwhale.domain.usage import CPU, PEAK_BYTES, PROCESS_CPU, QUEUED, ROWS, WALL, Activity

_STATUS = Path("/proc/self/status")
_SCHEDULED = Path("/proc/thread-self/schedstat")


class Meter:
    """Counts for one attempt, in the thread that made it; calls from other threads count nothing."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._thread = threading.get_ident()
        self._is_own = True
        self._began = clock()
        self._thread_began = time.thread_time()
        self._process_began = time.process_time()
        self._queued_began = queued_s()
        self._seconds: dict[str, float] = {}
        self.rows = 0
        """Rows that were tried."""

    def add(self, activity: Activity, seconds: float) -> None:
        """Count seconds of the attempt."""
        if threading.get_ident() == self._thread:
            self._seconds[activity] = self._seconds.get(activity, 0.0) + max(seconds, 0.0)

    def take_over(self) -> None:
        """Count in the calling thread from now on, because that of the task is stuck."""
        self._thread, self._is_own = threading.get_ident(), False

    @contextmanager
    def measure(self, activity: Activity) -> Generator[None]:
        """Count what happens inside, whatever comes of it."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(activity, self._clock() - began)

    def total(self) -> float:
        """Return the seconds that were counted so far."""
        return sum(self._seconds.values())

    def read(self) -> dict[str, float]:
        """Return what was used so far, by the names of `domain.usage`."""
        found = {**self._seconds, WALL: self._clock() - self._began, ROWS: float(self.rows)}
        found[PROCESS_CPU] = time.process_time() - self._process_began
        if self._is_own and threading.get_ident() == self._thread:
            found[CPU] = time.thread_time() - self._thread_began
            found[QUEUED] = queued_s() - self._queued_began
        found[PEAK_BYTES] = float(peak_bytes())
        return found


def peak_bytes() -> int:
    """Return the most memory that this process has had; of the program that runs in it, not of the one that started it."""
    with contextlib.suppress(OSError, ValueError):
        status = _STATUS.read_bytes()
        at = status.find(b"VmHWM:")
        if at >= 0:
            return int(status[at + 6 :].split(None, 1)[0]) << 10
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used << 10


def queued_s() -> float:
    """Return how long this thread could have run and had no processor, since it began; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_SCHEDULED.read_bytes().split()[1]) / 1e9
    return 0.0
