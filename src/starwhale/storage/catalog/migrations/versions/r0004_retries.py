"""How often rows were tried again after they had failed, and which parts came of that; free ranges are found in order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
BEFORE = ["job_id", "step", "queue", "state"]


def upgrade() -> None:
    """Add the columns; before them, nothing was tried again."""
    op.add_column("ranges", sa.Column("retries", sa.Integer, nullable=False, server_default="0"))
    op.add_column("parts", sa.Column("is_retry", sa.Boolean, nullable=False, server_default="0"))
    op.drop_index("ix_ranges_job_id_step_queue_state", "ranges")
    now = [*BEFORE, "crashes", "dataset_position", "start"]
    op.create_index("_".join(["ix_ranges", *now]), "ranges", now)
