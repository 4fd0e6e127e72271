"""One opened instance: its stores, and its nouns with their verbs."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from starwhale.instances.place.configuration import Configuration, read_configuration
from starwhale.instances.place.root import choose_root, prepare_root
from starwhale.instances.place.servers import LOCAL, ask_server, describe_login, select
from starwhale.instances.projects import ProjectVerbs
from starwhale.settings import VERSION, Settings
from starwhale.storage.remote.logins import Login, LoginsReader, access_of, read_logins
from starwhale.storage.stores import Stores, StoresRef, open_stores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starwhale.datasets.diff import DatasetDiff
    from starwhale.domain.uri import Uri
    from starwhale.execution.network.desk import TaskDesk
    from starwhale.instances.console import Console
    from starwhale.instances.copy_across import CopyOptions
    from starwhale.instances.datasets import DatasetVerbs
    from starwhale.instances.garbage.collect import GarbageVerbs
    from starwhale.instances.jobs.copy_job import CopiedJob, JobCopyOptions
    from starwhale.instances.jobs.job_compare import CompareOptions
    from starwhale.instances.jobs.job_gate import GateOptions
    from starwhale.instances.jobs.server_jobs import ServerJobs
    from starwhale.instances.jobs.verbs import JobVerbs
    from starwhale.instances.models import ModelVerbs
    from starwhale.instances.runtimes import RuntimeVerbs
    from starwhale.instances.served_stores import ServedStores
    from starwhale.instances.server import ServerVerbs
    from starwhale.results.compare.findings import Comparison
    from starwhale.results.gate.report import Gate
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.catalog.copies import Copied
    from starwhale.storage.catalog.records import ProjectRecord


class Instance:
    """An instance: this machine's, or a server's. Whoever opens it closes it, and with it the others that were asked for through it."""

    def __init__(
        self, settings: Settings, configuration: Configuration, stores: Stores, login: Login | None = None
    ) -> None:
        self.login = login
        """The server that it is on; None for this machine."""
        self._others: dict[str, Instance] = {}
        self._logins = LoginsReader(settings)
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
        return self.login.project if self.login is not None else self.configuration.current_project

    @property
    def name(self) -> str:
        """What URIs call it."""
        return self.stores.ref.instance

    @property
    def names(self) -> tuple[str, ...]:
        """What URIs may call it."""
        return self.stores.names

    def at(self, uri: object) -> Instance:
        """Return the instance that a URI names, opened when it is first asked for; the selected one where it names none.

        Raises:
            NotFoundError: It names a server by an alias that is not known.
            LoginError: It names a server that nobody logged in to.
        """
        login = self._logins.read().named_by(str(uri))
        if login is None or (self.login is not None and login.address == self.login.address):
            return self
        found = self._others.get(login.alias)
        if found is not None and found.login != login:  # the user has logged in anew, perhaps to another place
            found.close()
            found = None
        if found is None:
            found = self._others[login.alias] = self._open_server(login)
        return found

    def copy(self, kind: str, source: str | Uri, destination: str, options: CopyOptions | None = None) -> Copied:
        """Copy a version: within an instance, between two, or to and from an object store.

        Args:
            kind: `dataset`, `model` or `runtime`.
            source: A version, on any instance; a name means its newest.
            destination: `.` for the same name here, a name, a project or a whole URI without a version, on any instance.
            options: How; see `CopyOptions`.

        Raises:
            NotFoundError: There is no such version, project or server; the nearest names are said.
            AlreadyExistsError: A tag points at another version there.
            UsageError: The destination or mode makes no sense.
            CorruptedError: A file of the version is damaged.
            ServerError: A server cannot be reached; the next try goes on where this one stopped.
        """
        from starwhale.instances.copy_across import copy_version

        return copy_version(self, kind, source, destination, options)

    def diff_datasets(self, base: str | Uri, compare: str | Uri, *, show_details: bool, limit: int) -> DatasetDiff:
        """Say what makes the second version of the first, each on any instance; see `DatasetVerbs.diff`."""
        here, there = self.at(base), self.at(compare)
        other = None if there is here else there.datasets
        return here.datasets.diff(base, compare, other=other, show_details=show_details, limit=limit)

    def compare(self, *runs: str, options: CompareOptions | None = None) -> Comparison:
        """Compare jobs, on any instances, or files of predictions; see `JobVerbs.compare`."""
        from starwhale.instances.jobs.job_compare import CompareOptions, compare

        return compare(lambda each: self.at(each).jobs.found(each), runs, options or CompareOptions())

    def gate(self, run: str, *, options: GateOptions) -> Gate:
        """Judge a job, on any instance, or a file of predictions by rules; see `JobVerbs.gate`."""
        from starwhale.instances.jobs.job_gate import gate

        return gate(lambda each: self.at(each).jobs.found(each), run, options)

    def copy_job(self, job: str, destination: str, options: JobCopyOptions | None = None) -> CopiedJob:
        """Copy a job that has ended to another instance: its record, results and logs, under its id.

        Args:
            job: How it is addressed, on any instance.
            destination: `.` for the current project here, or the URI of a project on any instance.
            options: What goes along; see `JobCopyOptions`.

        Raises:
            NotFoundError: There is no such job, project or server.
            ConflictError: It is running, or has not begun.
            AlreadyExistsError: There is another job of that id, or it was removed there.
            UsageError: Both are one instance, or what should go along cannot.
            ServerError: A server cannot be reached; the next try goes on where this one stopped.
        """
        from starwhale.instances.jobs.copy_job import copy_job

        return copy_job(self, job, destination, options)

    def _open_server(self, login: Login) -> Instance:
        ref = StoresRef(root=self.stores.ref.root, server=login.address, instance=login.alias)
        stores = open_stores(ref, access=lambda address: access_of(address, self.settings))
        return Instance(self.settings, self.configuration, stores, login)

    @cached_property
    def projects(self) -> ProjectVerbs:
        """What can be done with projects."""
        return ProjectVerbs(self.stores, self.configuration, self.settings, self.login)

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

        return JobVerbs(self.stores, self.project, self.settings, lambda uri: self.at(uri).stores)

    @cached_property
    def server_jobs(self) -> ServerJobs:
        """What can be done with jobs of the server that this is."""
        from starwhale.instances.jobs.server_jobs import ServerJobs

        return ServerJobs(self.stores.connection)

    @cached_property
    def tasks(self) -> TaskDesk:
        """What answers workers on other machines."""
        from starwhale.execution.network.desk import TaskDesk  # a server alone needs it

        return TaskDesk(self.stores)

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

    def served(self) -> ServedStores:
        """Return its stores as they are served to other programs."""
        from starwhale.instances.served_stores import ServedStores  # of the server alone

        return ServedStores(self.stores, self.jobs)

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
        found = self.at(uri).projects.select(uri)
        self._drop_others()
        self.configuration = read_configuration(self.configuration.path)
        for noun in ("projects", "datasets", "models", "runtimes", "jobs"):  # they know the current project
            self.__dict__.pop(noun, None)
        return found

    def describe(self, name: str = LOCAL) -> dict[str, Any]:  # Any: a JSON object
        """Say where an instance keeps things; a server is asked.

        Raises:
            NotFoundError: There is none of that name; the nearest are said.
            ServerError: It cannot be reached.
        """
        logins = read_logins(self.settings)
        if name.casefold() == LOCAL:
            return {
                "name": LOCAL,
                "type": "standalone",
                "uri": str(self.root),
                "current_project": self.project,
                "configuration": str(self.configuration.path),
                "in_use": logins.selected == LOCAL,
                "version": VERSION,
            }
        found = logins.get(name)
        said = ask_server(self.settings, found.address, found.token)
        return {**describe_login(found, logins), "version": said["version"], "root": said.get("root", "")}

    def list_instances(self) -> Sequence[dict[str, Any]]:  # Any: JSON objects
        """Return this machine's instance, and the servers that the user has logged in to; no server is asked."""
        logins = read_logins(self.settings)
        return [self.describe(), *(describe_login(each, logins) for each in logins.servers)]

    def select_instance(self, name: str) -> dict[str, Any]:  # Any: a JSON object
        """Make an instance the one of URIs that name none, for every later call of the program.

        Raises:
            NotFoundError: There is none of that name; the nearest are said.
        """
        alias = select(self.settings, name)
        return next(each for each in self.list_instances() if each["name"] == alias)

    def _drop_others(self) -> None:
        while self._others:
            self._others.popitem()[1].close()

    def close(self) -> None:
        """Close the stores."""
        self._drop_others()
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
    stores = open_stores(
        StoresRef(root=str(root)),
        lambda: settings.s3.with_configured(configuration.s3),
        lambda address: access_of(address, settings),
    )
    return Instance(settings, configuration, stores)
