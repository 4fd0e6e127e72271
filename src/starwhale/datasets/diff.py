"""What differs between two versions: rows by key, columns and their kinds, and on demand the cells that changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starwhale.datasets.compare import RowChange, compare_rows
from starwhale.errors import UsageError
from starwhale.media.artifact import BaseArtifact
from starwhale.media.value import MediaValue
from starwhale.storage.columns.files import digest_of
from starwhale.storage.dataset_rows.row_digests import content_of, pack_cell
from starwhale.storage.protocols import DatasetReader, Key, Value

LIMIT = 20
"""Keys and rows that are listed when nobody says how many."""
SHOWN_CHARACTERS = 200
"""Characters of a text that is shown."""
_JSON = (bool, int, float, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """One cell that differs."""

    column: str
    """Feature name."""
    old: Any
    """What stood there, as JSON: media by type, size and digest, long texts cut; None where nothing did."""
    new: Any
    """What stands there now, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    """A row that both versions have, with different content."""

    key: Key
    """Its key."""
    cells: tuple[CellChange, ...]
    """Its cells that differ, by column."""


@dataclass(slots=True, kw_only=True)
class DatasetDiff:
    """What makes the second version of the first; counts are whole, lists are cut."""

    base: str = ""
    """URI of the first version."""
    compare: str = ""
    """URI of the second version."""
    base_rows: int = 0
    """Rows of the first."""
    compare_rows: int = 0
    """Rows of the second."""
    added: int = 0
    """Rows that only the second has."""
    removed: int = 0
    """Rows that only the first has."""
    changed: int = 0
    """Rows that both have, with different content."""
    added_keys: list[Key] = field(default_factory=list[Key])
    """Keys of the first few added rows."""
    removed_keys: list[Key] = field(default_factory=list[Key])
    """Keys of the first few removed rows."""
    changed_keys: list[Key] = field(default_factory=list[Key])
    """Keys of the first few changed rows."""
    added_columns: dict[str, str] = field(default_factory=dict[str, str])
    """Column → kind, of those that only the second has."""
    removed_columns: dict[str, str] = field(default_factory=dict[str, str])
    """Column → kind, of those that only the first has."""
    changed_columns: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Column → kind in the first and in the second, where they differ."""
    changed_cells: Counter[str] = field(default_factory=Counter[str])
    """Column → cells that differ, in rows that both have."""
    details: list[ChangedRow] | None = None
    """The first few changed rows with their cells; None when nobody asked."""
    info_changed: bool = False
    """Whether what is kept beside the rows differs."""

    @property
    def is_same(self) -> bool:
        """Whether both hold the same rows and info."""
        return not (self.added or self.removed or self.changed or self.info_changed)

    @property
    def unchanged(self) -> int:
        """Rows that both have, with the same content."""
        return self.base_rows - self.removed - self.changed

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        kinds = {name: list(pair) for name, pair in self.changed_columns.items()}
        shown: dict[str, Any] = {
            "base": {"uri": self.base, "rows": self.base_rows},
            "compare": {"uri": self.compare, "rows": self.compare_rows},
            "same": self.is_same,
            "rows": {
                "added": {"count": self.added, "keys": self.added_keys},
                "removed": {"count": self.removed, "keys": self.removed_keys},
                "changed": {"count": self.changed, "keys": self.changed_keys},
                "unchanged": {"count": self.unchanged},
            },
            "columns": {
                "added": self.added_columns,
                "removed": self.removed_columns,
                "kind_changed": kinds,
                "changed_cells": dict(self.changed_cells),
            },
            "info_changed": self.info_changed,
        }
        if self.details is not None:
            shown["details"] = [
                {
                    "key": row.key,
                    "cells": {each.column: {"old": each.old, "new": each.new} for each in row.cells},
                }
                for row in self.details
            ]
        return shown


def diff_versions(
    before: DatasetReader, after: DatasetReader, *, show_details: bool = False, limit: int = LIMIT
) -> DatasetDiff:
    """Compare two versions, of one dataset or of two; what both share is not read, and memory stays bounded.

    Args:
        before: The first version.
        after: The second version.
        show_details: List the changed cells too.
        limit: Keys per list and rows with details, at most.

    Raises:
        UsageError: The limit is below 0.
    """
    if limit < 0:
        raise UsageError(f"limit is {limit}", hint="use at least 0")
    found = DatasetDiff(
        base_rows=before.row_count,
        compare_rows=after.row_count,
        info_changed=pack_cell(dict(before.info)) != pack_cell(dict(after.info)),
        details=[] if show_details else None,
    )
    _compare_columns(found, before.columns, after.columns)
    for change in compare_rows(before, after):
        _count(found, change, limit)
    return found


def _compare_columns(found: DatasetDiff, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name, kind in before.items():
        if name not in after:
            found.removed_columns[name] = kind
        elif after[name] != kind:
            found.changed_columns[name] = kind, after[name]
    found.added_columns.update({name: kind for name, kind in after.items() if name not in before})


def _count(found: DatasetDiff, change: RowChange, limit: int) -> None:
    if change.before is None:
        found.added += 1
        _list(found.added_keys, change.key, limit)
        return
    if change.after is None:
        found.removed += 1
        _list(found.removed_keys, change.key, limit)
        return
    found.changed += 1
    _list(found.changed_keys, change.key, limit)
    old, new = change.before.features, change.after.features
    names = [name for name in dict.fromkeys([*old, *new]) if not is_same_cell(old.get(name), new.get(name))]
    found.changed_cells.update(names)
    if found.details is not None and len(found.details) < limit:
        cells = tuple(
            CellChange(column=name, old=show_cell(old.get(name)), new=show_cell(new.get(name))) for name in names
        )
        found.details.append(ChangedRow(key=change.key, cells=cells))


def _list(keys: list[Key], key: Key, limit: int) -> None:
    if len(keys) < limit:
        keys.append(key)


def is_same_cell(old: Value, new: Value) -> bool:
    """Whether two cells have the same type and content; NaN is the same as NaN, 1 is not the same as 1.0."""
    if old is None or new is None:
        return old is new
    return type(old) is type(new) and pack_cell(old) == pack_cell(new)


def show_cell(value: Value) -> Any:
    """Turn a cell into JSON of bounded length: media by type, size and digest."""
    if value is None or isinstance(value, _JSON):
        return _show_plain(value)
    if isinstance(value, BaseArtifact):
        shown = {"type": type(value).__name__, "mime_type": value.mime_type.value, "name": value.display_name}
        if value.carried_source is None:
            return {**shown, "link": value.link.uri if value.link else ""}
        digest, size = content_of(value)
        return {**shown, "size": size, "digest": digest.hex()}
    if isinstance(value, bytes):
        return {"type": "bytes", "size": len(value), "digest": digest_of(value)}
    if isinstance(value, MediaValue):
        return _cut({"type": type(value).__name__, **value.asdict(["_type"])})
    return _cut(value)


def _show_plain(value: Value) -> Any:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"{value[:SHOWN_CHARACTERS]}… ({len(value)} characters)"
    # JSON has no NaN, and the text "nan" would look like one that stands there.
    return {"type": "float", "value": str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _cut(value: object) -> Any:
    """Show a list, dict or another value as it is while it is short, else the beginning of its text."""
    text = repr(value)
    if len(text) > SHOWN_CHARACTERS:
        return f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"
    return value if _is_json(value) else text


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(name) is str and _is_json(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or (isinstance(value, _JSON) and not (isinstance(value, float) and not math.isfinite(value)))


__all__ = ["CellChange", "ChangedRow", "DatasetDiff", "diff_versions", "is_same_cell", "show_cell"]
