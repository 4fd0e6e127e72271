"""What can be done with the jobs of an instance."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.domain.status import Status, is_active
from starwhale.domain.uri import DEFAULT_PROJECT, parse_project_uri
from starwhale.domain.version import SHORT_VERSION
from starwhale.errors import CannotTellError, JobTimeoutError, RestoreError, UsageError
from starwhale.instances.jobs.changing import JobChanging
from starwhale.settings import Settings

if TYPE_CHECKING:
    from starwhale.domain.job import DatasetInput, HandlerRecord, ResumeChanges, RunRequest
    from starwhale.execution.outcome import JobOutcome
    from starwhale.execution.run_options import RunOptions
    from starwhale.instances.jobs.job_compare import CompareOptions, FoundJob
    from starwhale.instances.jobs.job_gate import GateOptions
    from starwhale.instances.jobs.job_logs import LogChoice, TaskLogLines
    from starwhale.instances.jobs.log_lines import LinesFound, LinesWanted
    from starwhale.instances.jobs.pinning import StoresAt
    from starwhale.instances.jobs.reproduce import Repeated, ReproduceOptions
    from starwhale.results.compare.findings import Comparison
    from starwhale.results.gate.report import Gate
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores
    from starwhale.transfer.archive import OnBytes
    from starwhale.transfer.job_archive import Imported

POLL_S = 0.2
"""Time between two looks at a job that is waited for, or whose logs are followed, on this machine."""
REMOTE_POLL_S = 1.0
"""The same on a server, where a look is several requests."""


class JobVerbs(JobChanging):
    """Verbs of jobs: those that look, and those that run and change. A job is addressed by its id, a unique beginning of it, its name, `latest`, `latest~N` or a URI."""

    def __init__(self, stores: Stores, project: str, settings: Settings, stores_at: StoresAt | None = None) -> None:
        super().__init__(stores, project)
        self._settings = settings
        self._stores_at = stores_at

    def _refuse_there(self, what: str, hint: str) -> None:
        """Refuse what is done where the job lies alone.

        Raises:
            UsageError: It lies on a server.
        """
        if self._stores.ref.server:
            raise UsageError(f"a job of the server {self._stores.ref.instance!r} is not {what} from here", hint=hint)

    def found(self, job: str) -> FoundJob:
        """Return a job with the place where it lies: what comparisons take, whose jobs may lie on several instances.

        Raises:
            NotFoundError: Nothing fits.
        """
        from starwhale.instances.jobs.job_compare import FoundJob

        return FoundJob(job=self.get(job), stores=self._stores)

    def compare(self, *runs: str, options: CompareOptions | None = None) -> Comparison:
        """Compare jobs, or files of predictions, row by row.

        Args:
            runs: How jobs are addressed, or paths that end in .csv, .jsonl or .parquet; the first is the baseline.
            options: By what, and how; None for the only score by row that they share.

        Raises:
            NotFoundError: A run, a metric or a column does not exist, or they share no row.
            UsageError: What is asked for makes no sense together; the message says why.
        """
        from starwhale.instances.jobs.job_compare import CompareOptions, compare

        return compare(self.found, runs, options or CompareOptions())

    def gate(self, run: str, *, options: GateOptions) -> Gate:
        """Judge a job, or a file of predictions, by rules: kept, broken, or not to be told from the rows that there are.

        Args:
            run: How the job is addressed, or a path that ends in .csv, .jsonl or .parquet.
            options: The rules, the baseline, and how.

        Raises:
            NotFoundError: A run, a metric, a column or a slice does not exist, or they share no row.
            StatusError: A job has not succeeded.
            UsageError: What is asked for makes no sense together, or a rule does not parse (`RuleError`).
        """
        from starwhale.instances.jobs.job_gate import gate

        return gate(self.found, run, options)

    def wait(self, job: str, *, timeout_s: float | None = None, poll_s: float | None = None) -> JobRecord:
        """Wait until nobody works on a job any more: it has ended, or was stopped, or its driver has died.

        Args:
            job: How it is addressed.
            timeout_s: Wait so long at most; None for ever.
            poll_s: Look so often; None for as often as is cheap where the job lies.

        Raises:
            JobTimeoutError: It has not ended in that time; it goes on.
        """
        found = self.get(job)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        jobs = self._stores.catalog.jobs
        poll_s = poll_s or (REMOTE_POLL_S if self._stores.ref.server else POLL_S)
        while is_active(found.status) or found.status is Status.CREATED or jobs.is_driven(found):
            if deadline is not None and time.monotonic() >= deadline:
                message = f"job {found.id[:SHORT_VERSION]} is still {found.status} after {timeout_s:g} s"
                raise JobTimeoutError(message, hint="wait longer, or look at it with swcli job info")
            time.sleep(poll_s)
            found = jobs.get(found.id)
        return found

    def logs(self, job: str, choice: LogChoice | None = None, *, limit: int = 0) -> Sequence[TaskLogLines]:
        """Return what the tasks of a job have printed, as far as they printed anything.

        Args:
            job: How it is addressed.
            choice: Which logs; by default those of the last attempt of every task, and of worker processes.
            limit: The last so many lines of each; 0 for all.

        Raises:
            NotFoundError: No such job, step, task or attempt; those that exist are named.
        """
        from starwhale.instances.jobs.job_logs import LogChoice, read_logs

        return read_logs(self._stores, self.get(job), choice or LogChoice(), limit=limit)

    def follow_logs(self, job: str, choice: LogChoice | None = None, *, limit: int = 0) -> Iterator[TaskLogLines]:
        """Return the last lines of the logs, then what comes, until nobody works on the job any more.

        Raises:
            NotFoundError: As `logs`; a task that may still start is waited for.
        """
        from starwhale.instances.jobs.job_logs import LogChoice, follow_logs

        poll_s = REMOTE_POLL_S if self._stores.ref.server else POLL_S
        return follow_logs(self._stores, self.get(job), choice or LogChoice(), limit=limit, poll_s=poll_s)

    def list_logs(self, job: str) -> Sequence[TaskLogLines]:
        """Return the logs of all attempts that hold something, without their lines; worker processes last."""
        from starwhale.instances.jobs.job_logs import list_logs

        return list_logs(self._stores, self._stores.catalog.jobs.get(job, project=self._project))

    def log_lines(self, job: str, choice: LogChoice, wanted: LinesWanted) -> LinesFound:
        """Return lines of one log by their place.

        Args:
            job: How it is addressed.
            choice: Which log: of a step's task, or, without a step, of the worker process of that number.
            wanted: Which lines.

        Raises:
            NotFoundError: No such job, step, task, attempt or worker process.
        """
        from starwhale.instances.jobs.job_logs import find_log
        from starwhale.instances.jobs.log_lines import read_lines

        return read_lines(find_log(self._stores, self.get(job), choice), wanted)

    def labelled_rows(self, job: str) -> Iterator[tuple[str, dict[str, Any]]]:  # Any: cells
        """Return rows of a dataset made of what a job recorded; what a person said is right is the label.

        Raises:
            NotFoundError: There is no such job.
            StatusError: It has no rows.
        """
        from starwhale.instances.jobs.labelled_rows import labelled_rows

        return labelled_rows(self._stores, self.get(job))

    def metrics(self, *jobs: str) -> Sequence[str]:
        """Return what jobs can be compared by: metrics that all of them ask for, then, as `TABLE.COLUMN`, scores by row that all have."""
        from starwhale.instances.jobs.job_compare import wanted_by_all
        from starwhale.results.compare.metric_names import shared_columns

        records = [self.get(each) for each in jobs]
        return [
            *wanted_by_all(lambda _job: self._stores, records),
            *shared_columns(lambda _job: self._stores, records),
        ]

    def differences(self, *jobs: str) -> Sequence[dict[str, Any]]:  # Any: JSON objects
        """Return what is not the same in how jobs were run: `{"name", "values": {<job id>: …}}`."""
        from starwhale.instances.jobs.job_choices import differences

        return differences([self.get(each) for each in jobs])

    def possible(self, job: JobRecord) -> Sequence[str]:
        """Return the verbs that a job allows as it stands."""
        from starwhale.instances.jobs.job_choices import possible

        return possible(self._stores, job)

    def again(self, job: str) -> RunRequest:
        """Return what a job asked for, as the request of a new job that has an id already; nothing runs.

        Raises:
            NotFoundError: There is no such job, or the folder of its code is gone.
            UsageError: A process of its own cannot run it, or a secret is missing that it was given as an argument.
        """
        from starwhale.instances.jobs.run_again import again_request

        self._refuse_there("run again", "copy it here first: swcli job copy URI .")
        return again_request(self._stores, self.get(job))

    def run(self, request: RunRequest, options: RunOptions | None = None) -> JobOutcome:
        """Run a job to its end in this process and its workers.

        With a model URI the version is unpacked for the job, which runs there and nowhere else; that copy goes when the job has
        succeeded. Otherwise it stays, so that the lines of an error can be looked at, and `resume` goes on there.

        Args:
            request: What the user asks for; without a project it is kept in the current one. With `model_uri` it needs neither
                `workdir` nor `modules`.
            options: How this process runs it.

        Raises:
            StarwhaleError: Something was found wrong before anything ran. What happens afterwards is in the outcome.
        """
        from starwhale.execution.start import start_job
        from starwhale.instances.jobs.job_runtime import enter_runtime
        from starwhale.instances.jobs.pinning import pin_again, pin_dataset
        from starwhale.instances.jobs.snapshots import drop_snapshot, has_job, take_snapshot

        self._refuse_there("run", "submit it: swcli model run --run-project URI, or Job.create(URI, …)")
        projects = self._stores.catalog.projects
        named = parse_project_uri(request.project or self._project).project
        project = (projects.ensure(named) if named == DEFAULT_PROJECT else projects.get(named)).name
        request = dataclasses.replace(request, project=project)
        if request.model_uri:
            request = take_snapshot(self._stores, request)
        try:
            request, options = enter_runtime(self._stores, self._settings, request, options)
            first = self.get(request.reproduces) if request.reproduces else None

            def pin(uri: str) -> DatasetInput:
                if first:
                    return pin_again(self._stores, uri, first, self._stores_at)
                return pin_dataset(self._stores, uri, project=project, stores_at=self._stores_at)

            outcome = start_job(request, self._stores, pin=pin, options=options)
        except BaseException:
            if request.model_uri and not has_job(self._stores, request.job_id):
                drop_snapshot(self._stores, request.job_id)
            raise
        self._tidy(request, outcome)
        return outcome

    def submit(self, request: RunRequest) -> JobRecord:
        """Write a job down that the server of this instance is to run when it is its turn, and return it.

        Args:
            request: What the user asks for: a packaged model, and a project. With an id that is there already, and the same model and
                datasets, it is that job.

        Raises:
            UsageError: It runs no packaged model, has secrets in its arguments, or its options make no sense.
            NotFoundError: There is no such model, dataset, runtime or project; the nearest names are said.
        """
        from starwhale.instances.jobs.submit import submit_job

        return submit_job(self._stores, self._settings, request)

    def submitted(self) -> Sequence[JobRecord]:
        """Return jobs that were submitted and have not ended, the oldest first."""
        from starwhale.execution.supervise import SUBMITTED

        return [each for each in self._stores.catalog.jobs.unfinished() if SUBMITTED in each.record]

    def most_tasks(self, job: JobRecord) -> int:
        """Return how many tasks a job has at once, at most."""
        return max((each.step.replicas for each in self._stores.catalog.jobs.steps(job.id)), default=1)

    def discover(self, request: RunRequest) -> dict[str, HandlerRecord]:
        """Return the handlers of a request by name: as recorded for a packaged model, else by importing its modules in a worker.

        Raises:
            NotFoundError: There is no such model.
            HandlerError: The modules cannot be imported.
        """
        from starwhale.execution.start import discover_handlers

        if request.model_uri:
            from starwhale.instances.jobs.snapshots import pin_model
            from starwhale.models.describe import read_handlers

            project = parse_project_uri(request.project or self._project).project
            return read_handlers(pin_model(self._stores, dataclasses.replace(request, project=project))[1])
        from starwhale.instances.jobs.job_runtime import enter_runtime

        request = dataclasses.replace(request, project=parse_project_uri(request.project or self._project).project)
        request, options = enter_runtime(self._stores, self._settings, request, None)
        return discover_handlers(request, self._stores, options)

    def resume(
        self, job: str, changes: ResumeChanges | None = None, *, options: RunOptions | None = None
    ) -> JobOutcome:
        """Go on with a job from the rows that are not done; with `changes.failed` also from those that have failed.

        Args:
            job: How it is addressed.
            changes: What is to be different from now on.
            options: How this process runs it.

        Raises:
            ConflictError: A living process runs it, or it was imported.
            StatusError: It was a debug run, of which nothing is kept.
            UsageError: A secret is missing that the job was given as an argument.
        """
        from starwhale.domain.job import ResumeChanges
        from starwhale.execution.resume import changed_request, resume_job
        from starwhale.instances.jobs.job_runtime import enter_runtime
        from starwhale.storage.catalog.jobs import refuse_imported

        self._refuse_there("resumed", "ask the server: swcli job resume URI, or Job.resume()")
        found = self.get(job)
        refuse_imported(found)

        def prepare(job: JobRecord, options: RunOptions) -> RunOptions:
            if job.request.model_uri and (job.status is Status.QUEUED or not is_active(job.status)):
                from starwhale.instances.jobs.snapshots import bring_back_snapshot

                bring_back_snapshot(self._stores, job.request, job.id)
            request = changed_request(job.request, changes or ResumeChanges())
            return enter_runtime(self._stores, self._settings, request, options, is_begun=True)[1]

        outcome = resume_job(found.id, self._stores, changes, options=options, prepare=prepare)
        self._tidy(dataclasses.replace(found.request, job_id=found.id), outcome)
        return outcome

    def export(  # noqa: PLR0913 - one parameter per option of the command
        self,
        job: str,
        target: Path,
        *,
        with_model: bool = False,
        with_datasets: bool = False,
        with_runtime: bool = False,
        force: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> int:
        """Write a job to one file that `import_archive` takes elsewhere, and return its bytes: record, results, errors and logs.

        Args:
            job: How it is addressed.
            target: The file.
            with_model: Take the packaged model along.
            with_datasets: Take the dataset versions along.
            with_runtime: Take the runtime along that the job ran in, or the model that carries it.
            force: Replace a file that is there.
            on_bytes: Told how far it is.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It is running, or has not begun.
            AlreadyExistsError: The file is there.
            UsageError: Its folder is not there, or what should go along cannot.
            CorruptedError: A file is damaged; nothing is written then.
            NoSpaceError: The disk is full; nothing is left of the file.
        """
        from starwhale.instances.archive_place import make_place
        from starwhale.transfer.job_archive import export_job
        from starwhale.transfer.target import find_target

        self._refuse_there("exported", "copy it here first: swcli job copy URI .")
        found = self.get(job)
        target = find_target(target, force=force)
        wanted = {"model": with_model, "datasets": with_datasets, "runtime": with_runtime}
        members = [name for name, is_wanted in wanted.items() if is_wanted]
        return export_job(self._stores, make_place(self._stores), found, target, members, on_bytes)

    def import_archive(
        self,
        path: Path,
        *,
        project: str = "",
        ignore_tags: Sequence[str] = (),
        force: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> Imported:
        """Bring a job in, under the id that it had, with what came along in the archive; nothing of it runs.

        It can be read and compared like any other, and not be gone on with.

        Args:
            path: The archive.
            project: Project of the job and of what comes with it; empty for the current one.
            ignore_tags: Tags of the versions that are left out.
            force: Move tags that point at another version, and write damaged files of versions again.
            on_bytes: Told how far it is.

        Raises:
            UsageError: It is not there, cannot be read, or holds something else.
            CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
            AlreadyExistsError: There is another job of that id, or it was removed, or a tag points at another version.
            NoSpaceError: The disk is full.
        """
        from starwhale.instances.archive_place import make_place, plan_import
        from starwhale.transfer.job_archive import import_job

        self._refuse_there("imported", "import it here, and copy it: swcli job copy")
        plan = plan_import(
            self._stores, "job", self._project, "", project=project, ignore_tags=ignore_tags, force=force
        )
        return import_job(self._stores, make_place(self._stores), path, plan, on_bytes)

    def reproduce(
        self, job: str, wanted: ReproduceOptions | None = None, options: RunOptions | None = None
    ) -> Repeated:
        """Run a job again on what it ran on, as a new job, and compare what both found.

        Args:
            job: How it is addressed.
            wanted: All rows or a sample, and what else is wanted.
            options: How this process runs it.

        Raises:
            CannotTellError: What it ran on is gone or has changed, or the environment of its runtime cannot be made here.
            StatusError: It has not succeeded.
            UsageError: A secret is missing that the job was given as an argument.
        """
        from starwhale.instances.jobs.reproduce import ReproduceOptions, compare_and_note, repeat_request

        self._refuse_there("reproduced", "copy it here first: swcli job copy URI .")
        found = self.get(job)
        request = repeat_request(self._stores, found, wanted or ReproduceOptions(), self._stores_at)
        try:
            outcome = self.run(request, options)
        except RestoreError as error:
            message = f"the environment that job {found.id[:SHORT_VERSION]} ran in cannot be made here: {error.message}"
            raise CannotTellError(message, hint=error.hint) from error
        return compare_and_note(self._stores, found, outcome)

    def _tidy(self, request: RunRequest, outcome: JobOutcome) -> None:
        """Remove the copy of a packaged model that a job has succeeded with, or that nobody will go on with."""
        is_over = outcome.had_work and (outcome.status is Status.SUCCESS or request.is_debug)
        if request.model_uri and not request.keeps_snapshot and is_over:
            from starwhale.instances.jobs.snapshots import drop_snapshot

            drop_snapshot(self._stores, outcome.job_id)
