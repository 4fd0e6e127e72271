"""Bundles: named datasets, models and runtimes, whose versions are immutable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from starwhale.domain.version import check_name
from starwhale.errors import AlreadyExistsError, NotFoundError, nearest
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.projects import ensure_project, get_project
from starwhale.storage.catalog.records import BundleRecord
from starwhale.storage.catalog.schema import bundles, projects, versions

_COLUMNS = (bundles.c.id, bundles.c.kind, bundles.c.name, bundles.c.created_at, projects.c.name.label("project"))
# Made once: every opening asks this, and making a query costs as much as asking it.
_BY_NAME = (
    select(*_COLUMNS)
    .join(projects, bundles.c.project_id == projects.c.id)
    .where(
        projects.c.name_folded == bindparam("project"),
        projects.c.removed_at.is_(None),
        bundles.c.kind == bindparam("kind"),
        bundles.c.name_folded == bindparam("name"),
    )
)


class Bundles:
    """The named things of one catalog. Names keep their case, are matched in any, and no two differ only in case."""

    def __init__(self, database: Database, clock: Callable[[], float], make_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._make_id = make_id

    def create(self, project: str, kind: str, name: str) -> BundleRecord:
        """Make a bundle without versions; the project is made with it.

        Raises:
            AlreadyExistsError: There is one whose name is the same or differs only in case.
            InvalidNameError: The name breaks the naming rule.
        """
        check_name(kind, name)
        with self._database.write() as connection:
            found = find_bundle(connection, project, kind, name)
            if found is not None:
                differs = "" if found.name == name else f", which differs from {name!r} only in case"
                message = f"there is a {kind} {found.name!r} in project {found.project!r} already{differs}"
                raise AlreadyExistsError(message, hint=f"use {found.name!r}, or choose another name")
            return self._insert(connection, project, kind, name)

    def ensure(self, project: str, kind: str, name: str) -> BundleRecord:
        """Return the bundle, made if it is not there.

        Raises:
            AlreadyExistsError: There is one whose name differs only in case.
            InvalidNameError: The name breaks the naming rule.
        """
        check_name(kind, name)
        with self._database.write() as connection:
            found = find_bundle(connection, project, kind, name)
            if found is None:
                return self._insert(connection, project, kind, name)
            if found.name != name and not _has_versions(connection, found):
                return _rename(connection, found, name)  # a first build that failed left the name behind
        if found.name != name:
            message = f"there is a {kind} {found.name!r} in project {found.project!r}, which differs from {name!r} only in case"
            raise AlreadyExistsError(message, hint=f"use {found.name!r}, or choose another name")
        return found

    def find(self, project: str, kind: str, name: str) -> BundleRecord | None:
        """Return the bundle of that name in any case, or None."""
        with self._database.read_checked() as connection:
            return find_bundle(connection, project, kind, name)

    def get(self, project: str, kind: str, name: str) -> BundleRecord:
        """Return the bundle of that name in any case.

        Raises:
            NotFoundError: There is none; the nearest names are said.
        """
        with self._database.read_checked() as connection:
            return get_bundle(connection, project, kind, name)

    def list(self, project: str, kind: str) -> list[BundleRecord]:
        """Return the bundles of one kind in a project, by name."""
        with self._database.read_checked() as connection:
            return list_bundles(connection, project, kind)

    def _insert(self, connection: Connection, project: str, kind: str, name: str) -> BundleRecord:
        home = ensure_project(connection, project, self._clock())
        row = BundleRecord(id=self._make_id(), project=home.name, kind=kind, name=name, created_at=self._clock())
        connection.execute(
            insert(bundles).values(
                id=row.id,
                project_id=home.id,
                kind=kind,
                name=name,
                name_folded=name.casefold(),
                created_at=row.created_at,
            )
        )
        return row


def find_bundle(connection: Connection, project: str, kind: str, name: str) -> BundleRecord | None:
    """Return the bundle of that name in any case, or None."""
    given = {"project": project.casefold(), "kind": kind, "name": name.casefold()}
    row = connection.execute(_BY_NAME, given).first()
    return None if row is None else _record(row)


def get_bundle(connection: Connection, project: str, kind: str, name: str) -> BundleRecord:
    """Return the bundle of that name in any case.

    Raises:
        NotFoundError: There is no such project or bundle; the nearest names are said.
    """
    found = find_bundle(connection, project, kind, name)
    if found is None:
        home = get_project(connection, project)
        message = f"no {kind} {name!r} in project {home.name!r}"
        raise NotFoundError(
            message, hint=nearest(name, [each.name for each in list_bundles(connection, project, kind)])
        )
    return found


def _has_versions(connection: Connection, bundle: BundleRecord) -> bool:
    query = select(versions.c.version).where(versions.c.bundle_id == bundle.id).limit(1)
    return connection.execute(query).first() is not None


def _rename(connection: Connection, bundle: BundleRecord, name: str) -> BundleRecord:
    connection.execute(update(bundles).where(bundles.c.id == bundle.id).values(name=name))
    return dataclasses.replace(bundle, name=name)


def list_bundles(connection: Connection, project: str, kind: str) -> list[BundleRecord]:
    """Return the bundles of one kind in a project, by name."""
    query = (
        select(*_COLUMNS)
        .join(projects, bundles.c.project_id == projects.c.id)
        .where(projects.c.name_folded == project.casefold(), projects.c.removed_at.is_(None), bundles.c.kind == kind)
        .order_by(bundles.c.name_folded)
    )
    return [_record(row) for row in connection.execute(query)]


def _record(row: Any) -> BundleRecord:  # Any: what SQLAlchemy knows of a row of several columns
    return BundleRecord(id=row.id, project=row.project, kind=row.kind, name=row.name, created_at=row.created_at)
