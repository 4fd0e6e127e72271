"""Who may act for an attempt of a task from another machine, and what is known of it there: tokens, requests that were answered, its end.

A row is made when the attempt is handed to a worker, and goes when it has ended; with it goes the right. Only a digest of the token is kept. What
a request has changed and its answer are written in one transaction, so that the same request again is answered and does nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from starwhale.domain.job import TaskUpdate
from starwhale.domain.status import Status
from starwhale.errors import ExecutionError
from starwhale.storage.catalog.schema import attempts, jobs, task_access
from starwhale.storage.part import RangeLease, RequestMark

if TYPE_CHECKING:
    from starwhale.storage.catalog.engine import Database

_ACTIVE = [Status.CREATED.value, Status.QUEUED.value, Status.RUNNING.value, Status.CANCELLING.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAccess:
    """The right of a worker elsewhere to act for one attempt."""

    job_id: str
    """Job of the task."""
    task_id: str
    """The task."""
    attempt: int
    """Its try."""
    tasks: int
    """Tasks of its step."""
    lease_s: float
    """How long its leases last unless they are renewed."""
    wants_stop: bool = False
    """Whether it is to stop at its next batch boundary."""


class TaskAccess:
    """The rights of all attempts of one catalog."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def grant(self, access: AttemptAccess, token_digest: str) -> None:
        """Let whoever has a token act for an attempt; what is left of attempts of the task that have ended is forgotten."""
        now = self._clock()
        values = {"job_id": access.job_id, "task_id": access.task_id, "attempt": access.attempt, "tasks": access.tasks}
        values |= {"lease_s": access.lease_s, "token_digest": token_digest, "created_at": now, "renewed_at": now}
        with self._database.write() as connection:
            over = select(attempts.c.number).where(
                attempts.c.task_id == access.task_id, attempts.c.status != Status.RUNNING.value
            )
            own = task_access.c.attempt == access.attempt, task_access.c.attempt.in_(over)
            connection.execute(delete(task_access).where(task_access.c.task_id == access.task_id, or_(*own)))
            connection.execute(insert(task_access).values(**values))

    def find(self, token_digest: str) -> AttemptAccess | None:
        """Return the right that a token gives; None where it gives none, or none any more: the attempt or the job has ended."""
        runs = and_(attempts.c.task_id == task_access.c.task_id, attempts.c.number == task_access.c.attempt)
        query = select(task_access, attempts.c.status.label("attempt_status"), jobs.c.status.label("job_status"))
        query = query.join(jobs, jobs.c.id == task_access.c.job_id).outerjoin(attempts, runs)
        with self._database.read() as connection:
            row = connection.execute(query.where(task_access.c.token_digest == token_digest)).first()
        if row is None or row.attempt_status not in {None, Status.RUNNING.value} or row.job_status not in _ACTIVE:
            return None
        return AttemptAccess(
            job_id=row.job_id,
            task_id=row.task_id,
            attempt=row.attempt,
            tasks=row.tasks,
            lease_s=row.lease_s,
            wants_stop=row.wants_stop,
        )

    def seen(self, task_id: str, attempt: int) -> None:
        """Write down that the worker of an attempt lives."""
        self._set(task_id, attempt, renewed_at=self._clock())

    def ask_to_stop(self, task_id: str, attempt: int) -> None:
        """Have an attempt stop at its next batch boundary."""
        self._set(task_id, attempt, wants_stop=True)

    def end(self, end: TaskUpdate) -> None:
        """Keep what a worker says of how its attempt ended, for the driver of the job; the first word counts."""
        own = and_(_own(end.task_id, end.attempt), task_access.c.ended.is_(None))
        with self._database.write() as connection:
            connection.execute(update(task_access).where(own).values(ended=end.to_json()))

    def ended(self, job_id: str) -> list[TaskUpdate]:
        """Return how attempts of a job have ended by the word of their workers."""
        query = select(task_access.c.ended).where(task_access.c.job_id == job_id, task_access.c.ended.is_not(None))
        with self._database.read() as connection:
            return [TaskUpdate.from_json(each) for each in connection.execute(query).scalars()]

    def silent(self, job_id: str) -> Mapping[tuple[str, int], float]:
        """Return attempts of a job whose worker has not been heard of for longer than its leases last, with the seconds."""
        query = select(task_access).where(task_access.c.job_id == job_id, task_access.c.ended.is_(None))
        now = self._clock()
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found = {(row.task_id, row.attempt): (now - row.renewed_at, row.lease_s) for row in rows}
        return {name: quiet_s for name, (quiet_s, lease_s) in found.items() if quiet_s > lease_s}

    def revoke(self, task_id: str, attempt: int) -> None:
        """End the right of an attempt, with everything that is known of it here."""
        with self._database.write() as connection:
            connection.execute(delete(task_access).where(_own(task_id, attempt)))

    def revoke_all(self, job_id: str) -> None:
        """End the rights of all attempts of a job, for a new driver takes over: what an earlier one started may lease nothing any more."""
        with self._database.write() as connection:
            connection.execute(delete(task_access).where(task_access.c.job_id == job_id))

    def once(self, task_id: str, attempt: int, mark: RequestMark, stage: str = "") -> Once:
        """Return what remembers the answer of a request.

        Args:
            task_id: Task that asks.
            attempt: Its try.
            mark: Which request it is.
            stage: Tells apart what one request does in several transactions.
        """
        return Once(self._database, (task_id, attempt), mark, stage)

    def _set(self, task_id: str, attempt: int, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(update(task_access).where(_own(task_id, attempt)).values(**values))


class Once:
    """Remembers what one request of an attempt was answered, in the transaction that did what it asks for."""

    def __init__(self, database: Database, attempt: tuple[str, int], mark: RequestMark, stage: str) -> None:
        self._database = database
        self._own = _own(*attempt)
        self._attempt = attempt
        self._mark = mark
        self._stage = stage

    def known(self) -> list[RangeLease] | None:
        """Return the answer that was given before, in a transaction of its own; None where the request is new."""
        with self._database.read() as connection:
            return self.earlier(connection)

    def earlier(self, connection: Connection) -> list[RangeLease] | None:
        """Return the answer that was given before; None where the request is new.

        Raises:
            ExecutionError: The answer has arrived, and nobody waits for another; or the attempt has ended.
        """
        row = connection.execute(select(task_access.c.answered, task_access.c.answers).where(self._own)).first()
        if row is None:
            message = f"attempt {self._attempt[1]} of task {self._attempt[0]} has ended"
            raise ExecutionError(message)
        if self._mark.number < row.answered:
            message = f"request {self._mark.number} of attempt {self._attempt[1]} of task {self._attempt[0]} was answered before"
            raise ExecutionError(message)
        found = row.answers.get(self._name)
        return None if found is None else [RangeLease.from_json(each) for each in found]

    def keep(self, connection: Connection, leases: list[RangeLease]) -> None:
        """Remember an answer, and forget those that have arrived."""
        row = connection.execute(select(task_access.c.answered, task_access.c.answers).where(self._own)).one()
        answered = max(row.answered, self._mark.answered)
        answers = {name: value for name, value in row.answers.items() if _number(name) >= answered}
        answers[self._name] = [dataclasses.asdict(each) for each in leases]
        connection.execute(update(task_access).where(self._own).values(answered=answered, answers=answers))

    @property
    def _name(self) -> str:
        return f"{self._mark.number}{self._stage}"


def _own(task_id: str, attempt: int) -> Any:  # Any: a condition of SQLAlchemy's
    return and_(task_access.c.task_id == task_id, task_access.c.attempt == attempt)


def _number(name: str) -> int:
    return int(name.rstrip("abcdefghijklmnopqrstuvwxyz"))
