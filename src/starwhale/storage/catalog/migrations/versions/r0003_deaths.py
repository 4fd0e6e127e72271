"""How many workers died on a range alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; before it, nobody has counted."""
    op.add_column("ranges", sa.Column("deaths", sa.Integer, nullable=False, server_default="0"))
