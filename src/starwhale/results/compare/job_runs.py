"""A job as a run: columns of its tables, by the row of the dataset that each belongs to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starwhale.domain.row_id import across_jobs, called_across_jobs, is_row_of
from starwhale.errors import NotFoundError, PairingError, UsageError, nearest
from starwhale.results.compare.measured_jobs import MeasuredRows, is_measured, read_measured, wanted_names
from starwhale.results.compare.runs import Id, RowMeasure, Run, as_scores, odd_rows
from starwhale.results.metric_rows import narrowed
from starwhale.results.read import job_scope, table_names
from starwhale.storage.protocols import ERRORS, RETRIED_ERRORS, TableQuery

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

RESULTS = "results"
ROWS, LOGGED = "the rows of the dataset", "the ids you logged"
"""What may make rows of two runs one row."""
_NO_METRIC = frozenset({"duration_seconds", "tries", "_index", "_mode", "_retried", "id"})
_NOT_TABLES = frozenset({ERRORS, RETRIED_ERRORS, "summary", "labels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTables:
    """The columns of the tables of one job that a comparison asks for."""

    run: Run
    """Scores by row."""
    paired_by: str
    """What its ids are: `ROWS` or `LOGGED`."""
    versions: frozenset[str]
    """Versions of the datasets that it read."""


def split_metric(metric: str, tables: Sequence[str]) -> tuple[str, str]:
    """Split `TABLE.COLUMN`; the table is the longest one that fits, and may be left out for `results`.

    Example:
        >>> split_metric("graded.v1.correct", ["graded", "graded.v1"])
        ('graded.v1', 'correct')
    """
    fitting = [each for each in tables if metric.startswith(f"{each}.")]
    table = max(fitting, key=len, default="")
    return (table, metric[len(table) + 1 :]) if table else (RESULTS, metric)


def numeric_columns(stores: Stores, job: JobRecord) -> list[str]:
    """Return the columns of a job that can be a metric, as `TABLE.COLUMN`: those of its own tables first, then what predict gave."""
    found: list[str] = []
    names = [each for each in table_names(stores, job) if each not in _NOT_TABLES and "confusion_matrix" not in each]
    for table in sorted(names, key=lambda each: each == RESULTS):
        columns = _read_table(stores, job, table, ())
        found += [
            f"{table}.{name}"
            for name, values in columns.items()
            if name not in _NO_METRIC and not name.startswith(("__", "input")) and as_scores(values) is not None
        ]
    return found


def read_job_run(
    stores: Stores,
    job: JobRecord,
    metrics: Sequence[str],
    columns: Sequence[str] = (),
    *,
    apart: frozenset[str] = frozenset(),
) -> JobTables:
    """Read the scores of a job.

    Args:
        stores: Where it lies.
        job: Which.
        metrics: `TABLE.COLUMN`, all of one table.
        columns: What rows are sliced and clustered by, of that table or of `results`; `label` finds `input/label` too.
        apart: Datasets whose versions are different rows, of `told_apart`.

    Raises:
        NotFoundError: It has no such table or column; the message names those that can be a metric.
        UsageError: The metrics are of several tables, or a column holds no numbers.
    """
    names = table_names(stores, job)
    measured = [each for each in metrics if _is_measured(stores, job, each, names)]
    split = {each: split_metric(each, names) for each in metrics if each not in measured}
    tables = dict.fromkeys([RESULTS] if measured else [])
    tables.update((table, None) for table, _ in split.values())
    if len(tables) > 1:
        raise UsageError(f"metrics of several tables: {', '.join(tables)}", hint="compare by one table at a time")
    table = next(iter(tables))
    given = read_measured(stores, job, measured) if measured else None
    looked_at = [*(column for _, column in split.values()), *columns]
    found = _read_table(stores, job, table, looked_at) if table in names and split else {}
    if given is not None and not split:
        found = {"id": given.ids}
    scores = {metric: _scores(stores, job, metric, found.get(column)) for metric, (_, column) in split.items()}
    ids = list(found["id"])
    if given is not None:
        given = _in_order(given, ids)
        scores |= given.scores
    by_rows = table == RESULTS or all(is_row_of(each, job.datasets) for each in ids)
    rows = [across_jobs(each, job.datasets, apart) if by_rows else each for each in ids]
    run = Run(
        id=job.id,
        name=job.name or job.id[:12],
        ids=rows,
        metrics={each: scores[each] for each in metrics},
        measures={} if given is None else given.measures,
        directions={} if given is None else given.directions,
        columns=_columns(stores, job, found, columns),
        odd={metric: odd for metric, (_, column) in split.items() if (odd := odd_rows(found[column], rows))}
        | ({} if given is None else _odd_predictions(given, rows)),
        failed=sum(each.failed for each in stores.catalog.ledger.progress(job.id)),
    )
    versions = frozenset(each.version for each in job.datasets)
    return JobTables(run=run, paired_by=ROWS if by_rows else LOGGED, versions=versions)


def _odd_predictions(given: MeasuredRows, rows: Sequence[Id]) -> dict[str, Any]:  # Any: what `odd_rows` says
    """Name the rows of which what a metric looks at is NaN or infinite."""
    values = given.examples.predictions or given.examples.scores
    odd = odd_rows(values, rows)
    return dict.fromkeys(given.scores, odd) if odd else {}


def _is_measured(stores: Stores, job: JobRecord, metric: str, tables: Sequence[str]) -> bool:
    """Whether a name is a metric that is computed, and no column of a table."""
    if split_metric(metric, tables) != (RESULTS, metric) or not is_measured(stores, job, metric):
        return False
    return metric in wanted_names(stores, job) or metric not in _read_table(stores, job, RESULTS, ())


def _in_order(given: MeasuredRows, ids: Sequence[Any]) -> MeasuredRows:  # Any: ids of rows
    """Return measured rows in the order of other ids; rows that were not measured have no label and no prediction."""
    if given.ids == list(ids):
        return given
    place = {each: position for position, each in enumerate(given.ids)}
    rows = [place.get(each, -1) for each in ids]

    def some(column: Sequence[Any]) -> list[Any]:  # Any: cells
        return [None if each < 0 else column[each] for each in rows] if len(column) else []

    def measure(each: RowMeasure) -> RowMeasure:
        old = each.examples
        taken = replace(old, labels=some(old.labels), predictions=some(old.predictions), scores=some(old.scores))
        return replace(each, examples=taken)

    return replace(
        given,
        ids=list(ids),
        examples=replace(
            given.examples,
            labels=some(given.examples.labels),
            predictions=some(given.examples.predictions),
            scores=some(given.examples.scores),
        ),
        scores={
            name: [math.nan if each is None else each for each in some(found)] for name, found in given.scores.items()
        },
        measures={name: measure(each) for name, each in given.measures.items()},
    )


def check_pairing(tables: Sequence[JobTables], metric: str) -> str:
    """Return what makes rows of these jobs one row.

    Raises:
        PairingError: They are paired by logged ids alone, and not by the same ones, or a row failed or has no score.
    """
    if all(each.paired_by == ROWS for each in tables):
        return ROWS
    first = set(tables[0].run.ids)
    for each in tables:
        run = each.run
        lacks = any(score != score for scores in run.metrics.values() for score in scores)  # noqa: PLR0124 - NaN
        if set(run.ids) != first or run.failed or lacks:
            why = (
                f"{run.failed} of its rows failed"
                if run.failed
                else "a row has no score"
                if lacks
                else "the ids are not the same"
            )
            table = metric.partition(".")[0]
            raise PairingError(
                f"{run.name} cannot be paired by the ids you logged: {why}",
                hint=f'log the row that a score is of: evaluation.log("{table}", id=row["id"], metrics=…), and run again',
            )
    return LOGGED


def with_content(stores: Stores, job: JobRecord, tables: JobTables, apart: frozenset[str] = frozenset()) -> Run:
    """Add the digest of what each row holds, for runs that read different versions of a dataset."""
    import dataclasses

    content: dict[Id, bytes] = {}
    scope = job_scope(stores, job)
    for dataset in job.datasets:
        if scope.open_dataset is None:
            break
        reader = scope.open_dataset(dataset)
        stop = dataset.start + dataset.row_count
        keys = reader.read(dataset.start, stop, []).keys
        digests = reader.row_digests(dataset.start, stop)
        content.update(
            (called_across_jobs(dataset, key, apart), digest) for key, digest in zip(keys, digests, strict=True)
        )
    return dataclasses.replace(tables.run, content=content)


def read_cells(
    stores: Stores, job: JobRecord, ids: Sequence[Id], metric: str, apart: frozenset[str] = frozenset()
) -> dict[Id, dict[str, Any]]:  # Any: cells
    """Return what a job has of some rows: inputs and outputs of `results`, and what else stands in the table of the metric."""
    there = table_names(stores, job)
    table, column = split_metric(metric, there)
    wanted = set(ids)
    found: dict[Id, dict[str, Any]] = {}
    for name in dict.fromkeys(each for each in (RESULTS, table) if each in there):
        prefix = "" if name == RESULTS or not found else f"{name}."
        for page in stores.results.reader.pages(job_scope(stores, job), TableQuery(table=name)):
            names = [each for each in page.columns if each not in _NO_METRIC and not each.startswith("__")]
            names = [each for each in names if (name, each) != (table, column)]
            for position, id_ in enumerate(page.columns["id"]):
                row = across_jobs(id_, job.datasets, apart)
                if row in wanted:
                    cells = {prefix + each: page.columns[each][position] for each in names}
                    found.setdefault(row, {}).update({key: cell for key, cell in cells.items() if cell is not None})
    return found


def _scores(stores: Stores, job: JobRecord, metric: str, values: Sequence[Any] | None) -> list[float]:  # Any: cells
    scores = None if values is None else as_scores(values)
    if scores is not None:
        return scores
    candidates = [*wanted_names(stores, job), *numeric_columns(stores, job)]
    there = f"it has {', '.join(candidates)}" if candidates else "it logged no numbers by row: evaluation.log does"
    called = job.name or job.id[:12]
    if values is None:
        raise NotFoundError(f"job {called} gives no metric {metric!r}", hint=nearest(metric, candidates) or there)
    raise UsageError(f"{metric} of job {called} holds no numbers", hint=there)


def _names(name: str) -> tuple[str, ...]:
    """Return what a column may be called that rows are sliced by: as `@evaluation.metrics` looks for it."""
    return (name, f"input/{name}", f"output/{name}")


def _read_table(
    stores: Stores, job: JobRecord, table: str, features: Sequence[str] | None
) -> dict[str, list[Any]]:  # Any: cells
    """Read a table by columns, with some features of its rows, whether they were logged or not; None for those that were."""
    columns: dict[str, list[Any]] = {}
    count = 0
    scope = job_scope(stores, job) if features is None else narrowed(job_scope(stores, job), features)
    for page in stores.results.reader.pages(scope, TableQuery(table=table)):
        for name, values in page.columns.items():
            columns.setdefault(name, [None] * count).extend(values)
        count += page.row_count
        for values in columns.values():
            values += [None] * (count - len(values))
    return columns


def _columns(
    stores: Stores, job: JobRecord, own: Mapping[str, list[Any]], names: Sequence[str]
) -> dict[str, list[Any]]:  # Any: cells
    """Return the columns that rows are sliced by: of the table itself, else of the row's `results`."""
    if not names:
        return {}
    found: dict[str, list[Any]] = {}
    results: dict[str, list[Any]] = {}
    for name in names:
        near = next((each for each in _names(name) if each in own), None)
        if near is not None:
            found[name] = own[near]
            continue
        results = results or _read_table(stores, job, RESULTS, names)
        there = next((each for each in _names(name) if each in results), None)
        if there is None:
            listed = [each for each in (*own, *_read_table(stores, job, RESULTS, None)) if not each.startswith("__")]
            raise NotFoundError(f"job {job.name or job.id[:12]} has no column {name!r}", hint=nearest(name, listed))
        by_id = dict(zip(results["id"], results[there], strict=True))
        found[name] = [by_id.get(each) for each in own["id"]]
    return found
