"""Jobs with their steps, tasks and attempts, and the process that drives each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from starwhale.domain.job import DatasetInput, Job, RunRequest, Step, Task, TaskError, TaskUpdate
from starwhale.domain.json_shape import JsonView
from starwhale.domain.status import Status, check_transition, is_active, is_terminal
from starwhale.domain.usage import WALL, Activity
from starwhale.domain.version import SHORT_VERSION, check_name, is_version
from starwhale.errors import AlreadyExistsError, ConflictError, InvalidNameError, NotFoundError
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_address import find_job
from starwhale.storage.catalog.job_records import AttemptRecord, Driver, JobRecord, StepRecord
from starwhale.storage.catalog.parts import Parts
from starwhale.storage.catalog.projects import ensure_project
from starwhale.storage.catalog.schema import attempts, events, jobs, projects, steps, tasks


class Jobs:
    """The jobs of one catalog. One whose driver is gone is reported as interrupted, whatever was written last."""

    def __init__(
        self, database: Database, clock: Callable[[], float], is_living: Callable[[Driver], bool] = is_alive
    ) -> None:
        self._database = database
        self._clock = clock
        self._is_living = is_living

    def create(self, job: Job, record: JsonView, driver: Driver | None) -> JobRecord:
        """Write a job down with its steps.

        Args:
            job: The job.
            record: What it runs on: versions, platform, git state, argv, seed, source digest.
            driver: The process that will run it.

        Raises:
            AlreadyExistsError: The id is taken.
            InvalidNameError: The name breaks the naming rule or is reserved.
        """
        check_job_name(job.request.name)
        with self._database.write() as connection:
            if connection.execute(select(jobs.c.id).where(jobs.c.id == job.id)).first() is not None:
                message = f"there is a job {job.id} already"
                raise AlreadyExistsError(message, hint="leave the id to the system, or resume that job")
            project = ensure_project(connection, job.request.project, self._clock())
            connection.execute(
                insert(jobs).values(
                    id=job.id,
                    project_id=project.id,
                    name=job.request.name,
                    handler=job.handler,
                    status=job.status.value,
                    request=job.request.to_json(),
                    datasets=[each.to_json() for each in job.datasets],
                    record=dict(record),
                    driver=None if driver is None else dataclasses.asdict(driver),
                    created_at=self._clock(),
                )
            )
            rows = [
                {
                    "job_id": job.id,
                    "position": position,
                    "name": each.name,
                    "step": each.to_json(),
                    "status": Status.CREATED.value,
                }
                for position, each in enumerate(job.steps)
            ]
            if rows:
                connection.execute(insert(steps), rows)
            return self._get(connection, job.id)

    def get(self, text: str, *, project: str = "self", removed: bool = False) -> JobRecord:
        """Return the job that a word means: an id, a name, `latest`, `latest~N`, a unique beginning of an id, or a URI.

        Args:
            text: What the user wrote.
            project: Project whose jobs `latest` and names are about; ids are found in all.
            removed: Look among the removed jobs alone, instead of the others.

        Raises:
            NotFoundError: Nothing fits.
            ConflictError: Several ids begin so.
        """
        with self._database.read() as connection:
            return self._get(connection, find_job(connection, text, project=project, removed=removed))

    def find(self, job_id: str) -> JobRecord:
        """Return the job with a whole id, also a removed one; `is_removed` says so.

        Raises:
            NotFoundError: There is none, or its project was removed.
        """
        with self._database.read() as connection:
            gone = select(projects.c.name).join(jobs, jobs.c.project_id == projects.c.id)
            name = connection.execute(gone.where(jobs.c.id == job_id, projects.c.removed_at.is_not(None))).scalar()
            if name is not None:
                hint = f"bring it back with: swcli project recover {name}"
                raise NotFoundError(
                    f"job {job_id[:SHORT_VERSION]} is in the project {name!r}, which was removed", hint=hint
                )
            return self._get(connection, job_id)

    def list(
        self, project: str | None = None, *, limit: int = 100, offset: int = 0, removed: bool = False
    ) -> Sequence[JobRecord]:
        """Return jobs, the newest first.

        Args:
            project: Name of the project; None for all.
            limit: At most so many.
            offset: Leave out so many of the newest.
            removed: The removed ones instead of the others.
        """
        query = _query().order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit).offset(offset)
        query = query.where(jobs.c.removed_at.is_not(None) if removed else jobs.c.removed_at.is_(None))
        query = query.where(projects.c.removed_at.is_(None))
        if project is not None:
            query = query.where(projects.c.name_folded == project.casefold())
        with self._database.read() as connection:
            self._database.check_jobs(connection)
            return [self._record(row) for row in connection.execute(query)]

    def unfinished(self, *, limit: int = 10_000) -> Sequence[JobRecord]:
        """Return jobs of all projects that have not ended, the oldest first.

        Args:
            limit: At most so many.
        """
        going = [each.value for each in Status if not is_terminal(each)]
        query = _query().where(jobs.c.status.in_(going), jobs.c.removed_at.is_(None), projects.c.removed_at.is_(None))
        with self._database.read() as connection:
            self._database.check_jobs(connection)
            return [self._record(row) for row in connection.execute(query.order_by(jobs.c.created_at).limit(limit))]

    def set_status(self, job_id: str, status: Status, *, error: TaskError | None = None) -> JobRecord:
        """Change the status of a job, by the rules; one that needs no driver any more lets it go.

        Raises:
            StatusError: The rules do not allow it.
        """
        with self._database.write() as connection:
            current = self._get(connection, job_id)
            check_transition(f"job {job_id[:SHORT_VERSION]}", current.status, status)
            values: dict[str, Any] = {"status": status.value}  # Any: values of columns
            if is_active(status):
                values |= {"finished_at": None, "error": None}
            else:
                values |= {
                    "driver": None,
                    "finished_at": self._clock(),
                    "error": None if error is None else error.to_json(),
                }
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            return self._get(connection, job_id)

    def claim_driver(self, job_id: str, driver: Driver) -> JobRecord:
        """Make a process the driver of a job. What a dead driver left is written as interrupted first.

        Raises:
            ConflictError: A living process drives it.
        """
        with self._database.write() as connection:
            current = self._get(connection, job_id)
            refuse_imported(current)
            held = current.driver
            if held is not None and self._is_living(held):
                message = f"job {job_id[:SHORT_VERSION]} is being run by process {held.pid} on {held.host}"
                hint = f"wait for it with swcli job wait, or stop it with swcli job pause {job_id[:SHORT_VERSION]}"
                raise ConflictError(message, hint=hint)
            values = {
                "driver": dataclasses.asdict(driver),
                "status": current.status.value,
            }
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            return self._get(connection, job_id)

    def is_driven(self, job: JobRecord) -> bool:
        """Whether a living process works on a job, also while it gets ready to go on with one that was stopped."""
        return job.driver is not None and self._is_living(job.driver)

    def end_undriven(self, job_id: str, status: Status) -> JobRecord | None:
        """Change the status of a job that nobody works on, by the rules; None, and nothing is changed, where somebody does.

        Raises:
            StatusError: The rules do not allow it.
        """
        with self._database.write() as connection:
            current = self._get(connection, job_id)
            if self.is_driven(current):
                return None
            check_transition(f"job {job_id[:SHORT_VERSION]}", current.status, status)
            values = {"status": status.value, "driver": None, "finished_at": current.finished_at or self._clock()}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
            return self._get(connection, job_id)

    def release_driver(self, job_id: str) -> None:
        """Take a claim back that came to nothing; status and error stay what they were."""
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(driver=None))

    def add_packages(self, connection: Connection, job_id: str, versions: Mapping[str, str]) -> None:
        """Add to the record of a job which versions of packages it has imported, within a transaction."""
        own = jobs.c.id == job_id
        record = connection.execute(select(jobs.c.record).where(own)).scalar_one()
        packages = dict(sorted({**record.get("packages", {}), **versions}.items()))
        connection.execute(update(jobs).where(own).values(record={**record, "packages": packages}))

    def write_on(self, job_id: str, change: Callable[[JsonView], JsonView], *, kind: str, detail: JsonView) -> None:
        """Keep in the record of a job what the user writes on it, with an event that says so.

        Args:
            job_id: Job.
            change: Gets the record and returns what is new in it.
            kind: Word of the event.
            detail: What the event says.
        """
        own = jobs.c.id == job_id
        with self._database.write() as connection:
            record = connection.execute(select(jobs.c.record).where(own)).scalar_one()
            connection.execute(update(jobs).where(own).values(record={**record, **change(record)}))
            now = self._clock()
            connection.execute(insert(events).values(job_id=job_id, time=now, kind=kind, detail=dict(detail)))

    def add_to_record(self, job_id: str, change: Callable[[JsonView], JsonView]) -> None:
        """Add to the record of a job what was found out later.

        Args:
            job_id: Job.
            change: Gets the record and returns what is new in it.
        """
        own = jobs.c.id == job_id
        with self._database.write() as connection:
            record = connection.execute(select(jobs.c.record).where(own)).scalar_one()
            connection.execute(update(jobs).where(own).values(record={**record, **change(record)}))

    def remove(self, job_id: str) -> None:
        """Hide a job until it is recovered.

        Raises:
            ConflictError: It is running.
        """
        with self._database.write() as connection:
            current = self._get(connection, job_id)
            if is_active(current.status):
                message = f"job {job_id[:SHORT_VERSION]} is {current.status}"
                raise ConflictError(message, hint=f"stop it first: swcli job cancel {job_id[:SHORT_VERSION]}")
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(removed_at=self._clock()))

    def recover(self, job_id: str) -> None:
        """Bring a removed job back."""
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(removed_at=None))

    def record_step(self, job_id: str, name: str, status: Status) -> None:
        """Change the status of a step, by the rules, with the time at which it started or ended.

        Raises:
            NotFoundError: The job has no such step.
            StatusError: The rules do not allow it.
        """
        own = steps.c.job_id == job_id, steps.c.name == name
        with self._database.write() as connection:
            row = connection.execute(select(steps.c.status, steps.c.started_at).where(*own)).first()
            if row is None:
                message = f"job {job_id} has no step {name!r}"
                raise NotFoundError(message)
            check_transition(f"step {name!r}", Status(row.status), status)
            values: dict[str, Any] = {"status": status.value}  # Any: values of columns
            if status is Status.RUNNING:
                values |= {"started_at": row.started_at or self._clock(), "finished_at": None}
            elif not is_active(status):
                values["finished_at"] = self._clock()
            connection.execute(update(steps).where(*own).values(**values))

    def record_attempt_start(self, task: Task, executor: str) -> None:
        """Write down that an attempt of a task starts; what earlier attempts left without coming to their end is hidden at once."""
        row = {"job_id": task.job_id, "step": task.step.name, "task_index": task.index, "status": Status.RUNNING.value}
        with self._database.write() as connection:
            if connection.execute(update(tasks).where(tasks.c.id == task.id).values(**row)).rowcount == 0:
                connection.execute(insert(tasks).values(id=task.id, **row))
            earlier = attempts.c.task_id == task.id, attempts.c.status == Status.RUNNING.value
            ended = {"status": Status.INTERRUPTED.value, "finished_at": self._clock()}
            connection.execute(update(attempts).where(*earlier).values(**ended))
            Parts.hide(connection, task.id)
            connection.execute(
                insert(attempts).values(
                    task_id=task.id,
                    number=task.attempt,
                    executor=executor,
                    status=Status.RUNNING.value,
                    started_at=self._clock(),
                )
            )

    def record_attempt_end(self, end: TaskUpdate, also: Callable[[Connection], None] | None = None) -> None:
        """Write down how an attempt of a task ended.

        Args:
            end: What the executor reported.
            also: What belongs into the same transaction: making the results of the attempt final.
        """
        own = attempts.c.task_id == end.task_id, attempts.c.number == end.attempt
        error = None if end.error is None else end.error.to_json()
        now = self._clock()
        values: dict[str, Any] = {
            "status": end.status.value,
            "finished_at": now,
            "error": error,
        }  # Any: values of columns
        with self._database.write() as connection:
            if end.timings:  # of one that was killed stays what was known at its last commit
                began = connection.execute(select(attempts.c.started_at).where(*own)).scalar()
                start_s = 0.0 if began is None else max(now - began - end.timings.get(WALL, 0.0), 0.0)
                values["timings"] = {**end.timings, Activity.START.value: start_s}
            connection.execute(update(attempts).where(*own).values(**values))
            connection.execute(update(tasks).where(tasks.c.id == end.task_id).values(status=end.status.value))
            if also is not None:
                also(connection)

    def steps(self, job_id: str) -> Sequence[StepRecord]:
        """Return the steps of a job, needs first."""
        query = select(steps).where(steps.c.job_id == job_id).order_by(steps.c.position)
        with self._database.read() as connection:
            return [
                StepRecord(
                    position=row.position,
                    step=Step.from_json(row.step),
                    status=Status(row.status),
                    started_at=row.started_at,
                    finished_at=row.finished_at,
                )
                for row in connection.execute(query)
            ]

    def ended_tasks(self, job_id: str) -> frozenset[str]:
        """Return the ids of the tasks that have succeeded, and do not have to run again for rows that are tried again."""
        query = select(tasks.c.id).where(tasks.c.job_id == job_id, tasks.c.status == Status.SUCCESS.value)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def attempts(self, job_id: str) -> Sequence[AttemptRecord]:
        """Return the attempts of all tasks of a job, in the order in which they started."""
        query = select(attempts, tasks.c.step, tasks.c.task_index).join(tasks, attempts.c.task_id == tasks.c.id)
        query = query.where(tasks.c.job_id == job_id).order_by(
            attempts.c.started_at, attempts.c.task_id, attempts.c.number
        )
        with self._database.read() as connection:
            return [
                AttemptRecord(
                    task_id=row.task_id,
                    step=row.step,
                    task_index=row.task_index,
                    number=row.number,
                    executor=row.executor,
                    status=Status(row.status),
                    started_at=row.started_at,
                    finished_at=row.finished_at,
                    error=None if row.error is None else TaskError.from_json(row.error),
                    timings=row.timings or {},
                )
                for row in connection.execute(query)
            ]

    def _get(self, connection: Connection, job_id: str) -> JobRecord:
        self._database.check_job(connection, job_id)
        row = connection.execute(_query().where(jobs.c.id == job_id)).first()
        if row is None:
            message = f"no job {job_id!r}"
            raise NotFoundError(message, hint="see swcli job list")
        return self._record(row)

    def _record(self, row: Row[Any]) -> JobRecord:  # Any: what SQLAlchemy knows of a row of several columns
        status = Status(row.status)
        driver = None if row.driver is None else Driver(**row.driver)
        if driver is not None and (is_active(status) or status is Status.CREATED) and not self._is_living(driver):
            status = Status.INTERRUPTED
        return JobRecord(
            id=row.id,
            project=row.project,
            name=row.name,
            handler=row.handler,
            status=status,
            request=RunRequest.from_json(row.request),
            datasets=tuple(DatasetInput.from_json(each) for each in row.datasets),
            record=row.record,
            driver=driver,
            created_at=row.created_at,
            finished_at=row.finished_at,
            error=None if row.error is None else TaskError.from_json(row.error),
            is_removed=row.removed_at is not None,
        )


def refuse_imported(job: JobRecord) -> None:
    """Refuse to go on with a job that ran on another machine.

    Raises:
        ConflictError: It was imported.
    """
    if job.is_imported:
        message = f"job {job.id[:SHORT_VERSION]} was imported from an archive: it can be read and compared, not gone on with or stopped"
        raise ConflictError(message, hint=f"run it again here: swcli job reproduce {job.id[:SHORT_VERSION]}")


def _query() -> Select[Any]:  # Any: what SQLAlchemy knows of a query over two tables
    return select(jobs, projects.c.name.label("project")).join(projects, jobs.c.project_id == projects.c.id)


def check_job_name(name: str) -> None:
    """Refuse a name by which a job could not be addressed.

    Raises:
        InvalidNameError: It breaks the naming rule, is `latest`, or looks like an id.
    """
    if not name:
        return
    check_name("job", name)
    if name.casefold() == "latest":
        message = f"{name!r} cannot be the name of a job: it means the newest one"
        raise InvalidNameError(message, hint="choose another name")
    if is_version(name):
        message = f"{name!r} cannot be the name of a job: it looks like an id"
        raise InvalidNameError(message, hint="choose a shorter name")
