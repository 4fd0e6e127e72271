"""What the readers of one dataset keep in memory together, and how many files they hold open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Protocol

from starwhale.storage.dataset_rows.limits import LIMITS, Limits

CACHE_BYTES = 32 << 20
"""Bytes of decoded columns, and of indexes of wide ones, that one dataset keeps in memory."""

ColumnPlace = tuple[str, int, str]
"""Fragment, row group and column."""


class Closable(Protocol):
    """What holds a file, and can open it again."""

    def close(self) -> None:
        """Let go of the file until it is needed again."""
        ...


class ColumnCache:
    """Decoded columns of row groups, least recently used ones dropped first; safe to use from several threads."""

    def __init__(self, max_bytes: int = CACHE_BYTES, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._arrays: OrderedDict[ColumnPlace, Any] = OrderedDict()
        self._sizes: dict[ColumnPlace, int] = {}
        self._bytes = 0
        self._max_bytes = max_bytes
        self._open: OrderedDict[Closable, None] = OrderedDict()
        self._lock = threading.Lock()

    def get_groups(self, fragment: str, groups: range, name: str) -> list[Any]:
        """Return a column of some row groups, None where it is not kept."""
        with self._lock:
            found = [self._arrays.get((fragment, group, name)) for group in groups]
            for group, array in zip(groups, found, strict=True):
                if array is not None:
                    self._arrays.move_to_end((fragment, group, name))
            return found

    def get(self, place: ColumnPlace) -> Any:
        """Return a column, or None."""
        with self._lock:
            found = self._arrays.get(place)
            if found is not None:
                self._arrays.move_to_end(place)
            return found

    def put(self, columns: Iterable[tuple[ColumnPlace, Any]], nbytes: int) -> None:
        """Keep columns that take so many bytes together. Whoever made them knows; of a part of an Arrow array it takes long to find out."""
        made = list(columns)
        share = nbytes // max(1, len(made))
        with self._lock:
            for place, array in made:
                if place not in self._arrays:
                    self._arrays[place], self._sizes[place] = array, share
                    self._bytes += share
            while self._bytes > self._max_bytes and len(self._arrays) > 1:
                place, _ = self._arrays.popitem(last=False)
                self._bytes -= self._sizes.pop(place)

    def opened(self, file: Closable) -> None:
        """Note that a file was opened, and close one that was opened long ago."""
        with self._lock:
            self._open[file] = None
            oldest = self._open.popitem(last=False)[0] if len(self._open) > self._limits.max_open else None
        if oldest is not None:
            oldest.close()


__all__ = ["ColumnCache"]
