"""What can be done with the projects of an instance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri
from starwhale.errors import ConflictError, NotFoundError
from starwhale.instances.place.configuration import Configuration, read_configuration, write_current_project
from starwhale.instances.place.servers import select_project

if TYPE_CHECKING:
    from starwhale.settings import Settings
    from starwhale.storage.catalog.records import ProjectRecord
    from starwhale.storage.remote.logins import Login
    from starwhale.storage.stores import Stores


class ProjectVerbs:
    """Verbs of projects. Names keep their case and are matched in any."""

    def __init__(self, stores: Stores, configuration: Configuration, settings: Settings, login: Login | None) -> None:
        self._stores = stores
        self._configuration = configuration
        self._settings = settings
        self._login = login

    @property
    def current(self) -> str:
        """The project of URIs that name none, as the configuration file has it now; of a server, as it was when it was opened."""
        if self._login is not None:
            return self._login.project
        return read_configuration(self._configuration.path).current_project

    def create(self, name: str) -> ProjectRecord:
        """Make a project.

        Raises:
            AlreadyExistsError: There is one whose name is the same or differs only in case, perhaps a removed one.
            InvalidNameError: The name breaks the naming rule.
        """
        self._stores.catalog.projects.ensure(DEFAULT_PROJECT)  # the oldest, whatever is asked for first
        return self._stores.catalog.projects.create(self._name(name))

    def list(self, *, limit: int | None = None, offset: int = 0, removed: bool = False) -> Sequence[ProjectRecord]:
        """Return projects, the oldest first; the default and the current one are made when they are not there.

        Args:
            limit: At most so many; None for all.
            offset: Leave out so many of the oldest.
            removed: The removed ones instead of the others.
        """
        projects = self._stores.catalog.projects
        for name in dict.fromkeys((DEFAULT_PROJECT, self.current)):
            try:
                projects.ensure(name)
            except NotFoundError:  # removed while another configuration file had it selected
                continue
        return projects.list(limit=limit, offset=offset, removed=removed)

    def get(self, uri: str) -> ProjectRecord:
        """Return one project.

        Raises:
            NotFoundError: There is none of that name; the nearest are said.
        """
        name = self._name(uri)
        if name.casefold() == DEFAULT_PROJECT:
            return self._stores.catalog.projects.ensure(DEFAULT_PROJECT)
        return self._stores.catalog.projects.get(name)

    def info(self, uri: str) -> ProjectRecord:
        """Return what the catalog knows of a project."""
        return self.get(uri)

    def select(self, uri: str) -> ProjectRecord:
        """Make a project the current one, for the next call of the program.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = self.get(uri)
        if self._login is not None:
            select_project(self._settings, self._login.alias, found.name)
        else:
            write_current_project(self._configuration.path, found.name)
        return found

    def remove(self, uri: str) -> ProjectRecord:
        """Hide a project with everything in it until it is recovered: nothing in it can be listed, read or run.

        Raises:
            NotFoundError: There is none of that name.
            ConflictError: It is the default or the current one, or a job in it is running.
        """
        found = self.get(uri)
        if found.name.casefold() != DEFAULT_PROJECT and found.name.casefold() == self.current.casefold():
            message = f"project {found.name!r} is the current one"
            raise ConflictError(message, hint=f"select another first: swcli project select {DEFAULT_PROJECT}")
        return self._stores.catalog.projects.remove(found.name)

    def recover(self, uri: str) -> ProjectRecord:
        """Bring a removed project back, with everything that was in it.

        Raises:
            NotFoundError: No removed project has that name.
        """
        return self._stores.catalog.projects.recover(self._name(uri))

    def describe(self, project: ProjectRecord) -> dict[str, Any]:  # Any: a JSON object
        """Return a row of `swcli project list`."""
        return {
            "name": project.name,
            "location": self._login.address if self._login is not None else str(self._stores.layout.root),
            "owner": "",
            "in_use": not project.is_removed and project.name.casefold() == self.current.casefold(),
            "created_at": time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(project.created_at)),
        }

    def _name(self, uri: str) -> str:
        return parse_project_uri(uri, instances=self._stores.names).project
