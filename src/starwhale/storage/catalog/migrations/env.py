"""What Alembic runs for `apply.prepare`: the scripts, inside the transaction of the connection that it is given."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
