"""The catalog: every noun of it together, over one database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.version import make_version
from starwhale.storage.catalog.bundles import Bundles
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.events import Events
from starwhale.storage.catalog.jobs import Jobs
from starwhale.storage.catalog.ledger import Ledger
from starwhale.storage.catalog.migrations.apply import prepare
from starwhale.storage.catalog.parts import Parts
from starwhale.storage.catalog.projects import Projects
from starwhale.storage.catalog.records import Driver
from starwhale.storage.catalog.versions_tags import Tags, Versions

if TYPE_CHECKING:
    from sqlalchemy import Connection


def new_id() -> str:
    """A new random id of 40 characters."""
    return make_version(os.urandom(25))


class SqlCatalog:
    """What exists and who works on what, in one database; safe with threads and with several processes at once.

    Whoever opens it closes it. Time and ids come in, so that tests can fix them.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        make_id: Callable[[], str] = new_id,
        is_living: Callable[[Driver], bool] = is_alive,
    ) -> None:
        self._database = database
        self.clock = clock
        """Seconds since the epoch."""
        self.make_id = make_id
        """Gives ids of versions, bundles and jobs."""
        self.projects = Projects(database, clock)
        """What everything else is sorted by."""
        self.bundles = Bundles(database, clock, make_id)
        """Named datasets, models and runtimes."""
        self.versions = Versions(database, clock, make_id)
        """Their versions."""
        self.tags = Tags(database)
        """What points at versions."""
        self.jobs = Jobs(database, clock, is_living)
        """Jobs with their steps, tasks and attempts."""
        self.ledger = Ledger(database, clock)
        """Who may work on which rows."""
        self.parts = Parts(database, clock)
        """Parts of results."""
        self.events = Events(database, clock)
        """What happened."""

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that sees the catalog as it was at one moment."""
        return self._database.read()

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that holds the write lock; committed at the end, or rolled back when it raises."""
        return self._database.write()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def open_catalog(
    path: Path,
    lock: Path,
    *,
    clock: Callable[[], float] = time.time,
    make_id: Callable[[], str] = new_id,
    is_living: Callable[[Driver], bool] = is_alive,
) -> SqlCatalog:
    """Open the catalog in a file, made or migrated if it has to be.

    Args:
        path: The SQLite file.
        lock: File whose lock decides which process migrates.
        clock: Seconds since the epoch.
        make_id: Gives new ids.
        is_living: Whether the driver of a job lives.

    Raises:
        RootError: It belongs to a newer program.
    """
    prepare(path, lock)
    return SqlCatalog(Database(path), clock=clock, make_id=make_id, is_living=is_living)
