"""Projects: what everything else is sorted by. A removed one is hidden with everything in it until it is recovered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from starwhale.domain.uri import DEFAULT_PROJECT
from starwhale.domain.version import SHORT_VERSION, check_name
from starwhale.errors import AlreadyExistsError, ConflictError, NotFoundError, nearest
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import Driver
from starwhale.storage.catalog.records import ProjectRecord
from starwhale.storage.catalog.schema import jobs, projects


class Projects:
    """The projects of one catalog. Names keep their case and are matched in any."""

    def __init__(
        self, database: Database, clock: Callable[[], float], is_living: Callable[[Driver], bool] = is_alive
    ) -> None:
        self._database = database
        self._clock = clock
        self._is_living = is_living

    def ensure(self, name: str) -> ProjectRecord:
        """Return the project, made if it is not there.

        Raises:
            InvalidNameError: The name breaks the naming rule.
            NotFoundError: It was removed.
        """
        with self._database.read() as connection:
            found = find_project(connection, name)
        if found is not None:
            return found
        with self._database.write() as connection:
            return ensure_project(connection, name, self._clock())

    def create(self, name: str) -> ProjectRecord:
        """Make a project.

        Raises:
            AlreadyExistsError: There is one whose name is the same or differs only in case, perhaps a removed one.
            InvalidNameError: The name breaks the naming rule.
        """
        check_name("project", name)
        with self._database.write() as connection:
            found = find_project(connection, name) or find_project(connection, name, removed=True)
            if found is not None and found.is_removed:
                message = f"there is a project {found.name!r} already, which was removed"
                raise AlreadyExistsError(message, hint=_RECOVER.format(name=found.name))
            if found is not None:
                message = f"there is a project {found.name!r} already"
                raise AlreadyExistsError(message, hint="choose another name; names differ in more than case")
            return ensure_project(connection, name, self._clock())

    def get(self, name: str) -> ProjectRecord:
        """Return the project.

        Raises:
            NotFoundError: There is none of that name.
        """
        with self._database.read() as connection:
            return get_project(connection, name)

    def refuse_removed(self, name: str) -> None:
        """Raise where a project of that name was removed; one that is not there yet is fine.

        Raises:
            NotFoundError: It was removed.
        """
        with self._database.read() as connection:
            refuse_removed_project(connection, name)

    def list(self, *, limit: int | None = None, offset: int = 0, removed: bool = False) -> list[ProjectRecord]:
        """Return projects, the oldest first.

        Args:
            limit: At most so many; None for all.
            offset: Leave out so many of the oldest.
            removed: The removed ones instead of the others.
        """
        state = projects.c.removed_at.is_not(None) if removed else projects.c.removed_at.is_(None)
        query = select(projects).where(state).order_by(projects.c.id).offset(offset)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query if limit is None else query.limit(limit))]

    def remove(self, name: str) -> ProjectRecord:
        """Hide a project with everything in it until it is recovered.

        Raises:
            NotFoundError: There is none of that name.
            ConflictError: It is the default one, or a job in it is running.
        """
        with self._database.write() as connection:
            found = get_project(connection, name)
            if found.name.casefold() == DEFAULT_PROJECT:
                message = f"project {found.name!r} cannot be removed: it is where everything goes that names no other"
                raise ConflictError(message, hint="remove what is in it instead")
            self._refuse_running(connection, found)
            connection.execute(update(projects).where(projects.c.id == found.id).values(removed_at=self._clock()))
            return found

    def recover(self, name: str) -> ProjectRecord:
        """Bring a removed project back, with everything that was in it.

        Raises:
            NotFoundError: No removed project has that name; the nearest of those are said.
        """
        with self._database.write() as connection:
            found = find_project(connection, name, removed=True)
            if found is None:
                raise _nothing_to_recover(connection, name)
            connection.execute(update(projects).where(projects.c.id == found.id).values(removed_at=None))
            return get_project(connection, name)

    def _refuse_running(self, connection: Connection, project: ProjectRecord) -> None:
        query = select(jobs.c.id, jobs.c.driver).where(jobs.c.project_id == project.id)
        for row in connection.execute(query):
            if row.driver is None or not self._is_living(Driver(**row.driver)):
                continue
            message = f"job {row.id[:SHORT_VERSION]} is running in project {project.name!r}"
            raise ConflictError(message, hint="wait for it, or stop it first")


# Made once: every opening asks this, and making a query costs as much as asking it.
_BY_NAME = select(projects).where(projects.c.name_folded == bindparam("name"))
_THERE, _REMOVED = _BY_NAME.where(projects.c.removed_at.is_(None)), _BY_NAME.where(projects.c.removed_at.is_not(None))
_RECOVER = "bring it back with: swcli project recover {name}; or delete it for good with: swcli gc"


def find_project(connection: Connection, name: str, *, removed: bool = False) -> ProjectRecord | None:
    """Return the project of that name in any case, or None; a removed one only where it is asked for."""
    row = connection.execute(_REMOVED if removed else _THERE, {"name": name.casefold()}).first()
    return None if row is None else _record(row)


def get_project(connection: Connection, name: str) -> ProjectRecord:
    """Return the project of that name in any case.

    Raises:
        NotFoundError: There is none of that name, or it was removed.
    """
    found = find_project(connection, name)
    if found is None:
        raise _missing(connection, name)
    return found


def refuse_removed_project(connection: Connection, name: str) -> None:
    """Raise where a project of that name was removed; one that is not there yet is fine.

    Raises:
        NotFoundError: It was removed.
    """
    if find_project(connection, name, removed=True) is not None:
        raise _missing(connection, name)


def ensure_project(connection: Connection, name: str, now: float) -> ProjectRecord:
    """Return the project, made if it is not there.

    Raises:
        NotFoundError: It was removed.
    """
    found = find_project(connection, name)
    if found is not None:
        return found
    check_name("project", name)
    if find_project(connection, name, removed=True) is not None:
        raise _missing(connection, name)
    connection.execute(insert(projects).values(name=name, name_folded=name.casefold(), created_at=now))
    return get_project(connection, name)


def _missing(connection: Connection, name: str) -> NotFoundError:
    removed = find_project(connection, name, removed=True)
    if removed is not None:
        return NotFoundError(f"project {removed.name!r} was removed", hint=_RECOVER.format(name=removed.name))
    known = connection.execute(select(projects.c.name).where(projects.c.removed_at.is_(None))).scalars()
    close = nearest(name, known)
    hint = close if close.startswith("did you mean") else f"{close}; make it with: swcli project create {name}"
    return NotFoundError(f"no project {name!r}", hint=hint.removeprefix("; "))


def _nothing_to_recover(connection: Connection, name: str) -> NotFoundError:
    there = find_project(connection, name)
    if there is not None:
        return NotFoundError(f"project {there.name!r} was not removed", hint="there is nothing to recover")
    known = list(connection.execute(select(projects.c.name).where(projects.c.removed_at.is_not(None))).scalars())
    return NotFoundError(f"no removed project {name!r}", hint=nearest(name, known) or "no project was removed")


def _record(row: Row[Any]) -> ProjectRecord:  # Any: what SQLAlchemy knows of a row of several columns
    return ProjectRecord(id=row.id, name=row.name, created_at=row.created_at, is_removed=row.removed_at is not None)
