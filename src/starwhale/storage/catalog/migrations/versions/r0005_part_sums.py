"""Checksums of parts and of where their tables lie."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from starwhale.storage.catalog.part_sums import FIELDS, TABLE_FIELDS, part_sum

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column, and the sums of what is there."""
    op.add_column("parts", sa.Column("checksum", sa.String(32), nullable=False, server_default=""))
    connection = op.get_bind()
    tables: defaultdict[int, list[Any]] = defaultdict(list)  # Any: what SQLAlchemy knows of a row
    query = f"SELECT part_id, {_quoted(TABLE_FIELDS)} FROM part_tables"  # noqa: S608 - names of ours
    for row in connection.execute(sa.text(query)).mappings():
        tables[row["part_id"]].append(row)
    query = f"SELECT id, created_at, {_quoted(FIELDS)} FROM parts"  # noqa: S608 - names of ours
    change = sa.text("UPDATE parts SET checksum = :checksum WHERE id = :id")
    for row in connection.execute(sa.text(query)).mappings().all():
        connection.execute(change, {"checksum": part_sum(row, tables[row["id"]]), "id": row["id"]})


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
