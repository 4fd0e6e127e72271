"""Checksums of versions and tags."""

from __future__ import annotations

import json
from types import SimpleNamespace

import sqlalchemy as sa
from alembic import op

from starwhale.storage.catalog.row_sums import sum_of, version_sum

revision = "0002"
down_revision = "0001"

VERSIONS = """
SELECT versions.*, bundles.kind, bundles.name, projects.name AS project
FROM versions JOIN bundles ON versions.bundle_id = bundles.id JOIN projects ON bundles.project_id = projects.id
"""


def upgrade() -> None:
    """Add the columns, and the sums of what is there."""
    for table in ("versions", "tags"):
        op.add_column(table, sa.Column("checksum", sa.String(32), nullable=False, server_default=""))
    op.create_index("ix_tags_version", "tags", ["version"])  # with it, a tag that points elsewhere shows too
    connection = op.get_bind()
    for row in connection.execute(sa.text(VERSIONS)).mappings().all():
        facts = SimpleNamespace(**{**row, "manifest": json.loads(row["manifest"])})
        change = sa.text("UPDATE versions SET checksum = :checksum WHERE version = :version")
        connection.execute(change, {"checksum": version_sum(facts), "version": facts.version})
    for row in connection.execute(sa.text("SELECT bundle_id, tag, version FROM tags")).all():
        change = sa.text("UPDATE tags SET checksum = :checksum WHERE bundle_id = :bundle AND tag = :tag")
        connection.execute(change, {"checksum": sum_of(*row), "bundle": row.bundle_id, "tag": row.tag})
