"""Projects: what everything else is sorted by."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, select

from starwhale.domain.version import check_name
from starwhale.errors import AlreadyExistsError, NotFoundError, nearest
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.records import ProjectRecord
from starwhale.storage.catalog.schema import projects


class Projects:
    """The projects of one catalog. Names keep their case and are matched in any."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def ensure(self, name: str) -> ProjectRecord:
        """Return the project, made if it is not there.

        Raises:
            InvalidNameError: The name breaks the naming rule.
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
            AlreadyExistsError: There is one whose name is the same or differs only in case.
        """
        with self._database.write() as connection:
            found = find_project(connection, name)
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

    def list(self) -> list[ProjectRecord]:
        """Return all projects, the oldest first."""
        query = select(projects).where(projects.c.removed_at.is_(None)).order_by(projects.c.id)
        with self._database.read() as connection:
            return [
                ProjectRecord(id=row.id, name=row.name, created_at=row.created_at) for row in connection.execute(query)
            ]


def find_project(connection: Connection, name: str) -> ProjectRecord | None:
    """Return the project of that name in any case, or None."""
    query = select(projects).where(projects.c.name_folded == name.casefold(), projects.c.removed_at.is_(None))
    row = connection.execute(query).first()
    return None if row is None else ProjectRecord(id=row.id, name=row.name, created_at=row.created_at)


def get_project(connection: Connection, name: str) -> ProjectRecord:
    """Return the project of that name in any case.

    Raises:
        NotFoundError: There is none of that name.
    """
    found = find_project(connection, name)
    if found is None:
        known = connection.execute(select(projects.c.name).where(projects.c.removed_at.is_(None))).scalars()
        message = f"no project {name!r}"
        raise NotFoundError(message, hint=nearest(name, known))
    return found


def ensure_project(connection: Connection, name: str, now: float) -> ProjectRecord:
    """Return the project, made if it is not there."""
    found = find_project(connection, name)
    if found is not None:
        return found
    check_name("project", name)
    connection.execute(insert(projects).values(name=name, name_folded=name.casefold(), created_at=now))
    return get_project(connection, name)
