"""The catalog of a server: a request per method of `catalog.contract`, its body and answer made of the method's annotations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast

from starwhale.domain.uri import parse_uri
from starwhale.errors import NotBuiltYetError, NotFoundError, ServerError
from starwhale.storage.catalog.catalog import new_id
from starwhale.storage.catalog.contract import (
    MOST_JOBS,
    BundlesContract,
    JobsContract,
    LedgerContract,
    Operation,
    ProjectsContract,
    TagsContract,
    VersionsContract,
    operations,
)
from starwhale.storage.catalog.job_records import JobRecord
from starwhale.storage.catalog.newest import Newest
from starwhale.storage.catalog.records import VersionRecord

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from starwhale.storage.remote.connection import ServerConnection

PAGE = 1000
"""Items of a page that is asked for."""


class RemoteCatalog:
    """What exists on a server. Safe to use from several threads.

    Args:
        connection: Asks it.
        instance: Its alias, which versions are told by.
        page: Items of a list that are asked for at a time.
    """

    def __init__(self, connection: ServerConnection, instance: str, page: int = PAGE) -> None:
        self._page = page
        self._connection = connection
        self._instance = instance
        self._names = (instance, connection.address)
        self.make_id: Callable[[], str] = new_id
        """Gives ids of versions."""

    @cached_property
    def projects(self) -> ProjectsContract:
        """What everything else is sorted by."""
        return cast("ProjectsContract", self._part("projects"))  # cast: it has the methods of the contract

    @cached_property
    def bundles(self) -> BundlesContract:
        """Named datasets, models and runtimes."""
        return cast("BundlesContract", self._part("bundles"))  # cast: as above

    @cached_property
    def versions(self) -> VersionsContract:
        """Their versions."""
        return cast("VersionsContract", self._part("versions"))  # cast: as above

    @cached_property
    def tags(self) -> TagsContract:
        """What points at versions."""
        return cast("TagsContract", self._part("tags"))  # cast: as above

    @cached_property
    def jobs(self) -> JobsContract:
        """Jobs with their steps and attempts."""
        asked = cast("JobsContract", self._part("jobs"))  # cast: as above
        return cast("JobsContract", RemoteJobs(asked, self._names))  # cast: it hands on what it does not know

    @cached_property
    def ledger(self) -> LedgerContract:
        """How far jobs are."""
        return cast("LedgerContract", self._part("ledger"))  # cast: as above

    def find_newest(self, project: str, kind: str, name: str) -> Newest:
        """Return what a name in any case means."""
        bundle = self.bundles.find(project, kind, name)
        if bundle is not None:
            return Newest(has_project=True, bundle=bundle, version=self.versions.newest(bundle.id))
        try:
            self.projects.get(project)
        except NotFoundError:
            return Newest(has_project=False)
        return Newest(has_project=True)

    def close(self) -> None:
        """Do nothing: whoever opened the connection closes it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        message = f"{name.replace('_', ' ')} of the server {self._instance!r} cannot be asked for yet"
        raise NotBuiltYetError(message, hint="copy what you need here: swcli dataset|model|runtime|job copy")

    def _part(self, part: str) -> _Part:
        return _Part(self._connection, part, self._told, self._page)

    def _told(self, value: Any) -> Any:  # Any: what an operation returns
        return dataclasses.replace(value, instance=self._instance) if isinstance(value, VersionRecord) else value


class RemoteJobs:
    """The jobs of a server, also by URIs that name it: it does not know what it is called here."""

    def __init__(self, asked: JobsContract, names: Sequence[str]) -> None:
        self._asked = asked
        self._names = names

    def get(self, text: str, *, project: str = "self", removed: bool = False) -> JobRecord:
        """Return the job that a word means.

        Raises:
            NotFoundError: Nothing fits, or the URI names another instance.
        """
        uri = parse_uri(text, kind="job", default_project=project, instances=self._names)
        return self._asked.get(uri.name, project=uri.project, removed=removed)

    def list(
        self, project: str | None = None, *, limit: int = 100, offset: int = 0, removed: bool = False
    ) -> Sequence[JobRecord]:
        """Return jobs, the newest first; as many requests as it takes. One that begins meanwhile shifts the others, which come once all the same."""
        found: dict[str, JobRecord] = {}
        while limit > 0:
            count = min(limit, MOST_JOBS)
            some = self._asked.list(project, limit=count, offset=offset, removed=removed)
            found |= {each.id: each for each in some}
            if len(some) < count:
                break
            limit, offset = limit - count, offset + count
        return [*found.values()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)


class _Part:
    """One noun: each method of its contract."""

    def __init__(self, connection: ServerConnection, part: str, told: Callable[[Any], Any], page: int) -> None:
        for (of, name), operation in operations().items():
            if of == part:
                setattr(self, name, _asking(connection, operation, told, page))


def _asking(
    connection: ServerConnection, operation: Operation, told: Callable[[Any], Any], page: int
) -> Callable[..., Any]:
    path = f"/stores/catalog/{operation.part}/{operation.name}"

    def call(*arguments: Any, **named: Any) -> Any:  # Any: what the contract says
        given = operation.bind(arguments, named)
        body = {
            name: adapter(operation.parameters[name].annotation).dump_python(value, mode="json")
            for name, value in given.items()
        }
        if operation.order is not None:
            return [told(each) for each in _pages(connection, path, {"limit": page}, body, operation)]
        key = connection.new_key() if operation.changes else ""
        return told(_read(connection, operation.returns, connection.ask("POST", path, body, key=key)))

    return call


def _pages(
    connection: ServerConnection, path: str, query: dict[str, Any], body: dict[str, Any], operation: Operation
) -> Sequence[Any]:  # Any: items of a list
    found: list[Any] = []
    after = ""
    while True:
        page = connection.ask("POST", path, body, query={**query, **({"after": after} if after else {})})
        try:
            items, after = page["items"], page["next"]
        except (TypeError, KeyError) as error:
            raise _unreadable(connection) from error
        found += _read(connection, list[operation.returns], items)
        if not after:
            return found


def _read(connection: ServerConnection, kind: Any, said: Any) -> Any:
    try:
        return adapter(kind).validate_python(said)
    except ValueError as error:  # of pydantic, too
        raise _unreadable(connection) from error


def _unreadable(connection: ServerConnection) -> ServerError:
    message = f"the server at {connection.address} answers what this program cannot read"
    return ServerError(message, address=connection.address, hint="use the same version of the program on both sides")


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:  # Any: an annotation
    """Return what makes JSON of values of a kind, and values of JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


__all__ = ["RemoteCatalog", "adapter"]
