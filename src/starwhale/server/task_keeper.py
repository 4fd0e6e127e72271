"""Tokens of tasks at the door: they open the addresses of tasks and nothing else, and the route there looks at whose they are."""

from __future__ import annotations

from starwhale.execution.network.launch import TOKEN_PREFIX
from starwhale.server.door import Visitor

TASK = Visitor(name="a task", reach=("/api/v1/tasks/",))
"""May ask for its attempt, which the route compares: one look into the catalog for each request is enough."""


class TaskKeeper:
    """Knows tokens of tasks by how they begin."""

    def visitor(self, token: str) -> Visitor | None:
        """Return who may ask the addresses of tasks; None for another kind of token."""
        return TASK if token.startswith(TOKEN_PREFIX) else None
