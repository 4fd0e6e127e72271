"""Events: what happened, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import insert, select

from starwhale.domain.json_shape import JsonView
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import EventRecord
from starwhale.storage.catalog.schema import events


class Events:
    """The events of one catalog."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, kind: str, detail: JsonView, *, job_id: str | None = None) -> None:
        """Write an event down."""
        with self._database.write() as connection:
            connection.execute(insert(events).values(job_id=job_id, time=self._clock(), kind=kind, detail=dict(detail)))

    def list(self, job_id: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[EventRecord]:
        """Return events, the oldest first: those of a job, or all."""
        query = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
        if job_id is not None:
            query = query.where(events.c.job_id == job_id)
        with self._database.read() as connection:
            return [
                EventRecord(id=row.id, job_id=row.job_id, time=row.time, kind=row.kind, detail=row.detail)
                for row in connection.execute(query)
            ]
