"""Notices a call of predict that takes longer than `timeout_s`: while it runs, or at the latest when it returns."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from starwhale.handlers.failures import FailurePlace

_LOOK_S = 0.1


class RowTimeoutError(TimeoutError):
    """A call of predict took longer than its handler allows; it is not retried, whatever the handler declares."""

    place: FailurePlace | None = None
    """Where it was when the time was up, for a call whose traceback does not say."""


class RowClock:
    """Times the calls of one thread.

    Without `on_late` a call is left to its end, and then refused. With it, the watching thread takes over as soon as the time is up, and
    the calling thread never goes on: whoever is told has to end the process.
    """

    def __init__(self, timeout_s: float, on_late: Callable[[FrameType | None], None] | None = None) -> None:
        """Begin with no call.

        Args:
            timeout_s: Seconds that a call may take.
            on_late: Told, in another thread, where the calling thread is.
        """
        self.timeout_s = timeout_s
        """Seconds that a call may take."""
        self._on_late = on_late
        self._until: float | None = None
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._is_late = False
        self._closed = threading.Event()
        if on_late is not None:
            threading.Thread(target=self._watch, name="row-clock", daemon=True).start()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:  # Any: the user's function
        """Return the function with its time limited.

        Raises:
            RowTimeoutError: By the function that is returned: the call took longer, and its result is refused.
        """

        def timed(*args: Any) -> Any:  # Any: the user's arguments and result
            began = time.monotonic()
            self._until = began + self.timeout_s
            try:
                return self._check(function(*args), began)
            finally:
                self._end()

        return timed

    def error(self) -> RowTimeoutError:
        """Say that a call took too long."""
        return RowTimeoutError(f"predict took longer than timeout_s={self.timeout_s:g}")

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _check(self, result: Any, began: float) -> Any:  # Any: the user's result
        if time.monotonic() - began > self.timeout_s:
            raise self.error()
        return result

    def _end(self) -> None:
        with self._lock:
            self._until = None
        if self._is_late:  # the call is given up, and this process with it
            threading.Event().wait()

    def _watch(self) -> None:
        look_s = min(self.timeout_s / 10, _LOOK_S)
        while not self._closed.wait(look_s):
            with self._lock:
                self._is_late = self._until is not None and time.monotonic() > self._until
            if self._is_late and self._on_late is not None:
                self._on_late(sys._current_frames().get(self._thread))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the documented way to look at another thread
                return
