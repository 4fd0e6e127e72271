"""Find the newest version of a name: what every opening asks first, in one query and without SQLAlchemy (docs/decisions/0003).

SQLAlchemy takes 0.15 s of CPU to import, more than most programs need to read their dataset, and each of its queries as much as this one.
Whatever is asked more rarely goes through it. A test holds the answers beside those of `Bundles.find` and `Versions.newest`.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.records import BundleRecord, VersionRecord
from starwhale.storage.catalog.row_sums import check_tag, check_version, version_record

# Each column is given its name: one flipped bit in a schema makes another letter of it, or the same in another case, which SQL takes for the same.
_OF_VERSION = (
    "version", "sequence", "auto_tag", "created_at", "message", "size_bytes", "row_count", "content_digest", "manifest", "removed_at",
    "checksum",
)  # fmt: skip
_QUERY = f"""
SELECT projects.name AS project, projects.removed_at AS project_removed_at,
       bundles.id AS bundle_id, bundles.kind AS kind, bundles.name AS name, bundles.created_at AS bundle_created_at,
       {", ".join(f"versions.{name} AS {name}" for name in _OF_VERSION)}
FROM projects
LEFT JOIN bundles ON bundles.project_id = projects.id AND bundles.kind = ? AND bundles.name_folded = ?
LEFT JOIN versions ON versions.version = (
    SELECT newest.version FROM versions AS newest
    WHERE newest.bundle_id = bundles.id AND newest.removed_at IS NULL ORDER BY newest.sequence DESC LIMIT 1)
WHERE projects.name_folded = ?
"""  # noqa: S608  made of the names above
_TAGS = (
    "SELECT bundle_id AS bundle_id, tag AS tag, version AS version, checksum AS checksum FROM tags WHERE version = ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """What a name means."""

    has_project: bool
    """Whether its project is there, and was not removed."""
    bundle: BundleRecord | None = None
    """What has that name, or None."""
    version: VersionRecord | None = None
    """Its newest version that was not removed, or None."""


def find_newest(database: Database, project: str, kind: str, name: str) -> Newest:
    """Return what a name in any case means.

    Args:
        database: The catalog.
        project: Name of the project, in any case.
        kind: `dataset`, `model` or `runtime`.
        name: The name.

    Raises:
        CorruptedError: A row differs from its checksum, or a table from its indexes.
    """
    given = kind, name.casefold(), project.casefold()
    return database.ask(given, lambda connection: _find(connection, given))


def _find(connection: sqlite3.Connection, given: tuple[str, ...]) -> Newest:
    found = connection.execute(_QUERY, given).fetchone()
    if found is None or found["project_removed_at"] is not None:
        return Newest(has_project=False)
    row: Any = SimpleNamespace(**found)  # Any: a row with what the query names
    if row.bundle_id is None:
        return Newest(has_project=True)
    bundle = BundleRecord(
        id=row.bundle_id, project=row.project, kind=row.kind, name=row.name, created_at=row.bundle_created_at
    )
    if row.version is None:
        return Newest(has_project=True, bundle=bundle)
    tags = [SimpleNamespace(**each) for each in connection.execute(_TAGS, (row.version,))]
    for tag in tags:
        check_tag(connection, tag)
    row.manifest = json.loads(row.manifest)
    check_version(connection, row)
    return Newest(has_project=True, bundle=bundle, version=version_record(row, [tag.tag for tag in tags]))


__all__ = ["Newest", "find_newest"]
