"""The local result store: parts in, pages out."""

from __future__ import annotations

from typing import Any

from starwhale.storage.layout import Layout
from starwhale.storage.tables.compact import compact_parts
from starwhale.storage.tables.part_files import PartFiles, describe_part
from starwhale.storage.tables.result_rows import ResultScope
from starwhale.storage.tables.results_read import ResultReader


class LocalResultStore(PartFiles):
    """Results of all owners below one root; safe to use from several threads and processes."""

    def __init__(self, layout: Layout, catalog: Any) -> None:  # Any: see PartFiles
        super().__init__(layout, catalog)
        self.reader = ResultReader(self)
        """Reads tables, page by page."""

    def compact(self, owner: str, step: str = "") -> int:
        """Merge the small final parts of an owner; with a step that has ended, remove what nothing refers to any more."""
        return compact_parts(self, owner, step)


__all__ = ["LocalResultStore", "ResultReader", "ResultScope", "describe_part"]
