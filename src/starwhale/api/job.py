"""`Job`: a run that was made, and a way to make one. Its verbs are those of `swcli job`, and `run` is `swcli model run`.

@evaluation.predict
def score(row): ...

Job.run(score, datasets="digits")                     functions of this notebook or script, as threads of its process
Job.run(datasets=["digits", "more"], replicas=4)      the one that no other needs
Job.run(model="examples/digits", datasets="digits")   a folder, a .py file or a model's URI, in worker processes
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from starwhale.api.evaluation import Evaluation
from starwhale.api.instance import default_instance
from starwhale.api.job_code import local_request, make_request
from starwhale.api.job_run import dataset_uris, reproduce_job, resume_job, run_job, run_or_go_on
from starwhale.domain.job import ResumeChanges
from starwhale.domain.uri import Uri
from starwhale.errors import NotBuiltYetError, NotFoundError, UsageError, nearest
from starwhale.storage.protocols import Key, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.instances.job_logs import TaskLog
    from starwhale.results.compare.findings import Comparison
    from starwhale.results.gate.report import Gate
    from starwhale.results.report import JobReport
    from starwhale.results.reproduction import Reproduction
    from starwhale.storage.catalog.records import JobRecord, StepRecord


class Job:
    """A job of the local instance; what it says is read anew each time.

    Args:
        uri: Id, unique beginning of one, name, URI, `latest` or `latest~N`.
        removed: Look among the removed jobs instead of the others.

    Raises:
        NotFoundError: Nothing fits.
    """

    def __init__(self, uri: str, *, removed: bool = False) -> None:
        found = _find(str(uri), removed=removed)
        self.id = found.id
        """40 characters."""
        self.uri = Uri(kind="job", project=found.project, name=found.id)
        """The URI with nothing left out."""

    @classmethod
    def get(cls, uri: str, *, removed: bool = False) -> Job:
        """Return a job by id, unique beginning, name, URI, `latest` or `latest~N`.

        Raises:
            NotFoundError: Nothing fits.
        """
        return cls(uri, removed=removed)

    @classmethod
    def run(
        cls,
        handler: Any = None,  # Any: a function, a class with predict and evaluate, a name, or a list of them
        *,
        model: str | Path | None = None,
        datasets: Any = (),  # Any: a URI or a Dataset, or a list of them
        executor: str | None = None,
        replicas: int | Literal["auto"] | None = None,
        concurrency: int | None = None,
        dataset_head: int = 0,
        limit: int = 0,
        time_limit_s: float = 0,
        seed: int = 0,
        max_errors: int | str = "",
        project: str = "",
        name: str = "",
        arguments: Sequence[str] = (),
        runtime: str = "",
        resume: bool | None = None,
    ) -> Job:
        """Run a handler over datasets, with what it needs, and return the job when it has ended.

        Functions that were decorated in a notebook's cell or in the script that runs run as threads of this process; running a cell
        again replaces them. Everything else runs in worker processes. Ctrl-C (or an interrupt of the kernel) stops at the next batch; running
        the cell again goes on with the rows that are left, as does `Job.resume`.

        Args:
            handler: Decorated function, or several of which one needs the others; name or position of one; None for the one handler that
                no other needs.
            model: Folder, `.py` file or URI of a packaged model; None for functions.
            datasets: Datasets to evaluate on; without any, those that the handlers name.
            executor: `thread` (the default) or `process`; the latter needs code in a file.
            replicas: Tasks that share the rows, instead of what the handlers say; "auto" for as many as fit this machine.
            concurrency: Calls of an async predict that each task has in flight, instead of what the handler says.
            dataset_head: Only the first rows of each dataset; 0 means all.
            limit: Most rows of the whole job; 0 means all.
            time_limit_s: Stop at the next batches after so many seconds, keeping what was done; 0 for no limit.
            seed: From which each row's seed is derived.
            max_errors: Rows of each step that may fail before the job does, as `10` or `"1%"`; they are recorded with their errors. Without
                it, the handlers say whether a failed row ends the job.
            project: Project that keeps the job; empty for the current one.
            name: Name by which the job can be addressed.
            arguments: Options of the handlers, as they stand after `--` on the command line.
            runtime: URI of a runtime in whose environment the workers run; empty for the one that is active, or that the model carries.

            resume: Whether a job goes on that was interrupted, asked for the same and has the same code, instead of a new one; None does that
                where somebody types: in a notebook or at a prompt.

        Raises:
            UserCodeError: The user's code raised; `frame` says where, and `job_id` which job it was.
            InterruptedJobError: It was stopped.
            StarwhaleError: Something was found wrong before anything ran, or the job could not be carried out.
        """
        __tracebackhide__ = True  # a notebook shows the user's frames instead of this one
        options: dict[str, Any] = {  # Any: fields of the request
            "datasets": dataset_uris(datasets) or default_instance().settings.datasets,
            "replicas": None if replicas == "auto" else replicas,
            "fits_replicas": replicas == "auto",
            "concurrency": concurrency,
            "dataset_head": dataset_head,
            "limit": limit,
            "time_limit_s": time_limit_s,
            "seed": seed,
            "max_errors": str(max_errors),
            "project": str(project),
            "name": name,
            "arguments": tuple(str(each) for each in arguments),
            "runtime_uri": str(runtime),
        }
        return cls(run_or_go_on(make_request(handler, model, executor, options), resume=resume))

    @classmethod
    def list(cls, project: str = "", page_index: int = 1, page_size: int = 20) -> tuple[list[Job], dict[str, Any]]:
        """Return a page of jobs, the newest first, and what page it is.

        Raises:
            UsageError: A page of less than one job was asked for.
        """
        if page_size < 1:
            message = f"page_size is {page_size}"
            raise UsageError(message, hint="use at least 1")
        offset = (max(page_index, 1) - 1) * page_size
        found = default_instance().jobs.list(str(project) or None, limit=page_size + 1, offset=offset)
        jobs = [Job(each.id) for each in found[:page_size]]
        return jobs, {
            "page_index": page_index,
            "page_size": page_size,
            "size": len(jobs),
            "has_more": len(found) > page_size,
        }

    @classmethod
    def create(  # noqa: PLR0917 - the signature that scripts rely on
        cls,
        project: str,
        model: Any,
        run_handler: Any,
        datasets: Sequence[str] | None = None,
        runtime: str | None = None,
        resource_pool: str = "default",
        ttl: int = 0,
        dev_mode: bool = False,
        dev_mode_password: str = "",
        dataset_head: int = 0,
        overwrite_specs: Any = None,
    ) -> Job:
        """Run a handler and return the job; on the local instance the run has ended then, however it did.

        Args:
            project: Project that keeps the job.
            model: Folder, `.py` file or URI of a packaged model.
            run_handler: Name or position of the handler, or the function itself.
            datasets: Datasets to evaluate on.
            runtime: URI of a runtime in whose environment the workers run; None for the one that is active, or that the model carries.
            resource_pool: Of servers.
            ttl: Of servers.
            dev_mode: Of servers.
            dev_mode_password: Of servers.
            dataset_head: Only the first rows of each dataset; 0 means all.
            overwrite_specs: Of servers.

        Raises:
            NotFoundError: There is no such model, dataset or runtime.
            RestoreError: The environment of the runtime cannot be made.
            UsageError: A runtime was given, and the handler is a function of this very script or notebook.
        """
        del resource_pool, ttl, dev_mode, dev_mode_password, overwrite_specs  # of servers
        return cls.create_local(model, run_handler, project, datasets, dataset_head, runtime=runtime)

    @classmethod
    def create_local(
        cls,
        model: Any,  # Any: a directory or what names one
        run_handler: Any,  # Any: a name, a position or the function itself
        project: str = "self",
        datasets: Sequence[str] | None = None,
        dataset_head: int = 0,
        *,
        runtime: str | None = None,
    ) -> Job:
        """Run a handler of a model over datasets, and return the job when it has ended, however it did.

        A function of the script that runs, or of a notebook, runs in this process and sees its globals. Everything else runs in workers, with
        a `runtime` in its environment.
        """
        given = {
            "datasets": dataset_uris(datasets or ()),
            "project": str(project),
            "dataset_head": dataset_head,
            "runtime_uri": str(runtime or ""),
        }
        return cls(run_job(local_request(model, run_handler, given), raises=False))

    @classmethod
    def create_remote(cls, *args: Any, **kw: Any) -> Job:
        """Run a job on a server (not built yet)."""
        del args, kw
        raise NotBuiltYetError("Job.create_remote is not built yet", hint="use Job.create_local")

    @property
    def status(self) -> str:
        """Where it stands, in upper case."""
        return str(self._record.status).upper()

    @property
    def basic_info(self) -> dict[str, Any]:
        """The manifest."""
        from starwhale.results.manifest import job_manifest

        return job_manifest(self._record)

    def info(self) -> JobReport:
        """Return manifest and report."""
        from starwhale.results.report import make_report

        return make_report(default_instance().stores, self._record)

    @property
    def tables(self) -> list[str]:
        """Names of the tables that have rows, without the summary."""
        from starwhale.results.read import table_names

        return table_names(default_instance().stores, self._record)

    @property
    def summary(self) -> dict[str, Any]:
        """The summary; `{}` when there is none."""
        from starwhale.results.read import summary

        return summary(default_instance().stores, self._record)

    def get_table_rows(
        self,
        name: str,
        start: Key | None = None,
        end: Key | None = None,
        keep_none: bool = False,
        end_inclusive: bool = False,
    ) -> Iterator[dict[str, Value]]:
        """Read the rows of a table in its order; an unknown table has none."""
        from starwhale.results.read import read_rows

        query = TableQuery(table=name, start=start, end=end, end_inclusive=end_inclusive)
        return read_rows(default_instance().stores, self._record, query, keep_none=keep_none)

    def to_pandas(self, table: str = "results") -> Any:  # Any: a pandas.DataFrame; pandas is optional
        """Return a whole table as a data frame.

        Raises:
            NotFoundError: The job has no such table.
            MissingDependencyError: pandas is not installed.
        """
        from starwhale.results.frame import to_pandas

        return to_pandas(default_instance().stores, self._record, self._check_table(table))

    def to_arrow(self, table: str = "results") -> Any:  # Any: a pyarrow.Table, which ships no types
        """Return a whole table as an Arrow table; columns without an Arrow type come as text.

        Raises:
            NotFoundError: The job has no such table.
        """
        from starwhale.results.frame import to_arrow

        return to_arrow(default_instance().stores, self._record, self._check_table(table))

    def _check_table(self, table: str) -> str:
        names = [*self.tables, "results", "summary"]
        if table not in names:
            raise NotFoundError(f"job {self.id[:12]} has no table {table!r}", hint=nearest(table, names))
        return table

    @property
    def evaluation_store(self) -> Evaluation:
        """The job's results as an Evaluation."""
        return Evaluation(self.id, self.uri.project)

    @property
    def steps(self) -> list[StepRecord]:
        """Its steps, needs first, with their status and times."""
        return list(default_instance().jobs.steps(self.id))

    def wait(self, timeout_s: float | None = None) -> Job:
        """Wait until nobody works on the job any more; `status` says how it ended.

        Raises:
            JobTimeoutError: It has not ended in that time, and goes on; it is a TimeoutError.
        """
        default_instance().jobs.wait(self.id, timeout_s=timeout_s)
        return self

    def results(
        self, table: str = "", where: str | None = None, limit: int = 20, failed: bool = False, *, offset: int = 0
    ) -> list[dict[str, Value]]:
        """Return the first rows of a table that fit.

        Args:
            table: One of `tables`, in any case; empty for `results`.
            where: An expression over the columns, as `swcli job results --where` has it: `"output > 3 and input/text is not null"`.
            limit: At most so many; 0 means all.
            failed: The rows that failed, in row order and with their errors, instead of a table.
            offset: Leave out so many of the first that fit.

        Raises:
            NotFoundError: The job has no such table.
            UsageError: The expression breaks, or names a column that no row has.
        """
        from starwhale.results.scan import scan

        record = self._record
        found = scan(
            default_instance().stores,
            record,
            table,
            where=where or "",
            limit=limit or None,
            offset=offset,
            failed=failed,
        )
        return list(found.rows)

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
    ) -> Job:
        """Go on from the rows that are not done, to the end.

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
        resume_job(self.id, changes)
        return self

    def logs(
        self, step: str = "", task: int | None = None, attempt: int | None = None, limit: int = 0
    ) -> list[TaskLog]:
        """Return what its tasks have printed: one value per task that printed anything, with its `lines`.

        Args:
            step: Only this step: the handler's name, or its function's; empty for all.
            task: Only this task of its step, from 0; None for all.
            attempt: This try of each task; None for the last.
            limit: The last so many lines of each; 0 for all.

        Raises:
            NotFoundError: No such step, task or attempt; those that exist are named.
        """
        from starwhale.instances.job_logs import LogChoice

        choice = LogChoice(step=step, task=task, attempt=attempt)
        return list(default_instance().jobs.logs(self.id, choice, limit=limit))

    def pause(self, timeout_s: float | None = None) -> Job:
        """Stop it for now, whichever process runs it, and wait until it has stopped; `resume` goes on with it.

        Raises:
            StatusError: It has ended; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        default_instance().jobs.pause(self.id, timeout_s=timeout_s)
        return self

    def cancel(self, force: bool = False, timeout_s: float | None = None) -> Job:
        """Stop it for good, whichever process runs it, and wait until it has stopped; what was done is kept.

        Args:
            force: Do not wait for the batches under way.
            timeout_s: Wait so long at most; None until it has stopped.

        Raises:
            StatusError: It has ended otherwise; the message says how.
            JobTimeoutError: It has not stopped in that time; it still will.
        """
        default_instance().jobs.cancel(self.id, force=force, timeout_s=timeout_s)
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
        default_instance().jobs.export(
            self.id,
            Path(path),
            with_model=with_model,
            with_datasets=with_datasets,
            with_runtime=with_runtime,
            force=force,
        )
        return Path(path)

    @classmethod
    def import_archive(cls, path: str | os.PathLike[str], project: str = "", force: bool = False) -> Job:
        """Bring a job in that `export` wrote, with what came with it, and return it; one that is there already is left as it is.

        Args:
            path: The archive.
            project: Project of the job; empty for the current one.
            force: Move tags that point at another version.

        Raises:
            CorruptedError: It is no archive, or not whole, or damaged; nothing is imported.
            AlreadyExistsError: There is another job of that id.
        """
        return cls(default_instance().jobs.import_archive(Path(path), project=project, force=force).job.id)

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
            self.id, sample=sample, seed=seed, allow_changed=allow_changed, arguments=tuple(map(str, arguments))
        )

    @staticmethod
    def compare(
        *runs: Job | str | Path,
        metric: str | Sequence[str] = (),
        baseline: Job | str | Path | None = None,
        lower_is_better: str | Sequence[str] = (),
        by: str | Sequence[str] = (),
        cluster: str = "",
        key: str = "id",
        margin: float | None = None,
        examples: int = 10,
        flips: str | Path = "",
    ) -> Comparison:
        """Say whether one run is better than another, with error bars, and on which examples.

        Args:
            runs: Jobs, their addresses, or files of predictions (CSV, JSON Lines, Parquet), two or more.
            metric: `TABLE.COLUMN` of jobs, a column of files; empty for the only one that there is, or all that files share.
            baseline: What the others are compared with; None for the first.
            lower_is_better: Metrics of which less is better.
            by: Columns whose values make slices.
            cluster: Column that says which rows are alike.
            key: Column of files that says which example a row is.
            margin: Difference too small to matter, in the unit of the metric.
            examples: So many rows that each run gained, and lost, come with inputs and outputs.
            flips: File for all of them (.csv, .jsonl, .parquet); empty for none.

        Returns:
            Every value and difference; `str` of it is the sentence that says what came of it.

        Raises:
            NotFoundError: A run, a metric or a column does not exist, or they share no row.
            PairingError: Nothing says which row is which.
            UsageError: What is asked for makes no sense together; the message says why.
        """
        from starwhale.instances.job_compare import CompareOptions

        def listed(given: str | Sequence[str]) -> tuple[str, ...]:
            return (given,) if isinstance(given, str) and given else tuple(given)

        def named(run: Job | str | Path) -> str:
            return run.id if isinstance(run, Job) else str(run)

        options = CompareOptions(
            baseline="" if baseline is None else named(baseline),
            metrics=listed(metric),
            lower_is_better=listed(lower_is_better),
            by=listed(by),
            cluster=cluster,
            key=key,
            margin=margin,
            examples=examples,
            flips_file=str(flips),
        )
        return default_instance().jobs.compare(*map(named, runs), options=options)

    @staticmethod
    def gate(
        run: Job | str | Path,
        *,
        rule: str | Sequence[str] = (),
        rules_file: str | Path = "",
        baseline: Job | str | Path | None = None,
        lower_is_better: str | Sequence[str] = (),
        cluster: str = "",
        key: str = "",
        allow_missing: bool = False,
        flips: str | Path = "",
    ) -> Gate:
        """Judge a run by rules: each is kept, broken, or not to be told from the rows that there are.

        Args:
            run: A job, its address, or a file of predictions (CSV, JSON Lines, Parquet).
            rule: Rules such as `accuracy >= baseline - 0.01` or `accuracy[lang=de] >= 0.9`.
            rules_file: A file of rules; what is said here goes before what it says.
            baseline: What rules mean by `baseline`; of the same kind as `run`.
            lower_is_better: Metrics of which less is better.
            cluster: Column that says which rows are alike.
            key: Column of files that says which example a row is; empty for `id`.
            allow_missing: Leave rows without a score out, instead of taking them for as bad as can be.
            flips: File for the rows that changed against the baseline (.csv, .jsonl, .parquet); empty for none.

        Returns:
            What came of it: `outcome`, `findings` by rule, `to_markdown()`, `to_junit()`; `str` of it is one sentence.

        Raises:
            NotFoundError: A run, a metric, a column or a slice does not exist, or they share no row.
            StatusError: A job has not succeeded.
            RuleError: A rule does not parse; the message shows the place.
            UsageError: What is asked for makes no sense together.
        """
        from starwhale.instances.job_gate import GateOptions

        def named(given: Job | str | Path) -> str:
            return given.id if isinstance(given, Job) else str(given)

        options = GateOptions(
            rules=(rule,) if isinstance(rule, str) and rule else tuple(rule),
            rules_file=str(rules_file),
            baseline="" if baseline is None else named(baseline),
            lower_is_better=(lower_is_better,)
            if isinstance(lower_is_better, str) and lower_is_better
            else tuple(lower_is_better),
            cluster=cluster,
            key=key,
            allow_missing=allow_missing,
            flips_file=str(flips),
        )
        return default_instance().jobs.gate(named(run), options=options)

    def remove(self) -> None:
        """Hide the job until it is recovered.

        Raises:
            ConflictError: It is running.
        """
        default_instance().jobs.remove(self.id)

    def recover(self) -> None:
        """Bring the removed job back; `Job.get(uri, removed=True)` finds one that was removed earlier."""
        default_instance().jobs.recover(self.id)

    @property
    def _record(self) -> JobRecord:
        try:
            return default_instance().jobs.get(self.id)
        except NotFoundError:  # removed, and still held by the user
            return _find(self.id, removed=True)

    def __repr__(self) -> str:
        from starwhale.api.job_view import job_line

        return job_line(self._record)

    def _repr_html_(self) -> str:
        from starwhale.api.job_view import job_html

        return job_html(self._record, self.info())


def _find(uri: str, *, removed: bool) -> JobRecord:
    instance = default_instance()
    return instance.catalog.jobs.get(uri, project=instance.project, removed=True) if removed else instance.jobs.get(uri)


job = Job.get
