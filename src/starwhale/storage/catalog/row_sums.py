"""Checksums of the catalog's rows about versions and tags: SQLite returns a flipped byte as it finds it.

A sum covers what the row says; `PRAGMA integrity_check` of the tables, once per opened catalog, covers what SQLite knows: that no row and
no entry of an index is lost. Revision 0002 computes the same sums: whoever changes them here writes a new revision.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from starwhale.domain.version import is_reserved_tag
from starwhale.errors import CorruptedError
from starwhale.storage.catalog.records import VersionRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

    Connected = Connection | sqlite3.Connection

SUMMED = ("versions", "tags", "bundles", "projects")
"""Tables whose rows and indexes decide which version is read."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr)
HINT = "restore it from a copy; `sqlite3 catalog.db .recover` shows what is still readable"


def sum_of(*facts: object) -> str:
    """Return the checksum of what a row says."""
    text = _ENCODER.encode(facts)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def version_sum(row: Any) -> str:  # Any: a row with the columns of `query_versions`
    """Return the checksum of a version: what it is of, and everything that its row says."""
    return sum_of(
        row.project, row.kind, row.name, row.version, row.bundle_id, row.sequence, row.auto_tag, row.created_at.hex(),
        row.message, row.size_bytes, row.row_count, row.content_digest, row.manifest,
        row.removed_at if row.removed_at is None else row.removed_at.hex(),
    )  # fmt: skip


def check_version(connection: Connected, row: Any) -> None:  # Any: as above
    """Compare a version with its checksum; same errors as `check_sum`."""
    check_sum(connection, row.checksum, version_sum(row), f"{row.kind} {row.name!r} version {row.version!r}")


def check_tag(connection: Connected, row: Any) -> None:  # Any: a row of `tags`
    """Compare a tag with its checksum; same errors as `check_sum`."""
    check_sum(connection, row.checksum, sum_of(row.bundle_id, row.tag, row.version), f"the tag {row.tag!r}")


def version_record(row: Any, tags: Iterable[str]) -> VersionRecord:  # Any: as above
    """Make a value of a version's row and its tags."""
    return VersionRecord(
        version=row.version,
        bundle_id=row.bundle_id,
        project=row.project,
        kind=row.kind,
        name=row.name,
        sequence=row.sequence,
        created_at=row.created_at,
        message=row.message,
        size_bytes=row.size_bytes,
        row_count=row.row_count,
        content_digest=row.content_digest,
        manifest=row.manifest,
        is_removed=row.removed_at is not None,
        tags=tuple(sorted(tags, key=lambda tag: (is_reserved_tag(tag), tag))),
    )


def check_sum(connection: Connected, found: str, expected: str, what: str) -> None:
    """Compare the checksum that a row has with what it should be.

    Raises:
        CorruptedError: They differ.
    """
    if found != expected:
        raise damaged(connection, f"its row of {what} differs from its checksum")


def check_tables(connection: Connected, tables: Sequence[str] = SUMMED) -> None:
    """Let SQLite compare tables with their indexes, mostly those of versions.

    Raises:
        CorruptedError: Something is missing or out of order.
    """
    for table in tables:
        found = _ask(connection, f"PRAGMA integrity_check({table})")
        if found != ["ok"]:
            raise damaged(connection, "; ".join(str(each) for each in found[:3]))


def damaged(connection: Connected, reason: str) -> CorruptedError:
    """Describe damage of the catalog."""
    path = (
        str(connection.execute("PRAGMA database_list").fetchone()[2])
        if isinstance(connection, sqlite3.Connection)
        else str(connection.engine.url.database)
    )
    return CorruptedError(f"the catalog {path} is damaged: {reason}", path=path, hint=HINT)


def _ask(connection: Connected, query: str) -> list[Any]:  # Any: the first column of what SQLite answers
    if isinstance(connection, sqlite3.Connection):
        return [row[0] for row in connection.execute(query)]
    return list(connection.exec_driver_sql(query).scalars())


__all__ = [
    "HINT",
    "check_sum",
    "check_tables",
    "check_tag",
    "check_version",
    "damaged",
    "sum_of",
    "version_record",
    "version_sum",
]
