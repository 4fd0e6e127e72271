"""Checksums of the catalog's rows about versions and tags: SQLite returns a flipped byte as it finds it.

A sum covers what the row says; `PRAGMA integrity_check` of the tables, once per opened catalog, covers what SQLite knows: that no row and
no entry of an index is lost. Revision 0002 computes the same sums: whoever changes them here writes a new revision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from starwhale.errors import CorruptedError

if TYPE_CHECKING:
    from sqlalchemy import Connection

SUMMED = ("versions", "tags", "bundles", "projects")
"""Tables whose rows and indexes decide which version is read."""
HINT = "restore it from a copy; `swcli check` says more, and `sqlite3 catalog.db .recover` shows what is still readable"


def sum_of(*facts: object) -> str:
    """Return the checksum of what a row says."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=repr)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def version_sum(row: Any) -> str:  # Any: a row with the columns of `query_versions`
    """Return the checksum of a version: what it is of, and everything that its row says."""
    return sum_of(
        row.project, row.kind, row.name, row.version, row.bundle_id, row.sequence, row.auto_tag, row.created_at.hex(),
        row.message, row.size_bytes, row.row_count, row.content_digest, row.manifest,
        row.removed_at if row.removed_at is None else row.removed_at.hex(),
    )  # fmt: skip


def check_sum(connection: Connection, found: str, expected: str, what: str) -> None:
    """Compare the checksum that a row has with what it should be.

    Raises:
        CorruptedError: They differ.
    """
    if found != expected:
        raise damaged(connection, f"its row of {what} differs from its checksum")


def check_tables(connection: Connection, tables: Sequence[str] = SUMMED) -> None:
    """Let SQLite compare tables with their indexes, mostly those of versions.

    Raises:
        CorruptedError: Something is missing or out of order.
    """
    for table in tables:
        found = connection.exec_driver_sql(f"PRAGMA integrity_check({table})").scalars().all()
        if found != ["ok"]:
            raise damaged(connection, "; ".join(str(each) for each in found[:3]))


def damaged(connection: Connection, reason: str) -> CorruptedError:
    """Describe damage of the catalog."""
    path = str(connection.engine.url.database)
    return CorruptedError(f"the catalog {path} is damaged: {reason}", path=path, hint=HINT)


__all__ = ["HINT", "check_sum", "check_tables", "damaged", "sum_of", "version_sum"]
