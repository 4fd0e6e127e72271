"""Which jobs and files are compared, and by what: from names to one comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from starwhale.domain.row_id import told_apart
from starwhale.errors import NotFoundError, UsageError
from starwhale.results.compare.comparison import compare_runs
from starwhale.results.compare.examples import Flip, Pair, describe_flips, rows_of_columns
from starwhale.results.compare.files import is_run_file, read_run_file
from starwhale.results.compare.findings import Comparison, Question
from starwhale.results.compare.flips_file import check_flips_path, write_flips
from starwhale.results.compare.job_runs import (
    ROWS,
    check_pairing,
    read_cells,
    read_job_run,
    with_content,
)
from starwhale.results.compare.measured_files import FileColumns, has_labels, nearest_metric, with_measures
from starwhale.results.compare.measured_jobs import wanted_cluster, wanted_names
from starwhale.results.compare.metric_names import HOW_TO_SCORE, shared_columns
from starwhale.results.compare.runs import Id, Run

if TYPE_CHECKING:
    from starwhale.results.read import StoresOf
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

CellsOf = Callable[[Run, Sequence[Id], str], Mapping[Id, Mapping[str, Any]]]  # Any: values of users
"""Reads the cells of rows of a run; the metric itself is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundJob:
    """A job, and where it lies."""

    job: JobRecord
    """The job."""
    stores: Stores
    """Of the instance that has it."""


FindJob = Callable[[str], FoundJob]
"""Finds a job by how it is addressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How jobs are compared; the names are those of the command line."""

    baseline: str = ""
    """What the others are compared with; empty for the first."""
    metrics: tuple[str, ...] = ()
    """`TABLE.COLUMN` of jobs, columns of files; empty for the only one that there is, or all that files share."""
    lower_is_better: tuple[str, ...] = ()
    """Metrics of which less is better."""
    by: tuple[str, ...] = ()
    """Columns whose values make slices."""
    cluster: str | None = None
    """Column that says which rows are alike; None for the one that the jobs name, empty for none."""
    key: str = "id"
    """Column of files that says which example a row is."""
    file_columns: FileColumns = field(default_factory=FileColumns)
    """Where files have labels, predictions and scores, for metrics that are computed of these."""
    margin: float | None = None
    """Difference too small to matter."""
    confidence: float = 0.95
    """Of every interval."""
    examples: int = 0
    """So many flips of each direction and run come with what lies behind them."""
    flips_file: str = ""
    """Where all flips are written with that (.csv, .jsonl, .parquet); empty for nowhere."""


def compare(find: FindJob, names: Sequence[str], options: CompareOptions) -> Comparison:
    """Compare jobs, which may lie on several instances, or files of predictions; see `JobVerbs.compare`.

    Raises:
        UsageError: There is one run only, jobs and files are mixed, or a number makes no sense.
    """
    wanted = list(dict.fromkeys((options.baseline, *names) if options.baseline else names))
    if len(wanted) < 2:
        raise UsageError("there is one run only", hint="name two or more: swcli job compare A B")
    if options.margin is not None and not options.margin > 0:
        raise UsageError(
            f"margin is {options.margin:g}", hint="a margin is above 0, in the unit of the metric: 0.01 is one point"
        )
    if not 0 < options.confidence < 1:
        raise UsageError(f"confidence is {options.confidence:g}", hint="it lies between 0 and 1, such as 0.95")
    if options.flips_file:
        check_flips_path(options.flips_file)
    files = [each for each in wanted if is_run_file(each)]
    if files and len(files) < len(wanted):
        job = next(each for each in wanted if each not in files)
        raise UsageError(f"{files[0]} is a file, and {job} a job", hint="compare files with files, or jobs with jobs")
    if not files and not options.file_columns.is_empty:
        raise UsageError(
            "--label, --prediction, --scores and --positive are of files",
            hint="jobs say it: @evaluation.metrics(…, label=…)",
        )
    if files:
        return _compare_files(files, options)
    jobs, stores_of = found_jobs(find, wanted)
    return _compare_jobs(stores_of, jobs, options)


def found_jobs(find: FindJob, names: Sequence[str]) -> tuple[list[JobRecord], StoresOf]:
    """Return jobs, and what says where each of them lies."""
    found = [find(each) for each in names]
    places = {each.job.id: each.stores for each in found}
    return [each.job for each in found], lambda job: places[job.id]


def _compare_files(paths: Sequence[str], options: CompareOptions) -> Comparison:
    runs = [read_run_file(each, options.key) for each in paths]
    metrics = options.metrics or _shared_metrics(runs, options)
    runs = [with_measures(each, metrics, options.file_columns) for each in runs]
    for run in runs:
        lacking = next((each for each in metrics if each not in run.metrics), None)
        if lacking is not None:
            why = "holds no numbers" if lacking in run.columns else "is missing"
            there = ", ".join(run.metrics) or "none"
            raise NotFoundError(
                f"column {lacking!r} of {run.id} {why}",
                hint=nearest_metric(lacking, run.metrics) or f"columns of numbers there: {there}",
            )
    found = compare_runs(
        runs[0], runs[1:], _question(metrics, options, runs[0].directions), paired_by=f"column {options.key!r}"
    )
    return _with_examples(found, rows_of_columns, options)


