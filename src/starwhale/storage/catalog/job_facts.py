"""What a list of many jobs shows of each: a few columns of thousands of jobs at once, without making whole records of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from starwhale.domain.ledger import RangeState
from starwhale.domain.status import Status, is_active
from starwhale.domain.wanted_metrics import FIGURES
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import Driver
from starwhale.storage.catalog.schema import jobs, part_tables, parts, projects, queues, ranges

TAGS, NOTE = "tags", "note"
"""Where the record of a job holds what the user wrote on it."""
_CHUNK = 500
"""Ids of a query, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """A job as a list of jobs shows it."""

    id: str
    """40 characters."""
    name: str
    """Name that the user gave, or empty."""
    project: str
    """Its project."""
    status: str
    """Where it stands; `interrupted` when its driver is gone."""
    handler: str
    """Full name of the handler."""
    model: str
    """The packaged model with its version, or the name of the work directory."""
    datasets: tuple[str, ...]
    """`<name>@<12 characters of the version>`."""
    executor: str
    """What runs its tasks."""
    created_at: float
    """Seconds since the epoch."""
    finished_at: float | None
    """Seconds since the epoch, or None."""
    done: int
    """Rows that were tried, of all steps together."""
    failed: int
    """Rows that failed, of those."""
    rows: int
    """Rows in all."""
    tags: tuple[str, ...]
    """The user's tags."""
    note: str
    """What the user wrote about it."""
    error: str
    """Why it failed, in a line."""
    is_removed: bool
    """Whether it was removed."""
    driver: Driver | None
    """The process that runs it, or None."""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    """Its figures over all rows, by metric; those of each label and slice stay out."""
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: values of users
    """What it logged as its summary."""

    @property
    def duration(self) -> float | None:
        """Seconds from its start to its end; None before that."""
        return None if self.finished_at is None else self.finished_at - self.created_at


class JobFactsRows:
    """Reads them from one catalog."""

    def __init__(self, database: Database, is_living: Callable[[Driver], bool] = is_alive) -> None:
        self._database = database
        self._is_living = is_living

    def read(self, ids: Sequence[str] | None = None) -> list[JobFacts]:
        """Return the facts of some jobs, or of all, without their summaries; jobs of removed projects are left out."""
        with self._database.read() as connection:
            if ids is None:
                return self._read(connection, None)
            return [row for at in range(0, len(ids), _CHUNK) for row in self._read(connection, ids[at : at + _CHUNK])]

    def summaries(self, ids: Sequence[str] | None = None) -> dict[str, int]:
        """Return the jobs that have a summary, of some or of all, with the number of the last commit that wrote to it."""
        query = select(parts.c.owner, func.max(parts.c.id).label("last")).join(
            part_tables, part_tables.c.part_id == parts.c.id
        )
        query = query.where(part_tables.c.table_name == "summary", parts.c.visible.is_(True)).group_by(parts.c.owner)
        with self._database.read() as connection:
            if ids is None:
                return {row.owner: row.last for row in connection.execute(query)}
            found: dict[str, int] = {}
            for at in range(0, len(ids), _CHUNK):
                some = query.where(parts.c.owner.in_(ids[at : at + _CHUNK]))
                found.update({row.owner: row.last for row in connection.execute(some)})
            return found

    def _read(self, connection: Connection, ids: Sequence[str] | None) -> list[JobFacts]:
        self._database.check_jobs(connection)
        chosen = (
            jobs.c.id, jobs.c.name, jobs.c.handler, jobs.c.status, jobs.c.request, jobs.c.datasets, jobs.c.driver, jobs.c.created_at,
            jobs.c.finished_at, jobs.c.error, jobs.c.removed_at, projects.c.name.label("project"),
            jobs.c.record[TAGS].label("tags"), jobs.c.record[NOTE].label("note"), jobs.c.record[FIGURES, FIGURES].label("figures"),
        )  # fmt: skip
        query = (
            select(*chosen).join(projects, jobs.c.project_id == projects.c.id).where(projects.c.removed_at.is_(None))
        )
        query = query if ids is None else query.where(jobs.c.id.in_(ids))
        counted = _progress(connection, ids)
        return [self._facts(row, counted.get(row.id, (0, 0, 0))) for row in connection.execute(query)]

    def _facts(self, row: Any, counted: tuple[int, int, int]) -> JobFacts:  # Any: a row of the query
        status = Status(row.status)
        driver = None if row.driver is None else Driver(**row.driver)
        if driver is not None and (is_active(status) or status is Status.CREATED) and not self._is_living(driver):
            status = Status.INTERRUPTED
        request: Mapping[str, Any] = row.request  # Any: JSON
        done, failed, total = counted
        return JobFacts(
            id=row.id,
            name=row.name,
            project=row.project,
            status=status.value,
            handler=row.handler,
            model=_model(request),
            datasets=tuple(f"{each['name']}@{each['version'][:12]}" for each in row.datasets),
            executor=str(request.get("executor", "")),
            created_at=row.created_at,
            finished_at=row.finished_at,
            done=done,
            failed=failed,
            rows=total,
            tags=tuple(row.tags or ()),
            note=row.note or "",
            error="" if row.error is None else str(row.error.get("message", "")),
            is_removed=row.removed_at is not None,
            driver=driver,
            figures=_figures(row.figures or ()),
        )


def _figures(told: Sequence[Mapping[str, Any]]) -> dict[str, float]:  # Any: JSON
    whole = [each for each in told if not each["slice"]]
    labels = Counter(each["metric"] for each in whole)
    return {
        each["metric"]: each["value"] for each in whole if labels[each["metric"]] == 1 and each["value"] is not None
    }


def _model(request: Mapping[str, Any]) -> str:  # Any: JSON
    name, version = str(request.get("model_name", "")), str(request.get("model_version", ""))
    return f"{name}@{version[:12]}" if version else name


def _progress(connection: Connection, ids: Sequence[str] | None) -> dict[str, tuple[int, int, int]]:
    """Return rows done, failed and in all per job."""
    done = select(
        ranges.c.job_id, func.sum(ranges.c.rows_done).label("done"), func.sum(ranges.c.rows_failed).label("failed")
    )
    done = done.where(ranges.c.state == RangeState.DONE).group_by(ranges.c.job_id)
    total = select(queues.c.job_id, func.sum(queues.c.total).label("total")).group_by(queues.c.job_id)
    if ids is not None:
        done, total = done.where(ranges.c.job_id.in_(ids)), total.where(queues.c.job_id.in_(ids))
    tried = {row.job_id: (row.done or 0, row.failed or 0) for row in connection.execute(done)}
    return {row.job_id: (*tried.get(row.job_id, (0, 0)), row.total or 0) for row in connection.execute(total)}
