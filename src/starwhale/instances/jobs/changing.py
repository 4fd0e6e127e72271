"""What changes a job that there is: it is stopped, hidden, brought back, and written on. A server is asked to do it with its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from starwhale.instances.jobs.reading import JobReading

if TYPE_CHECKING:
    from starwhale.instances.jobs.server_jobs import ServerJobs
    from starwhale.storage.catalog.job_records import JobRecord


class JobChanging(JobReading):
    """The verbs of jobs that change one."""

    @cached_property
    def _there(self) -> ServerJobs | None:
        """The jobs of the server that has them; None on this machine."""
        from starwhale.instances.jobs.server_jobs import ServerJobs

        return ServerJobs(self._stores.connection) if self._stores.ref.server else None

    def remove(self, job: str) -> JobRecord:
        """Hide a job until it is recovered.

        Raises:
            ConflictError: It is running.
        """
        found = self.get(job)
        if self._there is not None:
            self._there.change(found.id, "remove")
        else:
            self._stores.catalog.jobs.remove(found.id)
        return found

    def recover(self, job: str) -> JobRecord:
        """Bring a removed job back."""
        found = self.get(job, removed=True)
        if self._there is not None:
            self._there.change(found.id, "recover")
        else:
            self._stores.catalog.jobs.recover(found.id)
        return self._stores.catalog.jobs.get(found.id)

    def pause(self, job: str, *, timeout_s: float | None = None) -> JobRecord:
        """Stop a job for now, whichever process runs it, and return it when it has stopped; `resume` goes on with it.

        What runs stops at its next batch. One that nobody works on is left as it is.

        Args:
            job: How it is addressed.
            timeout_s: Wait so long at most; None until it has stopped.

        Raises:
            StatusError: It has ended; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        from starwhale.domain.wish import Wish
        from starwhale.instances.jobs.job_control import WaitLimits, stop_job

        if self._there is not None:
            return self.find(self._there.stop(self.get(job).id, "pause", timeout_s=timeout_s))
        return stop_job(self._stores, self.get(job), Wish.PAUSE, WaitLimits(timeout_s=timeout_s))

    def cancel(self, job: str, *, force: bool = False, timeout_s: float | None = None) -> JobRecord:
        """Stop a job for good, whichever process runs it, and return it when it has stopped; what was done is kept.

        Args:
            job: How it is addressed.
            force: Do not wait for the batches under way; a driver that does not answer within ten seconds is ended.
            timeout_s: Wait so long at most; None until it has stopped.

        Raises:
            StatusError: It has ended otherwise; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
            ConflictError: Its driver does not answer, and is a notebook or on another machine.
        """
        from starwhale.domain.wish import Wish
        from starwhale.instances.jobs.job_control import WaitLimits, stop_job

        if self._there is not None:
            return self.find(self._there.stop(self.get(job).id, "cancel", force=force, timeout_s=timeout_s))
        wish = Wish.FORCE if force else Wish.CANCEL
        return stop_job(self._stores, self.get(job), wish, WaitLimits(timeout_s=timeout_s))

    def tag(self, job: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> tuple[str, ...]:
        """Add tags to a job and take tags away, and return those that it has then; what is so already is left as it is.

        Raises:
            NotFoundError: There is no such job.
            InvalidNameError: A tag breaks the naming rule.
            UsageError: They would be too many.
        """
        from starwhale.instances.jobs.job_words import tag_job, tags_of

        if self._there is not None:
            found = self.get(job)
            self._there.change(found.id, "tags", {"add": [*add], "remove": [*remove]})
            return tags_of(self.find(found.id))
        return tag_job(self._stores, self.get(job), add=add, remove=remove)

    def note(self, job: str, text: str) -> str:
        """Write a note on a job, in place of the one that is there; empty takes it away.

        Raises:
            NotFoundError: There is no such job.
            UsageError: It is too long.
        """
        from starwhale.instances.jobs.job_words import note_job, note_of

        if self._there is not None:
            found = self.get(job)
            self._there.change(found.id, "note", {"text": text})
            return note_of(self.find(found.id))
        return note_job(self._stores, self.get(job), text)
