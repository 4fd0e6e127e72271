"""The catalog: every noun of it together, over one database."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.version import make_version
from starwhale.storage.catalog.driver import is_alive
from starwhale.storage.catalog.engine import Database
from starwhale.storage.catalog.job_records import Driver
from starwhale.storage.catalog.migrations.apply import prepare

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from starwhale.storage.catalog.bundles import Bundles
    from starwhale.storage.catalog.changes import Changes
    from starwhale.storage.catalog.events import Events
    from starwhale.storage.catalog.job_facts import JobFactsRows
    from starwhale.storage.catalog.jobs import Jobs
    from starwhale.storage.catalog.ledger import Ledger
    from starwhale.storage.catalog.newest import Newest
    from starwhale.storage.catalog.parts import Parts
    from starwhale.storage.catalog.projects import Projects
    from starwhale.storage.catalog.references import References
    from starwhale.storage.catalog.task_access import TaskAccess
    from starwhale.storage.catalog.versions_tags import Tags, Versions
    from starwhale.storage.catalog.wishes import Wishes


def new_id() -> str:
    """A new random id of 40 characters."""
    return make_version(os.urandom(25))


class SqlCatalog:
    """What exists and who works on what, in one database; safe with threads and with several processes at once.

    Whoever opens it closes it. Time and ids come in, so that tests can fix them. A noun's file is imported when it is first asked for: a
    command needs one or two of them.
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
        self._is_living = is_living

    @cached_property
    def projects(self) -> Projects:
        """What everything else is sorted by."""
        from starwhale.storage.catalog.projects import Projects

        return Projects(self._database, self.clock, self._is_living)

    @cached_property
    def bundles(self) -> Bundles:
        """Named datasets, models and runtimes."""
        from starwhale.storage.catalog.bundles import Bundles

        return Bundles(self._database, self.clock, self.make_id)

    @cached_property
    def versions(self) -> Versions:
        """Their versions."""
        from starwhale.storage.catalog.versions_tags import Versions

        return Versions(self._database, self.clock, self.make_id)

    @cached_property
    def tags(self) -> Tags:
        """What points at versions."""
        from starwhale.storage.catalog.versions_tags import Tags

        return Tags(self._database)

    @cached_property
    def jobs(self) -> Jobs:
        """Jobs with their steps, tasks and attempts."""
        from starwhale.storage.catalog.jobs import Jobs

        return Jobs(self._database, self.clock, self._is_living)

    @cached_property
    def ledger(self) -> Ledger:
        """Who may work on which rows."""
        from starwhale.storage.catalog.ledger import Ledger

        return Ledger(self._database, self.clock)

    @cached_property
    def access(self) -> TaskAccess:
        """Who may act for attempts of tasks from elsewhere."""
        from starwhale.storage.catalog.task_access import TaskAccess

        return TaskAccess(self._database, self.clock)

    @property
    def parts(self) -> Parts:
        """Parts of results."""
        return self._parts

    @cached_property
    def _parts(
        self,
    ) -> Parts:  # apart, because a contract asks for `parts` as a property, and a cached one is none to a type checker
        from starwhale.storage.catalog.parts import Parts

        return Parts(self._database, self.clock)

    @cached_property
    def references(self) -> References:
        """What was removed, and what still needs it."""
        from starwhale.storage.catalog.references import References

        return References(self._database, self._is_living)

    @cached_property
    def events(self) -> Events:
        """What happened."""
        from starwhale.storage.catalog.events import Events

        return Events(self._database, self.clock)

    def changes(self) -> Changes:
        """One who looks for changes; whoever asked for it closes it."""
        from starwhale.storage.catalog.changes import Changes

        return Changes(self._database, self._is_living)

    @cached_property
    def job_facts(self) -> JobFactsRows:
        """What a list of many jobs shows of each."""
        from starwhale.storage.catalog.job_facts import JobFactsRows

        return JobFactsRows(self._database, self._is_living)

    @cached_property
    def wishes(self) -> Wishes:
        """What drivers of jobs are asked to do."""
        from starwhale.storage.catalog.wishes import Wishes

        return Wishes(self._database, self.clock)

    def find_newest(self, project: str, kind: str, name: str) -> Newest:
        """Return what a name in any case means, as cheaply as can be.

        Raises:
            CorruptedError: What the catalog says of it is damaged.
        """
        from starwhale.storage.catalog.newest import find_newest

        return find_newest(self._database, project, kind, name)

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that sees the catalog as it was at one moment."""
        return self._database.read()

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that holds the write lock; committed at the end, or rolled back when it raises."""
        return self._database.write()

    def together(self) -> AbstractContextManager[None]:
        """One transaction of all that this thread reads and writes inside; see `Database.together`."""
        return self._database.together()

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
