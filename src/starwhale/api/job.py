"""`Job`: a run that was made, and a way to make one. Its verbs are those of `swcli job`, and `run` is `swcli model run`.

@evaluation.predict
def score(row): ...

Job.run(score, datasets="digits")                     functions of this notebook or script, as threads of its process
Job.run(datasets=["digits", "more"], replicas=4)      the one that no other needs
Job.run(model="examples/digits", datasets="digits")   a folder, a .py file or a model's URI, in worker processes
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from starwhale.api.instance import default_instance
from starwhale.api.job_code import local_request, make_request
from starwhale.api.job_run import dataset_uris, run_job, run_or_go_on, submit_job
from starwhale.api.job_verbs import JobVerbs
from starwhale.domain.uri import as_instance
from starwhale.errors import UsageError

if TYPE_CHECKING:
    from starwhale.results.compare.findings import Comparison
    from starwhale.results.gate.report import Gate


class Job(JobVerbs):
    """A job, on this machine or on a server; what it says is read anew each time.

    Args:
        uri: Id, unique beginning of one, name, URI, `latest` or `latest~N`.
        removed: Look among the removed jobs instead of the others.

    Raises:
        NotFoundError: Nothing fits.
    """

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
        image: str = "",
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
            executor: `thread` (the default), `process`, `container` or `ray` (on the cluster of SW_RAY_ADDRESS, if that is there); all but the first need
                code in a file.
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
            image: With the executor `container`, the image of its containers; empty for the one that the runtime names.
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
            "image": image,
        }
        return cls(run_or_go_on(make_request(handler, model, executor, options), resume=resume))

    @classmethod
    def list(cls, project: str = "", page_index: int = 1, page_size: int = 20) -> tuple[list[Job], dict[str, Any]]:
        """Return a page of jobs of a project on any instance, the newest first, and what page it is.

        Raises:
            UsageError: A page of less than one job was asked for.
        """
        if page_size < 1:
            message = f"page_size is {page_size}"
            raise UsageError(message, hint="use at least 1")
        offset = (max(page_index, 1) - 1) * page_size
        there = default_instance().at(project)
        found = there.jobs.list(str(project) or None, limit=page_size + 1, offset=offset)
        jobs = [Job(f"{as_instance(there.name)}/project/{each.project}/job/{each.id}") for each in found[:page_size]]
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
        """Run a handler and return the job: on this machine the run has ended then, however it did; a server runs it when it is its turn.

        Args:
            project: Project that keeps the job; `cloud://<alias>/project/<name>` submits it to a server.
            model: Folder, `.py` file or URI of a packaged model.
            run_handler: Name or position of the handler, or the function itself.
            datasets: Datasets to evaluate on.
            runtime: URI of a runtime in whose environment the workers run; None for the one that is active, or that the model carries.
            resource_pool: Servers of this program have one, `default`.
            ttl: Seconds after which a server stops the job at its next batches; 0 for no limit. Without effect on this machine.
            dev_mode: Servers of this program have none.
            dev_mode_password: The same.
            dataset_head: Only the first rows of each dataset; 0 means all.
            overwrite_specs: Servers of this program have none.

        Raises:
            NotFoundError: There is no such model, dataset or runtime.
            RestoreError: The environment of the runtime cannot be made.
            UsageError: A runtime was given, and the handler is a function of this very script or notebook; or a server is asked for what it
                does not have.
        """
        if default_instance().at(project).login is None:
            return cls.create_local(model, run_handler, project, datasets, dataset_head, runtime=runtime)
        return cls.create_remote(
            project,
            model,
            run_handler,
            datasets,
            runtime,
            resource_pool,
            ttl,
            dev_mode,
            dev_mode_password,
            dataset_head,
            overwrite_specs,
        )

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

        Args:
            model: Folder, `.py` file or URI of a packaged model.
            run_handler: Name or position of the handler, or the function itself.
            project: Project that keeps the job.
            datasets: URIs of datasets to evaluate on; None for those that the handlers name.
            dataset_head: Only the first rows of each dataset; 0 means all.
            runtime: URI of a runtime in whose environment the workers run; None for the one that is active, or that the model carries.

        Raises:
            StarwhaleError: Something was found wrong before anything ran. How a job ended that ran is its `status`.
        """
        given = {
            "datasets": dataset_uris(datasets or ()),
            "project": str(project),
            "dataset_head": dataset_head,
            "runtime_uri": str(runtime or ""),
        }
        return cls(run_job(local_request(model, run_handler, given), raises=False))

    @classmethod
    def create_remote(  # noqa: PLR0917 - that of `create`
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
        """Submit a job to a server, which runs it when it is its turn, and return it; `wait` waits for its end.

        A folder or a `.py` file is packaged and copied first. Plain names mean versions of the server; URIs of this instance are copied there.
        The arguments are those of `create`.

        Raises:
            NotFoundError: Something of it is neither here nor there.
            UsageError: The project names no server, the handler is a function of this very script or notebook, or the server is asked for
                what it does not have.
        """
        asked = {
            "resource_pool": resource_pool != "default",
            "dev_mode": dev_mode or bool(dev_mode_password),
            "overwrite_specs": overwrite_specs,
        }
        for name, is_asked in asked.items():
            if is_asked:
                raise UsageError(f"servers of this program have no {name}", hint=f"leave {name} out")
        given = {
            "datasets": dataset_uris(datasets or ()),
            "project": str(project),
            "dataset_head": dataset_head,
            "runtime_uri": str(runtime or ""),
            "time_limit_s": ttl,
        }
        return cls(submit_job(local_request(model, run_handler, given)))

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

    @staticmethod
    def compare(
        *runs: Job | str | Path,
        metric: str | Sequence[str] = (),
        baseline: Job | str | Path | None = None,
        lower_is_better: str | Sequence[str] = (),
        by: str | Sequence[str] = (),
        cluster: str | None = None,
        key: str = "id",
        label: str = "",
        prediction: str = "",
        scores: str = "",
        positive: str = "",
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
            cluster: Column that says which rows are alike; None for the one that the jobs name, empty for none.
            key: Column of files that says which example a row is.
            label: Column of files with what is true; empty for `label`, `target`, `expected` and their like.
            prediction: Column of files with what the model says; empty for `prediction`, `predicted`, `output` and their like.
            scores: Column of files that says how sure the model is; empty for `scores`, `probability` and their like.
            positive: The label of files that two-class metrics are about.
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
        from starwhale.instances.jobs.job_compare import CompareOptions
        from starwhale.results.compare.measured_files import FileColumns

        def listed(given: str | Sequence[str]) -> tuple[str, ...]:
            return (given,) if isinstance(given, str) and given else tuple(given)

        def named(run: Job | str | Path) -> str:
            return run.uri.full if isinstance(run, Job) else str(run)

        options = CompareOptions(
            baseline="" if baseline is None else named(baseline),
            metrics=listed(metric),
            lower_is_better=listed(lower_is_better),
            by=listed(by),
            cluster=cluster,
            key=key,
            file_columns=FileColumns(label=label, prediction=prediction, scores=scores, positive=positive),
            margin=margin,
            examples=examples,
            flips_file=str(flips),
        )
        return default_instance().compare(*map(named, runs), options=options)

    @staticmethod
    def gate(
        run: Job | str | Path,
        *,
        rule: str | Sequence[str] = (),
        rules_file: str | Path = "",
        baseline: Job | str | Path | None = None,
        lower_is_better: str | Sequence[str] = (),
        cluster: str | None = None,
        key: str = "",
        label: str = "",
        prediction: str = "",
        scores: str = "",
        positive: str = "",
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
            cluster: Column that says which rows are alike; None for the one that the jobs name, empty for none.
            key: Column of files that says which example a row is; empty for `id`.
            label: Column of files with what is true; the other three as in `compare`.
            prediction: Column of files with what the model says.
            scores: Column of files that says how sure the model is.
            positive: The label of files that two-class metrics are about.
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
        from starwhale.instances.jobs.job_gate import GateOptions
        from starwhale.results.compare.measured_files import FileColumns

        def named(given: Job | str | Path) -> str:
            return given.uri.full if isinstance(given, Job) else str(given)

        options = GateOptions(
            rules=(rule,) if isinstance(rule, str) and rule else tuple(rule),
            rules_file=str(rules_file),
            baseline="" if baseline is None else named(baseline),
            lower_is_better=(lower_is_better,)
            if isinstance(lower_is_better, str) and lower_is_better
            else tuple(lower_is_better),
            cluster=cluster,
            key=key,
            file_columns=FileColumns(label=label, prediction=prediction, scores=scores, positive=positive),
            allow_missing=allow_missing,
            flips_file=str(flips),
        )
        return default_instance().gate(named(run), options=options)


job = Job.get
