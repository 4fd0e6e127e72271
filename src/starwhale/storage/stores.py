"""All stores of one root together, and the small value from which any process opens them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from starwhale.settings import S3Accounts
from starwhale.storage import object_accounts
from starwhale.storage.layout import Layout

if TYPE_CHECKING:
    from starwhale.storage.blobs.local import LocalBlobStore
    from starwhale.storage.catalog.catalog import SqlCatalog
    from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
    from starwhale.storage.result_parts.results import LocalResultStore


S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresRef:
    """Where stores are: goes to another process as JSON and opens the same ones there."""

    root: str
    """Absolute path of the Standalone root."""

    def to_json(self) -> dict[str, str]:
        """Return a JSON object from which `from_json` makes an equal value."""
        return {"root": self.root}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> StoresRef:
        """Read what `to_json` wrote."""
        return cls(root=data["root"])


class Stores:
    """The stores of one root, each opened when it is first used. Whoever opened them closes them."""

    def __init__(self, ref: StoresRef, accounts: Callable[[], S3Accounts] | None = None) -> None:
        self.ref = ref
        """Opens the same stores elsewhere."""
        self._accounts = accounts or object_accounts.accounts
        self.layout = Layout(Path(ref.root))
        """Where everything lies."""
        self._opened: dict[str, Any] = {}  # Any: stores of different classes, by name
        self._lock = threading.RLock()

    @property
    def catalog(self) -> SqlCatalog:
        """What exists, and the ledger."""
        from starwhale.storage.catalog.catalog import open_catalog

        return self._once("catalog", lambda: open_catalog(self.layout.catalog, self.layout.root / ".lock"))

    @property
    def datasets(self) -> LocalDatasetStore:
        """Rows of datasets."""
        from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore

        return self._once("datasets", lambda: LocalDatasetStore(self.layout.datasets, accounts=self._accounts))

    @property
    def results(self) -> LocalResultStore:
        """What jobs and evaluations found."""
        from starwhale.storage.result_parts.results import LocalResultStore

        return self._once("results", lambda: LocalResultStore(self.layout, self.catalog))

    @property
    def blobs(self) -> LocalBlobStore:
        """Content-addressed bytes."""
        from starwhale.storage.blobs.local import LocalBlobStore

        return self._once("blobs", lambda: LocalBlobStore(self.layout.blobs))

    def _once(self, name: str, opened: Callable[[], S]) -> S:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = opened()
            return self._opened[name]

    def close(self) -> None:
        """Close what was opened."""
        for name in ("results", "datasets", "blobs", "catalog"):
            store = self._opened.pop(name, None)
            close = getattr(store, "close", None)
            if close is not None:
                close()


def open_stores(ref: StoresRef, accounts: Callable[[], S3Accounts] | None = None) -> Stores:
    """Open the stores of a root that is there: `instances.open_instance` made it.

    Args:
        ref: Where they are.
        accounts: Gives the keys of object stores, when the first one is needed; None takes them from the environment, as in a process
            that got nothing but the reference.
    """
    return Stores(ref, accounts)
