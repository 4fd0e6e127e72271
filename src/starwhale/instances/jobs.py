"""What can be done with the jobs of an instance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri

if TYPE_CHECKING:
    from starwhale.domain.job import HandlerRecord, RunRequest
    from starwhale.execution.start import JobOutcome, RunOptions
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

        Raises:
            NotFoundError: There is no such project.
        """
        home = self._project if project is None else parse_project_uri(project).project
        if home not in {self._project, DEFAULT_PROJECT}:  # those two are there from the start
            self._stores.catalog.projects.get(home)
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

    def run(self, request: RunRequest, options: RunOptions | None = None) -> JobOutcome:
        """Run a job to its end in this process and its workers.

        Args:
            request: What the user asks for; without a project it is kept in the current one.
            options: How this process runs it.

        Raises:
            StarwhaleError: Something was found wrong before anything ran. What happens afterwards is in the outcome.
        """
        from starwhale.execution.start import start_job
        from starwhale.instances.pinning import pin_dataset

        projects = self._stores.catalog.projects
        named = parse_project_uri(request.project or self._project).project
        project = (projects.ensure(named) if named == DEFAULT_PROJECT else projects.get(named)).name
        request = dataclasses.replace(request, project=project)
        return start_job(
            request, self._stores, pin=lambda uri: pin_dataset(self._stores, uri, project=project), options=options
        )

    def discover(self, request: RunRequest) -> dict[str, HandlerRecord]:
        """Import the modules of a request in a worker and return their handlers by name."""
        from starwhale.execution.start import discover_handlers

        return discover_handlers(request, self._stores)

    def resume(
        self,
        job: str,
        *,
        executor: str | None = None,
        replicas: int | None = None,
        options: RunOptions | None = None,
    ) -> JobOutcome:
        """Go on with a job from the rows that are not done.

        Args:
            job: How it is addressed.
            executor: Another executor; None keeps the job's.
            replicas: Another number of tasks for the steps that consume rows; None keeps the job's.
            options: How this process runs it.

        Raises:
            ConflictError: A living process runs it.
            StatusError: It has succeeded already.
        """
        from starwhale.execution.start import resume_job

        return resume_job(self.get(job).id, self._stores, executor=executor, replicas=replicas, options=options)
