"""Wishes: events by which one process tells the driver of a job, in another one, to stop it.

A wish is for the driver that lives when it is written. A driver takes those that were written after it took the job over; whoever wishes
looks for the end of the driver too, and writes the status down himself where there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, insert, select

from starwhale.domain.wish import Wish
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.schema import events

KIND = "wish"


class Wishes:
    """The wishes of one catalog."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, job_id: str, wish: Wish) -> None:
        """Write a wish down for the driver of a job."""
        row = {"job_id": job_id, "time": self._clock(), "kind": KIND, "detail": {"wish": wish.value}}
        with self._database.write() as connection:
            connection.execute(insert(events).values(**row))

    def last(self, job_id: str) -> int:
        """Return the number of the newest event of a job; 0 when it has none."""
        with self._database.read() as connection:
            newest = select(func.max(events.c.id)).where(events.c.job_id == job_id)
            return connection.execute(newest).scalar() or 0

    def after(self, job_id: str, last: int) -> list[Wish]:
        """Return the wishes that were written behind an event, the oldest first."""
        query = select(events.c.detail).where(events.c.job_id == job_id, events.c.id > last, events.c.kind == KIND)
        with self._database.read() as connection:
            return [Wish(detail["wish"]) for detail in connection.execute(query.order_by(events.c.id)).scalars()]
