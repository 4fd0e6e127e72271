"""How many calls may be in flight: fewer when a service is busy, more again when it answers; for one event loop.

Additive increase, multiplicative decrease (D.-M. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion
Avoidance in Computer Networks", 1989), as TCP does it: calls that began before the last decrease do not decrease it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

DECREASE = 0.5
"""A busy service leaves so much of the limit."""
STEPS = 16
"""From nothing to the most in so many rounds in which every call is answered."""


class Gate:
    """Lets calls begin. Not safe between threads; a call that was let in says when it has ended."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        """Open for as many calls as the user wants.

        Args:
            most: Calls in flight at most.
            clock: Seconds; that of the event loop.
        """
        self.most = most
        """Calls in flight at most."""
        self.active = 0
        """Calls in flight now."""
        self._limit = float(most)
        self._clock = clock
        self._decreased_at = float("-inf")
        self._held_until = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._is_closed = False

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return max(int(self._limit), 1)

    @property
    def held_s(self) -> float:
        """Seconds until a call may begin again; 0 when it may."""
        return max(self._held_until - self._clock(), 0.0)

    @property
    def is_open(self) -> bool:
        """Whether a new call may begin now; those that wait come first."""
        return not self._is_closed and not self._waiting and self._has_room()

    def describe(self) -> str:
        """Say what a busy service makes calls wait for; empty where it is none."""
        if (held_s := self.held_s) > 0:
            return f"service busy, {held_s:.0f} s to wait" if held_s >= 1 else "service busy"
        return f"{self.limit} of {self.most} calls at a time" if self.limit < self.most else ""

    def take(self) -> None:
        """Begin a call at once, where the gate is open."""
        self.active += 1

    async def enter(self) -> bool:
        """Wait until a call may begin; returns False when the gate was closed meanwhile."""
        if self._is_closed:
            return False
        if self.is_open:
            self.active += 1
            return True
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._let_in()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.leave()
            raise

    def leave(self) -> None:
        """End a call."""
        self.active -= 1
        self._let_in()

    def answered(self) -> None:
        """Take note that a call was answered: a little more may be in flight."""
        if self._limit < self.most:
            self._limit = min(self._limit + max(self.most / STEPS, 1.0) / self._limit, float(self.most))

    def busy(self, began: float, wait_s: float) -> bool:
        """Take note that a service was busy; returns whether that changed the limit, or the time until which all wait.

        Args:
            began: When the call began that it refused.
            wait_s: How long it wants to be left alone.
        """
        now = self._clock()
        is_news = now + wait_s > self._held_until + 0.1 * wait_s
        self._held_until = max(self._held_until, now + wait_s)
        if began >= self._decreased_at:
            self._limit = max(self._limit * DECREASE, 1.0)
            self._decreased_at = now
            is_news = True
        return is_news

    def close(self) -> None:
        """Let nothing in any more."""
        self._is_closed = True
        while self._waiting:
            _tell(self._waiting.popleft(), is_in=False)

    def _has_room(self) -> bool:
        return self.active < self.limit and self._clock() >= self._held_until

    def _let_in(self) -> None:
        while self._waiting and self._has_room():
            if _tell(self._waiting.popleft(), is_in=True):
                self.active += 1
        if self._waiting and self._timer is None and self._clock() < self._held_until:
            self._timer = asyncio.get_running_loop().call_at(self._held_until, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._let_in()


def _tell(place: asyncio.Future[bool], *, is_in: bool) -> bool:
    """Answer one that waits; returns whether it still does."""
    if place.done():
        return False
    place.set_result(is_in)
    return True
