"""Many rows at once: what importers of columns yield in place of single rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.datasets.importers.place import Row


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows with the same features, column by column."""

    keys: Sequence[int | str]
    """Keys of the rows, all int or all str."""
    columns: Mapping[str, Sequence[Any]]  # Any: cells, or an Arrow array
    """Feature name → one value per row, or an Arrow array; as long as `keys`. None where a row has no such feature."""

    def __len__(self) -> int:
        return len(self.keys)


Chunk = Row | RowBlock
"""What an importer yields: one row, or many."""
