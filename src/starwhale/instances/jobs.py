"""What can be done with the jobs of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.uri import parse_project_uri

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import JobRecord, StepRecord
    from starwhale.storage.stores import Stores


class JobVerbs:
    """Verbs of jobs. A job is addressed by its id, a unique beginning of it, its name, `latest`, `latest~N` or a URI."""

    def __init__(self, stores: Stores, project: str) -> None:
        self._stores = stores
        self._project = project

    def list(
        self, project: str | None = None, *, limit: int = 100, offset: int = 0, removed: bool = False
    ) -> Sequence[JobRecord]:
        """Return jobs, the newest first.

        Args:
            project: URI of the project; None for the current one.
            limit: At most so many.
            offset: Leave out so many of the newest.
            removed: The removed ones instead of the others.
        """
        home = self._project if project is None else parse_project_uri(project).project
        return self._stores.catalog.jobs.list(home, limit=limit, offset=offset, removed=removed)

    def get(self, job: str) -> JobRecord:
        """Return one job.

        Raises:
            NotFoundError: Nothing fits.
        """
        return self._stores.catalog.jobs.get(job, project=self._project)

    def steps(self, job: str) -> Sequence[StepRecord]:
        """Return the steps of one job, needs first."""
        return self._stores.catalog.jobs.steps(self.get(job).id)

    def remove(self, job: str) -> JobRecord:
        """Hide a job until it is recovered.

        Raises:
            ConflictError: It is running.
        """
        found = self.get(job)
        self._stores.catalog.jobs.remove(found.id)
        return found

    def recover(self, job: str) -> JobRecord:
        """Bring a removed job back."""
        found = self._stores.catalog.jobs.get(job, project=self._project, removed=True)
        self._stores.catalog.jobs.recover(found.id)
        return self._stores.catalog.jobs.get(found.id)
