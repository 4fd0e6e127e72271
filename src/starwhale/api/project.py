"""Projects from Python: a function per verb of `swcli project`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.api.instance import default_instance
from starwhale.domain.uri import as_instance

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import ProjectRecord


def create(name: str) -> ProjectRecord:
    """Make a project.

    Raises:
        AlreadyExistsError: There is one whose name is the same or differs only in case, perhaps a removed one.
        InvalidNameError: The name breaks the naming rule.
    """
    return default_instance().at(name).projects.create(name)


def list(page: int = 1, size: int = 20, instance: str = "") -> Sequence[ProjectRecord]:
    """Return a page of the projects of an instance, the oldest first."""
    return default_instance().at(as_instance(instance)).projects.list(limit=size, offset=(max(page, 1) - 1) * size)


def select(uri: str) -> ProjectRecord:
    """Make a project the current one: of this process, and of every later call of the program.

    Raises:
        NotFoundError: There is none of that name; the nearest are said.
    """
    return default_instance().select_project(uri)


def info(uri: str) -> ProjectRecord:
    """Return one project.

    Raises:
        NotFoundError: There is none of that name; the nearest are said.
    """
    return default_instance().at(uri).projects.info(uri)


def remove(uri: str) -> ProjectRecord:
    """Hide a project with everything in it until it is recovered.

    Raises:
        ConflictError: It is the default or the current one, or a job in it is running.
    """
    return default_instance().at(uri).projects.remove(uri)


def recover(uri: str) -> ProjectRecord:
    """Bring a removed project back, with everything that was in it.

    Raises:
        NotFoundError: No removed project has that name.
    """
    return default_instance().at(uri).projects.recover(uri)


__all__ = ["create", "info", "list", "recover", "remove", "select"]
