"""What can be done with the projects of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.uri import parse_project_uri
from starwhale.instances.configuration import Configuration, write_current_project

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import ProjectRecord
    from starwhale.storage.stores import Stores


class ProjectVerbs:
    """Verbs of projects."""

    def __init__(self, stores: Stores, configuration: Configuration) -> None:
        self._stores = stores
        self._configuration = configuration

    def create(self, name: str) -> ProjectRecord:
        """Make a project.

        Raises:
            AlreadyExistsError: There is one whose name is the same or differs only in case.
        """
        return self._stores.catalog.projects.create(name)

    def list(self) -> Sequence[ProjectRecord]:
        """Return all projects; the current one is made when it is not there."""
        self._stores.catalog.projects.ensure(self._configuration.current_project)
        return self._stores.catalog.projects.list()

    def get(self, uri: str) -> ProjectRecord:
        """Return one project.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._stores.catalog.projects.get(parse_project_uri(uri).project)

    def select(self, uri: str) -> ProjectRecord:
        """Make a project the current one, for the next call of the program.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = self.get(uri)
        write_current_project(self._configuration.path, found.name)
        return found
