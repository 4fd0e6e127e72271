"""The local result store: parts in, pages out."""

from __future__ import annotations

import logging
from typing import Any

from starwhale.errors import CorruptedError, NoSpaceError
from starwhale.storage.layout import Layout
from starwhale.storage.part import PartRecord
from starwhale.storage.protocols import ERRORS, Key
from starwhale.storage.result_parts.compact import compact_parts
from starwhale.storage.result_parts.part_files import LocalPartFiles, describe_part
from starwhale.storage.result_parts.part_pieces import describe_pieces
from starwhale.storage.result_parts.result_rows import ResultScope
from starwhale.storage.result_parts.results_read import ResultReader

logger = logging.getLogger(__name__)


class LocalResultStore(LocalPartFiles):
    """Results of all owners below one root; safe to use from several threads and processes."""

    def __init__(self, layout: Layout, catalog: Any) -> None:  # Any: see LocalPartFiles
        super().__init__(layout, catalog)
        self.reader = ResultReader(self)
        """Reads tables, page by page."""

    def failed_keys(self, owner: str, part: PartRecord) -> list[Key]:
        """Return the keys of the rows that failed in a part.

        Raises:
            CorruptedError: What is kept of them cannot be read.
        """
        from starwhale.storage.columns.encode import decode_batch

        tables = (each for each in part.tables if each.table_name == ERRORS)
        return [key for each in tables for key in decode_batch(self.batch(owner, each))["_index"]]

    def compact(self, owner: str, step: str = "") -> int:
        """Merge the small final parts of an owner, of one step when it has ended; see `compact_parts`.

        Compaction only saves space and time: what keeps it from being done is logged, and everything stays readable as it is.
        """
        try:
            return compact_parts(self, owner, step)
        except (CorruptedError, NoSpaceError, OSError) as error:
            logger.warning("owner=%s: the results were not compacted: %s", owner, error)
            return 0


__all__ = ["LocalResultStore", "ResultReader", "ResultScope", "describe_part", "describe_pieces"]
