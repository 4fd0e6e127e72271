"""What has changed in a catalog since somebody looked: ids only, found cheaply.

SQLite tells in microseconds whether anybody has committed anything (`PRAGMA data_version`). Only then narrow columns are read and compared
with what they were; no JSON is looked at, but for what users wrote on jobs, which leaves an event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, type_coerce
from sqlalchemy.types import Text

from starwhale.domain.status import Status, is_active
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import Driver
from starwhale.storage.catalog.schema import (
    attempts,
    bundles,
    events,
    jobs,
    parts,
    projects,
    steps,
    tags,
    tasks,
    versions,
)

Changed = tuple[str, str]
"""Kind and id: `job`, `results`, `dataset`, `model`, `runtime`, `project`."""
Stamps = dict[Changed, Any]  # Any: what is compared of each
_AT_WORK = [each.value for each in Status if is_active(each) or each is Status.CREATED]


@dataclass(slots=True)
class _Seen:
    """What was there when somebody looked last."""

    version: int = -1
    stamps: Stamps = field(default_factory=dict[Changed, Any])
    last_event: int = 0
    last_part: int = 0
    drivers: dict[str, tuple[Driver, bool]] = field(default_factory=dict[str, "tuple[Driver, bool]"])


class Changes:
    """One who looks for changes; safe to use from several threads. Whoever made it closes it."""

    def __init__(self, database: Database, is_living: Callable[[Driver], bool] = is_alive) -> None:
        self._database = database
        self._is_living = is_living
        self._lock = threading.Lock()
        self._versions = database.version_reader()
        self._seen: _Seen | None = None

    def poll(self) -> list[Changed]:
        """Return what has changed since the last call; nothing at the first one."""
        with self._lock:
            version = self._versions()
            if self._seen is None:
                self._seen = self._look()
                self._seen.version = version
                return []
            found: dict[Changed, None] = {}
            if version != self._seen.version:
                found.update(dict.fromkeys(self._compare(version)))
            found.update((("job", job_id), None) for job_id in self._died())
            return list(found)

    def close(self) -> None:
        """Close the connection that is kept."""
        self._versions.close()

    def _compare(self, version: int) -> Iterable[Changed]:
        before = self._seen or _Seen()
        now = self._look(before)
        now.version = version
        self._seen = now
        yield from (each for each, stamp in now.stamps.items() if before.stamps.get(each) != stamp)
        yield from (each for each in before.stamps if each not in now.stamps)
        with self._database.read() as connection:
            wrote = select(events.c.job_id).where(events.c.id > before.last_event, events.c.job_id.is_not(None))
            yield from (("job", row.job_id) for row in connection.execute(wrote.distinct()))
            rows = select(parts.c.owner).where(parts.c.id > before.last_part)
            yield from (("results", row.owner) for row in connection.execute(rows.distinct()))

    def _died(self) -> Iterable[str]:
        """Return the jobs whose driver has ended since the last look without writing anything down."""
        seen = self._seen or _Seen()
        for job_id, (driver, was_living) in seen.drivers.items():
            is_living = self._is_living(driver)
            if is_living != was_living:
                seen.drivers[job_id] = driver, is_living
                yield job_id

    def _look(self, before: _Seen | None = None) -> _Seen:
        with self._database.read() as connection:
            found = _Seen(
                last_event=connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one(),
                last_part=connection.execute(select(func.coalesce(func.max(parts.c.id), 0))).scalar_one(),
            )
            _stamp_jobs(connection, found)
            _stamp_work(connection, found)
            _stamp_versions(connection, found)
            for row in connection.execute(select(projects.c.name, projects.c.removed_at)):
                found.stamps["project", row.name] = row.removed_at
        known = {} if before is None else before.drivers
        for job_id, (driver, _) in list(found.drivers.items()):
            same = known.get(job_id)
            is_living = same[1] if same is not None and same[0] == driver else self._is_living(driver)
            found.drivers[job_id] = driver, is_living
        return found


def _stamp_jobs(connection: Connection, found: _Seen) -> None:
    plain = type_coerce(jobs.c.driver, Text)  # compared as text, not decoded
    query = select(jobs.c.id, jobs.c.status, jobs.c.finished_at, jobs.c.removed_at, plain.label("driver"))
    for row in connection.execute(query):
        found.stamps["job", row.id] = (row.status, row.finished_at, row.removed_at, row.driver)
    driven = select(jobs.c.id, jobs.c.driver).where(jobs.c.status.in_(_AT_WORK))
    for row in connection.execute(driven):
        if row.driver is not None:
            found.drivers[row.id] = Driver(**row.driver), True


def _stamp_work(connection: Connection, found: _Seen) -> None:
    """Add how steps and attempts stand of the jobs that somebody works on."""
    at_work = select(jobs.c.id).where(jobs.c.status.in_(_AT_WORK))
    lines: dict[str, list[tuple[Any, ...]]] = {}
    for row in connection.execute(
        select(steps.c.job_id, steps.c.position, steps.c.status).where(steps.c.job_id.in_(at_work))
    ):
        lines.setdefault(row.job_id, []).append((row.position, row.status))
    tries = select(tasks.c.job_id, attempts.c.task_id, attempts.c.number, attempts.c.status)
    tries = tries.join(tasks, attempts.c.task_id == tasks.c.id).where(tasks.c.job_id.in_(at_work))
    for row in connection.execute(tries):
        lines.setdefault(row.job_id, []).append((row.task_id, row.number, row.status))
    for job_id, stands in lines.items():
        found.stamps["job", job_id] = (*found.stamps["job", job_id], tuple(sorted(stands, key=repr)))


def _stamp_versions(connection: Connection, found: _Seen) -> None:
    names: dict[str, Changed] = {}
    named = select(bundles.c.id, bundles.c.kind, bundles.c.name, projects.c.name.label("project"))
    for row in connection.execute(named.join(projects, bundles.c.project_id == projects.c.id)):
        names[row.id] = row.kind, f"{row.project}/{row.name}"
    for row in connection.execute(select(versions.c.bundle_id, versions.c.version, versions.c.removed_at)):
        stamp = found.stamps.setdefault(names[row.bundle_id], set())
        stamp.add((row.version, row.removed_at))
    for row in connection.execute(select(tags.c.bundle_id, tags.c.tag, tags.c.version)):
        found.stamps.setdefault(names[row.bundle_id], set()).add((row.tag, row.version))
