"""Changes to rows that exist, or that sort before existing ones, while they wait in memory; written as one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from starwhale.storage.columns import arrays
from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.cells import Sink
from starwhale.storage.dataset_rows.fragments import HIDDEN_COLUMN
from starwhale.storage.dataset_rows.manifest import Fragment, Layer

Write = Callable[[Sequence[Any]], Fragment]
"""Writes batches as a fragment."""


@dataclass(slots=True)
class OverlayEntry:
    """What is said of one key."""

    is_below: bool
    """Whether a row with this key lies below the overlay."""
    is_killed: bool = False
    """Whether that row is gone."""
    patch: dict[str, Any] | None = None
    """Cells that replace older ones, None where a column is hidden; None where nothing was written after the deletion."""

    @property
    def is_visible(self) -> bool:
        """Whether a row with this key exists."""
        return self.patch is not None or (self.is_below and not self.is_killed)


@dataclass(slots=True)
class Overlay:
    """Entries by key."""

    entries: dict[Any, OverlayEntry] = field(default_factory=dict[Any, OverlayEntry])
    """What is said of each key."""
    weight: int = 0
    """Bytes that wait, about."""

    def patch(self, key: Any, row: dict[str, Any], *, is_below: bool, weight: int = 0) -> None:
        """Write cells of a row."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = OverlayEntry(is_below)
        entry.patch = {**(entry.patch or {}), **row}
        self.weight += weight

    def delete(self, key: Any, *, is_below: bool) -> None:
        """Delete a row."""
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = OverlayEntry(is_below)
        entry.is_killed, entry.patch = True, None

    def write(self, write: Write, sink: Sink) -> Layer | None:
        """Write everything as a layer; None when nothing remains to be said."""
        keys = sorted(self.entries)
        killed = [key for key in keys if self.entries[key].is_killed and self.entries[key].is_below]
        patched = [key for key in keys if self.entries[key].patch is not None]
        deletes = write([codec.encode_batch({}, keys=killed)]) if killed else None
        patch = write([self._encode(patched, sink)]) if patched else None
        return Layer(deletes=deletes, patch=patch) if killed or patched else None

    def _encode(self, keys: list[Any], sink: Sink) -> Any:
        names: dict[str, None] = {}
        hidden: list[list[str] | None] = []
        rows: list[dict[str, Any]] = []
        for key in keys:
            entry = self.entries[key]
            row = entry.patch or {}
            rows.append(row)
            names.update(dict.fromkeys(row))
            is_merged = entry.is_below and not entry.is_killed
            hidden.append([name for name, cell in row.items() if cell is None] or None if is_merged else None)
        columns = {name: [row.get(name) for row in rows] for name in names}
        batch = codec.encode_batch(columns, keys=keys, sink=sink)
        if not any(hidden):
            return batch
        field = pa.field(HIDDEN_COLUMN, pa.list_(pa.string()), metadata={codec.KIND: b"list<str>"})
        return batch.append_column(field, arrays.text_lists(hidden))


__all__ = ["Overlay", "OverlayEntry", "Write"]
