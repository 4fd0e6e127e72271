"""All stores of one instance together, and the small value from which any process opens them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starwhale.settings import S3Accounts
from starwhale.storage import object_accounts
from starwhale.storage.layout import Layout

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
    from starwhale.storage.log_files import LogFiles
    from starwhale.storage.remote.connection import ServerAccess, ServerConnection
    from starwhale.storage.remote.remote_datasets import ServerFiles
    from starwhale.storage.result_parts.results import LocalResultStore


S = TypeVar("S")
_CONNECTION = "connection"
"""What connections are called among what was opened; those to other servers have their address behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresRef:
    """Where stores are: goes to another process as JSON and opens the same ones there."""

    root: str
    """Absolute path of the Standalone root; of a server's stores, where this machine keeps what it needs itself."""
    server: str = ""
    """Address of the server that has them; empty where they lie below the root. What lets in is never here: each process finds it itself."""
    instance: str = "local"
    """Alias of the instance."""

    @property
    def names(self) -> tuple[str, ...]:
        """What URIs call the instance."""
        return (self.instance, self.server) if self.server else (self.instance,)

    def to_json(self) -> dict[str, str]:
        """Return a JSON object from which `from_json` makes an equal value."""
        if not self.server:
            return {"root": self.root}
        return {"root": self.root, "server": self.server, "instance": self.instance}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> StoresRef:
        """Read what `to_json` wrote."""
        return cls(**data)


class Stores:
    """The stores of one instance, each opened when it is first used. Whoever opened them closes them.

    Those of a server are the same contracts over HTTP: each meets what the class that is said here promises of its contract, and no more.
    """

    def __init__(
        self,
        ref: StoresRef,
        accounts: Callable[[], S3Accounts] | None = None,
        access: Callable[[str], ServerAccess] | None = None,
    ) -> None:
        self.ref = ref
        """Opens the same stores elsewhere."""
        self._accounts = accounts or object_accounts.accounts
        self._access = access
        self.layout = Layout(Path(ref.root))
        """Where everything lies."""
        self._opened: dict[str, Any] = {}  # Any: stores of different classes, by name
        self._lock = threading.RLock()

    @property
    def names(self) -> tuple[str, ...]:
        """What URIs call the instance."""
        return self.ref.names

    @property
    def connection(self) -> ServerConnection:
        """Asks the server that has them."""
        from starwhale.storage.remote.connection import ServerConnection
        from starwhale.storage.remote.logins import access_of

        return self._once(_CONNECTION, lambda: ServerConnection((self._access or access_of)(self.ref.server)))

    @property
    def catalog(self) -> SqlCatalog:
        """What exists, and the ledger."""
        if self.ref.server:
            from starwhale.storage.remote.remote_catalog import RemoteCatalog

            found = self._once("catalog", lambda: RemoteCatalog(self.connection, self.ref.instance))
            return cast("SqlCatalog", found)  # cast: see the class
        from starwhale.storage.catalog.catalog import open_catalog

        return self._once("catalog", lambda: open_catalog(self.layout.catalog, self.layout.root / ".lock"))

    @property
    def datasets(self) -> LocalDatasetStore:
        """Rows of datasets."""
        if self.ref.server:
            from starwhale.storage.remote.remote_datasets import RemoteDatasetStore

            found = self._once("datasets", lambda: RemoteDatasetStore(self.connection))
            return cast("LocalDatasetStore", found)  # cast: see the class
        from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore

        def open_datasets() -> LocalDatasetStore:
            return LocalDatasetStore(
                self.layout.datasets, accounts=self._accounts, files_of_server=self._files_of_server
            )

        return self._once("datasets", open_datasets)

    def _files_of_server(self, address: str) -> ServerFiles:
        """Return the files of datasets of a server, as the user has logged in to it."""
        from starwhale.storage.remote.connection import ServerConnection
        from starwhale.storage.remote.logins import access_of
        from starwhale.storage.remote.remote_datasets import ServerFiles

        access = (self._access or access_of)(address)  # looked up each time: the user may have logged in anew
        name = f"{_CONNECTION} {access.address} {hash(access.token)}"
        return ServerFiles(self._once(name, lambda: ServerConnection(access)))

    @property
    def results(self) -> LocalResultStore:
        """What jobs and evaluations found."""
        if self.ref.server:
            from starwhale.storage.remote.remote_results import RemoteResultStore

            found = self._once("results", lambda: RemoteResultStore(self.connection))
            return cast("LocalResultStore", found)  # cast: see the class
        from starwhale.storage.result_parts.results import LocalResultStore

        return self._once("results", lambda: LocalResultStore(self.layout, self.catalog))

    @property
    def logs(self) -> LogFiles:
        """What user code has printed."""
        if self.ref.server:
            from starwhale.storage.remote.remote_logs import RemoteLogFiles

            return self._once("logs", lambda: RemoteLogFiles(self.connection))
        from starwhale.storage.log_files import LocalLogFiles

        return self._once("logs", lambda: LocalLogFiles(self.layout))

    @property
    def blobs(self) -> LocalBlobStore:
        """Content-addressed bytes."""
        if self.ref.server:
            from starwhale.storage.remote.remote_blobs import RemoteBlobStore

            found = self._once("blobs", lambda: RemoteBlobStore(self.connection))
            return cast("LocalBlobStore", found)  # cast: see the class
        from starwhale.storage.blobs.local import LocalBlobStore

        return self._once("blobs", lambda: LocalBlobStore(self.layout.blobs))

    def _once(self, name: str, opened: Callable[[], S]) -> S:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = opened()
            return self._opened[name]

    def close(self) -> None:
        """Close what was opened, connections last."""
        for name in sorted(self._opened, key=lambda each: (each.startswith(_CONNECTION), each == "catalog")):
            store = self._opened.pop(name, None)
            close = getattr(store, "close", None)
            if close is not None:
                close()


def open_stores(
    ref: StoresRef,
    accounts: Callable[[], S3Accounts] | None = None,
    access: Callable[[str], ServerAccess] | None = None,
) -> Stores:
    """Open the stores of a root that is there, which `instances.open_instance` made, or of a server.

    Args:
        ref: Where they are.
        accounts: Gives the keys of object stores, when the first one is needed; None takes them from the environment, as in a process
            that got nothing but the reference.
        access: Gives what lets in to a server, when it is first asked; None takes the user's logins, or the environment.
    """
    return Stores(ref, accounts, access)
