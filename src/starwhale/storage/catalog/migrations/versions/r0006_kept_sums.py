"""Checksums of jobs, steps, tasks, attempts, queues and ranges, which triggers keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from starwhale.storage.catalog.kept_sums import COLUMNS, sum_up_all, triggers

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, the sums of what is there, and the triggers."""
    connection = op.get_bind()
    for table in COLUMNS:
        op.add_column(table, sa.Column("checksum", sa.String(16), nullable=False, server_default=""))
    for statement in (*sum_up_all(), *triggers()):
        connection.exec_driver_sql(statement)
