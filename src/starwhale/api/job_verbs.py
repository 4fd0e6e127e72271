"""What can be done with a job: wait for it, stop it, go on with it, run it again, take it elsewhere, hide it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from starwhale.api.instance import default_instance
from starwhale.api.job_reads import JobReads
from starwhale.api.job_run import reproduce_job, resume_job, resume_there
from starwhale.domain.job import ResumeChanges

if TYPE_CHECKING:
    from starwhale.results.reproduction import Reproduction


class JobVerbs(JobReads):
    """The part of `Job` that acts on a job that there is; the verbs are those of `swcli job`."""

    def wait(self, timeout_s: float | None = None) -> Self:
        """Wait until nobody works on the job any more; `status` says how it ended.

        Raises:
            JobTimeoutError: It has not ended in that time, and goes on; it is a TimeoutError.
        """
        self._there.jobs.wait(self.id, timeout_s=timeout_s)
        return self

    def resume(
        self,
        executor: str | None = None,
        replicas: int | Literal["auto"] | None = None,
        arguments: Sequence[str] = (),
        *,
        concurrency: int | None = None,
        max_errors: int | str = "",
        time_limit_s: float | None = None,
        failed: bool = False,
    ) -> Self:
        """Go on from the rows that are not done, to the end; on a server the job goes on there, and this returns at once.

        Args:
            executor: Another executor; None keeps the job's.
            replicas: Another number of tasks for the steps that consume rows, or "auto" for as many as fit this machine; None keeps the
                job's.
            concurrency: Another number of calls of an async predict in flight per task; None keeps the job's.
            arguments: Options of the handlers whose values no record keeps, because they are secrets: `["--api-key", key]`.
            max_errors: Another number of rows per step that may fail; empty keeps the job's.
            time_limit_s: Another time limit, 0 for none; None keeps the job's. The clock starts anew either way.
            failed: Try the rows that failed again too, also where the job has succeeded; the steps behind them run anew. What they had
                failed with stays in the table `retried_errors`, and their rows in `results` are marked `_retried`.

        Raises:
            ConflictError: A living process runs it.
            StatusError: It was a debug run, of which nothing is kept.
            UsageError: It is on a server, and something is to be different that only holds here.
            StarwhaleError: It failed again; as `run` raises.
        """
        __tracebackhide__ = True
        changes = ResumeChanges(
            executor=executor,
            replicas=None if replicas == "auto" else replicas,
            fits_replicas=replicas == "auto",
            concurrency=concurrency,
            max_errors=str(max_errors),
            failed=failed,
            time_limit_s=time_limit_s,
            arguments=tuple(map(str, arguments)),
        )
        if self._there.login is not None:
            resume_there(self._there, self.id, changes)
        else:
            resume_job(self.id, changes)
        return self

    def pause(self, timeout_s: float | None = None) -> Self:
        """Stop it for now, whichever process runs it, and wait until it has stopped; `resume` goes on with it.

        Raises:
            StatusError: It has ended; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        self._there.jobs.pause(self.id, timeout_s=timeout_s)
        return self

    def cancel(self, force: bool = False, timeout_s: float | None = None) -> Self:
        """Stop it for good, whichever process runs it, and wait until it has stopped; what was done is kept.

        Args:
            force: Do not wait for the batches under way.
            timeout_s: Wait so long at most; None until it has stopped.

        Raises:
            StatusError: It has ended otherwise; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        self._there.jobs.cancel(self.id, force=force, timeout_s=timeout_s)
        return self

    def export(
        self,
        path: str | os.PathLike[str],
        with_model: bool = False,
        with_datasets: bool = False,
        force: bool = False,
        *,
        with_runtime: bool = False,
    ) -> Path:
        """Write the job to one archive file, to be imported elsewhere, and return its path: record, results, errors and logs.

        Args:
            path: The file.
            with_model: Take the packaged model along.
            with_datasets: Take the dataset versions along.
            force: Replace a file that is there.
            with_runtime: Take the runtime along that it ran in, or the model that carries it.

        Raises:
            ConflictError: It is running, or has not begun.
            AlreadyExistsError: The file is there.
            UsageError: What should go along cannot: a work directory is no packaged model.
            CorruptedError: A file is damaged.
        """
        self._there.jobs.export(
            self.id,
            Path(path),
            with_model=with_model,
            with_datasets=with_datasets,
            with_runtime=with_runtime,
            force=force,
        )
        return Path(path)

    def copy(
        self,
        dest: str,
        with_model: bool = False,
        with_datasets: bool = False,
        with_runtime: bool = False,
        force: bool = False,
    ) -> str:
        """Copy the job to another instance, under its id, and return its URI there; what is there is not sent again.

        Args:
            dest: URI of a project: `cloud://<alias>/project/<project>`.
            with_model: Copy the packaged model too.
            with_datasets: Copy the dataset versions too.
            with_runtime: Copy the runtime too that it ran in.
            force: Move tags of these that point at other versions there.

        Raises:
            ConflictError: It is running, or has not begun.
            UsageError: The destination is on this instance, or what should go along cannot.
            ServerError: The server cannot be reached; the next try goes on where this one stopped.
        """
        from starwhale.instances.jobs.copy_job import JobCopyOptions

        options = JobCopyOptions(
            with_model=with_model, with_datasets=with_datasets, with_runtime=with_runtime, force=force
        )
        return default_instance().copy_job(self._address, dest, options).uri

    def reproduce(
        self, sample: int = 0, seed: int = 0, allow_changed: bool = False, arguments: Sequence[str] = ()
    ) -> Reproduction:
        """Run the job again on what it ran on, as a new job, and compare every row and metric.

        Args:
            sample: Try only so many rows, drawn at random, and compare no metrics; 0 means all.
            seed: From which the rows are drawn.
            allow_changed: Run a work directory, or functions of a notebook, that have changed since.
            arguments: Options of the handlers whose values no record keeps, because they are secrets: `["--api-key", key]`.

        Raises:
            CannotTellError: The model, a dataset or the source is gone or has changed.
            StatusError: The job has not succeeded.
            StarwhaleError: The new job failed; as `run` raises.
        """
        __tracebackhide__ = True
        return reproduce_job(
            self._address, sample=sample, seed=seed, allow_changed=allow_changed, arguments=tuple(map(str, arguments))
        )

    def tag(self, tags: Sequence[str] = (), remove: bool = False) -> Sequence[str]:
        """Add tags to the job, or take them away, and return those that it has then.

        Args:
            tags: The tags; without any nothing changes.
            remove: Take them away.

        Raises:
            InvalidNameError: A tag breaks the naming rule.
            UsageError: They would be too many.
        """
        return self._there.jobs.tag(self.id, add=() if remove else tags, remove=tags if remove else ())

    def note(self, text: str) -> str:
        """Write a note on the job, in place of the one that is there; empty takes it away.

        Raises:
            UsageError: It is too long.
        """
        return self._there.jobs.note(self.id, text)

    def remove(self) -> None:
        """Hide the job until it is recovered.

        Raises:
            ConflictError: It is running.
        """
        self._there.jobs.remove(self.id)

    def recover(self) -> None:
        """Bring the removed job back; `Job.get(uri, removed=True)` finds one that was removed earlier."""
        self._there.jobs.recover(self.id)