def _shared_metrics(runs: Sequence[Run], options: CompareOptions) -> tuple[str, ...]:
    used = {*options.by, options.cluster}
    shared = tuple(
        each for each in runs[0].metrics if each not in used and all(each in run.metrics for run in runs[1:])
    )
    graded = any({0.0, 1.0}.issuperset(run.metrics[each]) for run in runs for each in shared if each not in _FACTS)
    if not graded and all(has_labels(run, options.file_columns) for run in runs):
        return ("accuracy",)
    if not shared:
        raise NotFoundError(
            "the files share no column of numbers",
            hint="a metric is a column of numbers or of true and false, one score per example; or one of ours: --metric accuracy",
        )
    told_apart = tuple(each for each in shared if each not in _FACTS and _differs(runs, each))
    return told_apart or tuple(each for each in shared if each not in _FACTS) or shared


_FACTS = frozenset({"label", "labels", "target", "expected", "truth", "gold", "index", "fold", "seed"})
"""Columns of numbers that are no score, whatever is in them."""


def _differs(runs: Sequence[Run], name: str) -> bool:
    """Whether runs differ in a column: what is the same in all of them is a fact of the rows, such as a label, and no score."""
    first, *others = (dict(zip(run.ids, run.metrics[name], strict=True)) for run in runs)
    return any(first[row] != score for other in others for row, score in other.items() if row in first)


def _compare_jobs(stores_of: StoresOf, jobs: Sequence[JobRecord], options: CompareOptions) -> Comparison:
    if len({each.id for each in jobs}) < len(jobs):
        raise UsageError("one job is named twice", hint="name two different jobs")
    metrics = options.metrics or wanted_by_all(stores_of, jobs)[:1] or (_only_metric(stores_of, jobs),)
    if options.cluster is None:
        options = replace(options, cluster=wanted_cluster(stores_of, jobs))
    columns = tuple(dict.fromkeys((*options.by, *filter(None, (options.cluster,)))))
    apart = told_apart(each.datasets for each in jobs)
    tables = [read_job_run(stores_of(each), each, metrics, columns, apart=apart) for each in jobs]
    paired_by = check_pairing(tables, metrics[0])
    runs = [each.run for each in tables]
    if paired_by == ROWS and len({each.versions for each in tables}) > 1:
        runs = [with_content(stores_of(job), job, each, apart) for job, each in zip(jobs, tables, strict=True)]
        paired_by = f"{ROWS}, which have different versions"
    found = compare_runs(runs[0], runs[1:], _question(metrics, options, runs[0].directions), paired_by=paired_by)
    return _with_examples(found, cells_of(stores_of, jobs), options)


def cells_of(stores_of: StoresOf, jobs: Sequence[JobRecord]) -> CellsOf:
    """Return what reads the cells of rows of a run that is one of these jobs."""
    by_id = {each.id: each for each in jobs}
    apart = told_apart(each.datasets for each in jobs)

    def read(run: Run, ids: Sequence[Id], metric: str) -> Mapping[Id, Mapping[str, Any]]:  # Any: values of users
        job = by_id[run.id]
        return read_cells(stores_of(job), job, ids, metric, apart)

    return read


def flips_of(pairs: Sequence[Pair], cells: CellsOf, most: int | None) -> list[Flip]:
    """Describe so many flips of each direction and pair; None for all."""
    pairs = [each.first(most) for each in pairs]
    baseline, metric = pairs[0].baseline, pairs[0].metric
    ids = list(dict.fromkeys(row for each in pairs for row in (*each.lost, *each.gained)))
    if not ids:
        return []
    before = cells(baseline, ids, metric)
    return [flip for each in pairs for flip in describe_flips(each, before, cells(each.candidate, ids, metric))]


def _with_examples(found: Comparison, cells: CellsOf, options: CompareOptions) -> Comparison:
    if not options.examples and not options.flips_file:
        return found
    name = found.main.name
    pairs = [
        Pair(
            baseline=found.baseline,
            candidate=run,
            metric=name,
            gained=found.flips[run.id][0],
            lost=found.flips[run.id][1],
        )
        for run in found.candidates
    ]
    flips = flips_of(pairs, cells, None if options.flips_file else options.examples)
    if options.flips_file:
        write_flips(options.flips_file, flips)
    return replace(found, examples=tuple(flips))


def _only_metric(stores_of: StoresOf, jobs: Sequence[JobRecord]) -> str:
    shared = shared_columns(stores_of, jobs)
    logged = [each for each in shared if not each.startswith("results.")]
    if len(logged or shared) == 1:  # what the user logged comes before what predict gave
        return (logged or shared)[0]
    if not shared:
        raise NotFoundError("the jobs share no score by row", hint=HOW_TO_SCORE)
    raise UsageError("the jobs give several scores by row", hint=f"choose with --metric: {', '.join(shared[:12])}")


def wanted_by_all(stores_of: StoresOf, jobs: Sequence[JobRecord]) -> tuple[str, ...]:
    """Return the metrics that all of some jobs ask for, in the order of the first; nothing where they share none."""
    first, *others = (wanted_names(stores_of(each), each) for each in jobs)
    return tuple(each for each in first if all(each in names for names in others))


def _question(
    metrics: Sequence[str], options: CompareOptions, directions: Mapping[str, bool] | None = None
) -> Question:
    unknown = next((each for each in options.lower_is_better if each not in metrics), None)
    if unknown is not None:
        raise UsageError(f"{unknown!r} is not among the metrics", hint=f"they are {', '.join(metrics)}")
    return Question(
        metrics=tuple(metrics),
        lower_is_better=frozenset(options.lower_is_better)
        | {name for name, is_higher in (directions or {}).items() if not is_higher},
        by=options.by,
        cluster=options.cluster or "",
        margin=options.margin,
        confidence=options.confidence,
    )
