"""What the decorators have seen: the one table of handlers of this process.

It is a named exception to "no ambient state": decorators run while a user's module is imported, before anybody could hand them anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starwhale.domain.job import HandlerRecord

UserFunction = Callable[..., Any]  # Any: what users write takes and returns what they like
MARK = "__starwhale_handler__"
"""Attribute of a decorated function; `functools.wraps` copies it to wrappers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One decorated function."""

    record: HandlerRecord
    """What is known of it without calling it."""
    function: UserFunction
    """The function as the decorator got it; other decorators may lie around it in its module."""


class Registry:
    """Handlers by name; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Registered] = {}

    def add(self, entry: Registered) -> None:
        """Keep an entry; a later one of the same name replaces it, as a repeated notebook cell does."""
        with self._lock:
            self._entries[entry.record.name] = entry

    def discard(self, name: str) -> None:
        """Drop an entry, if there is one."""
        with self._lock:
            self._entries.pop(name, None)

    def get(self, name: str) -> Registered | None:
        """Return the entry of that name."""
        with self._lock:
            return self._entries.get(name)

    def entries(self) -> dict[str, Registered]:
        """Return a copy of all entries."""
        with self._lock:
            return dict(self._entries)

    def forget(self, module_name: str) -> None:
        """Drop what a module has registered, because it is about to be imported again."""
        with self._lock:
            self._entries = {
                name: entry for name, entry in self._entries.items() if entry.record.module_name != module_name
            }


REGISTRY = Registry()
"""The table that the decorators fill."""
