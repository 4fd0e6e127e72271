"""One opened instance: its stores, and its nouns with their verbs."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from starwhale.errors import NotFoundError
from starwhale.instances.place.configuration import Configuration, read_configuration
from starwhale.instances.place.root import choose_root, prepare_root
from starwhale.instances.place.servers import LOCAL
from starwhale.instances.projects import ProjectVerbs
from starwhale.settings import VERSION, Settings
from starwhale.storage.stores import Stores, StoresRef, open_stores

if TYPE_CHECKING:
    from pathlib import Path

    from starwhale.instances.console import Console
    from starwhale.instances.datasets import DatasetVerbs
    from starwhale.instances.garbage.collect import GarbageVerbs
    from starwhale.instances.jobs.verbs import JobVerbs
    from starwhale.instances.models import ModelVerbs
    from starwhale.instances.runtimes import RuntimeVerbs
    from starwhale.instances.server import ServerVerbs
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.catalog.records import ProjectRecord


class Instance:
    """A Standalone instance. Whoever opens it closes it."""

    def __init__(self, settings: Settings, configuration: Configuration, stores: Stores) -> None:
        self.settings = settings
        """What the environment says."""
        self.configuration = configuration
        """What the user's file says."""
        self.stores = stores
        """Everything that is kept."""

    @property
    def catalog(self) -> SqlCatalog:
        """What exists, and the ledger."""
        return self.stores.catalog

    @property
    def project(self) -> str:
        """The current project: of URIs that name none."""
        return self.configuration.current_project

    @cached_property
    def projects(self) -> ProjectVerbs:
        """What can be done with projects."""
        return ProjectVerbs(self.stores, self.configuration)

    @cached_property
    def datasets(self) -> DatasetVerbs:
        """What can be done with datasets."""
        from starwhale.instances.datasets import DatasetVerbs  # opening rows is rarer than listing jobs

        return DatasetVerbs(self.stores, self.project, self.settings)

    @cached_property
    def models(self) -> ModelVerbs:
        """What can be done with models."""
        from starwhale.instances.models import ModelVerbs  # packaging is rarer than listing jobs

        return ModelVerbs(self.stores, self.project, self.settings)

    @cached_property
    def runtimes(self) -> RuntimeVerbs:
        """What can be done with runtimes."""
        from starwhale.instances.runtimes import RuntimeVerbs  # locking is rarer than listing jobs

        return RuntimeVerbs(self.stores, self.project, self.settings)

    @cached_property
    def jobs(self) -> JobVerbs:
        """What can be done with jobs."""
        from starwhale.instances.jobs.verbs import JobVerbs  # a program that only reads datasets needs none

        return JobVerbs(self.stores, self.project, self.settings)

    @property
    def root(self) -> Path:
        """The directory that everything is kept in."""
        return self.stores.layout.root

    @property
    def console(self) -> Console:
        """Where its console is, if one runs."""
        from starwhale.instances.console import Console  # rarer than listing jobs

        return Console(self.stores)

    @cached_property
    def server(self) -> ServerVerbs:
        """What can be done with the server of this root."""
        from starwhale.instances.server import ServerVerbs  # rarer than listing jobs

        return ServerVerbs(self.stores)

    @property
    def garbage(self) -> GarbageVerbs:
        """What can be done with what was removed, and with files that nothing refers to."""
        from starwhale.instances.garbage.collect import GarbageVerbs  # rarer than anything else

        return GarbageVerbs(self.stores)

    def select_project(self, uri: str) -> ProjectRecord:
        """Make a project the current one, of this instance and of every later call of the program.

        Raises:
            NotFoundError: There is none of that name; the nearest are said.
        """
        found = self.projects.select(uri)
        self.configuration = read_configuration(self.configuration.path)
        for noun in ("projects", "datasets", "models", "runtimes", "jobs"):  # they know the current project
            self.__dict__.pop(noun, None)
        return found

    def describe(self, name: str = LOCAL) -> dict[str, Any]:  # Any: a JSON object
        """Say where an instance keeps things; there is one, `local`, until servers are built.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name.casefold() != LOCAL:
            message = f"no instance {name!r}: servers are not built yet"
            raise NotFoundError(message, hint=f"there is {LOCAL!r}")
        return {
            "name": LOCAL,
            "type": "standalone",
            "uri": str(self.root),
            "current_project": self.project,
            "configuration": str(self.configuration.path),
            "in_use": True,
            "version": VERSION,
        }

    def close(self) -> None:
        """Close the stores."""
        self.stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def open_instance(settings: Settings) -> Instance:
    """Open the Standalone instance that the settings and the configuration file name; it is made when it is not there.

    Args:
        settings: What the environment says; its root wins over the file's, and that over the default.

    Raises:
        RootError: The root is somebody else's, belongs to a newer program, lies on a network, or cannot be written.
        UsageError: The configuration file cannot be read, or the environment names no root where it says one.
    """
    configuration = read_configuration(settings.config_path)
    root = choose_root(settings, configuration)
    prepare_root(root, now=time.time(), allow_network=settings.allow_network_root)
    stores = open_stores(StoresRef(root=str(root)), lambda: settings.s3.with_configured(configuration.s3))
    return Instance(settings, configuration, stores)
