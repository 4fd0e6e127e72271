"""What changes in an instance, told to everybody who listens: ids only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starwhale.storage.catalog.changes import Changed, Changes

    Listener = Callable[[Sequence[Changed]], None]


class ChangeFeed:
    """Looks for changes when somebody asks; safe to use from several threads. Whoever made it closes it."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()

    def listen(self, listener: Listener) -> None:
        """Tell a listener of all changes from now on, in the thread of whoever looks."""
        self._listeners.append(listener)

    def look(self) -> None:
        """Look now: what was committed before this call has been told to every listener when it returns."""
        with self._lock:
            found = self._changes.poll()
            if found:
                for listener in self._listeners:
                    listener(found)

    def close(self) -> None:
        """Stop looking."""
        with self._lock:
            self._changes.close()
