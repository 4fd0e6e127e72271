"""References to versions: small values that other processes open, and that a fork leaves usable."""

from __future__ import annotations

import os
import threading
from typing import NoReturn, Protocol

from starwhale.errors import NothingToCommitError
from starwhale.storage.protocols import DatasetReader
from starwhale.storage.stores import StoresRef, open_stores


class RowsRef(Protocol):
    """Finds the rows of a dataset, in this process or in another."""

    @property
    def name(self) -> str:
        """Name of the dataset, for messages."""
        ...

    def open(self) -> DatasetReader:
        """Return the rows; the same reader as long as this process lives."""
        ...


class VersionRef:
    """A committed version: pickled as where it lies and what it is, and opened again in every process.

    Open files are never shared with a process that was forked: their locks may be held by threads that are not there.

    Args:
        name: Name of the dataset.
        stores: Where its rows lie.
        dataset_id: The dataset in these stores.
        digest: Digest of the version's manifest.
        reader: The version as it is open in this process already.
    """

    def __init__(
        self, name: str, stores: StoresRef, dataset_id: str, digest: str, *, reader: DatasetReader | None = None
    ) -> None:
        self.name = name
        self.stores = stores
        self.dataset_id = dataset_id
        self.digest = digest
        self._reader = reader
        self._process = os.getpid()
        self._lock = threading.Lock()

    def open(self) -> DatasetReader:
        """Return the rows; opened again where this process is another than before."""
        if self._process != os.getpid():
            self._reader, self._process, self._lock = None, os.getpid(), threading.Lock()
        with self._lock:
            if self._reader is None:
                self._reader = open_stores(self.stores).datasets.open_version(self.dataset_id, self.digest)
            return self._reader

    def __reduce__(self) -> tuple[object, ...]:
        return VersionRef, (self.name, self.stores, self.dataset_id, self.digest)


class UncommittedView:
    """Rows with changes that are not committed: readable in the process that made them only.

    Args:
        name: Name of the dataset.
        reader: The rows as they are now.
    """

    def __init__(self, name: str, reader: DatasetReader) -> None:
        self.name = name
        self._reader = reader
        self._process = os.getpid()

    def open(self) -> DatasetReader:
        """Return the rows.

        Raises:
            NothingToCommitError: This is another process.
        """
        if self._process != os.getpid():
            self._refuse()
        return self._reader

    def __reduce__(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        message = f"dataset {self.name!r} has changes that are not committed, which other processes cannot read"
        raise NothingToCommitError(
            message, hint="commit() them and open the dataset again, or read without worker processes"
        )
