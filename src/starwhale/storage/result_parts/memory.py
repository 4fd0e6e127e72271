"""Results in memory: nothing is written anywhere, and everything is gone with the process."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Mapping, Sequence

from starwhale.storage.part import PartRecord, PartTable
from starwhale.storage.result_parts.part_files import PartFiles
from starwhale.storage.result_parts.results_read import ResultReader
from starwhale.storage.result_parts.segments import MemorySegments


class MemoryParts:
    """Parts without a database; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: list[PartRecord] = []
        self._lock = threading.Lock()

    def add(self, connection: object, part: PartRecord) -> int:
        """Keep a part and return its id; there is no transaction that it could be part of."""
        del connection
        with self._lock:
            made = dataclasses.replace(part, id=len(self._kept) + 1, created_at=part.created_at or time.time())
            self._kept.append(made)
            return made.id

    def commit(self, part: PartRecord) -> int:
        """Keep a part and return its id."""
        return self.add(None, part)

    def visible(self, owner: str, *, after: int = 0) -> list[PartRecord]:
        """Return the parts that readers see, in the order of their commits."""
        with self._lock:
            return [each for each in self._kept if each.owner == owner and each.visible and each.id > after]

    def visible_with(self, table: str, owners: Sequence[str]) -> dict[str, list[PartRecord]]:
        """Return the parts of several owners that have rows of a table and that readers see."""
        found = {
            owner: [part for part in self.visible(owner) if any(each.table_name == table for each in part.tables)]
            for owner in owners
        }
        return {owner: parts for owner, parts in found.items() if parts}

    def replace_locations(self, owner: str, locations: Mapping[int, Sequence[PartTable]]) -> None:
        """Say where the tables of parts lie now."""
        with self._lock:
            for place, part in enumerate(self._kept):
                moved = {each.table_name: each for each in locations.get(part.id, ())}
                if part.owner == owner and moved:
                    tables = tuple(moved.get(each.table_name, each) for each in part.tables)
                    self._kept[place] = dataclasses.replace(part, tables=tables)


class MemoryResultStore(PartFiles):
    """Meets `ResultStore`; safe to use from several threads."""

    def __init__(self) -> None:
        super().__init__(MemorySegments(), MemoryParts())
        self.reader = ResultReader(self)
        """Reads tables, page by page."""


__all__ = ["MemoryParts", "MemoryResultStore"]
