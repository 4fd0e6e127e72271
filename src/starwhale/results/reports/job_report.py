"""The report of one job: what `job info` and the end of `model run` show."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

from starwhale.domain.counted import counted
from starwhale.domain.job import ONLINE
from starwhale.domain.status import Status, is_active
from starwhale.domain.usage import ACCELERATOR_USE, TASKS
from starwhale.results.classification_figures import confusion_counts
from starwhale.results.compare.intervals import Interval, wilson
from starwhale.results.confusion import Confusion, confusion_of
from starwhale.results.curve import Curve
from starwhale.results.figure import Figure, FiguresFound, found_of
from starwhale.results.read import JobTables
from starwhale.results.reports.logged_curves import logged_curves
from starwhale.results.reports.manifest import job_manifest
from starwhale.results.reports.usage import StepUsage, step_usage
from starwhale.results.scan import row_order
from starwhale.results.tried import count_tried
from starwhale.storage.protocols import ERRORS, StepProgress, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import AttemptRecord, JobRecord, StepRecord
    from starwhale.storage.stores import Stores

CONFUSION = "confusion_matrix/binarylabel"
SHOWN_ERRORS = 5
"""Failed rows that a report names."""
READ_ERRORS = 10_000
"""Failed rows among which the first ones are looked for."""
Row = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How one step of a job stands."""

    name: str
    """The handler's full name."""
    needs: tuple[str, ...]
    """Steps that had to succeed before."""
    tasks: int
    """Tasks that share its rows; after a resumption those that it had then."""
    status: str
    """Where it stands; `interrupted` where it was at work when the job's driver ended."""
    done: int | None
    """Rows that were tried, failed ones included; None where the step consumes none."""
    failed: int | None
    """Rows whose error was recorded."""
    total: int | None
    """Rows in all."""
    retried: int | None
    """Rows, of those done, that were tried again because they had failed."""
    recovered: int | None
    """Rows, of those retried, that have not failed again."""
    started_at: float | None
    """Seconds since the epoch, or None."""
    finished_at: float | None
    """Seconds since the epoch, or None."""
    usage: StepUsage | None = None
    """Where its time went; None before a task of it has ended."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of a step in `job info -o json`."""
        known = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {**known, "usage": None if self.usage is None else self.usage.to_json()}

    def seconds(self, now: float) -> float | None:
        """How long it took, or has taken so far; None where nobody knows."""
        end = now if self.finished_at is None and self.status == Status.RUNNING else self.finished_at
        return None if self.started_at is None or end is None else max(end - self.started_at, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """All that is told about one job."""

    manifest: dict[str, Any]  # Any: a JSON object
    """The shape that scripts rely on, with keys of ours added."""
    summary: Row
    """What the job logged as its summary."""
    labels: dict[str, Row]
    """Per-label figures of a classification."""
    confusion_matrix: tuple[Row, ...]
    """Rows of the matrix: true classes; columns: predicted ones; both by number."""
    accuracy: Interval | None
    """The summary's accuracy with its error, when it is a share of counted rows."""
    inputs: tuple[str, ...]
    """Its datasets in short: `numbers@<12 characters>, 1000 rows`."""
    progress: tuple[StepProgress, ...]
    """Rows per step."""
    errors: tuple[Row, ...]
    """The first few failed rows, in row order."""
    steps: tuple[StepReport, ...] = ()
    """Its steps, needs first."""
    figures: tuple[Figure, ...] = ()
    """Its figures, each with its interval."""
    matrix_labels: tuple[str, ...] = ()
    """Labels of the matrix by number; empty where nobody knows them."""
    confusions: tuple[Confusion, ...] = ()
    """The counts behind the matrix, one of each predict that was measured; empty where nobody knows them."""
    curves: tuple[Curve, ...] = ()
    """What is drawn of the figures."""

    @property
    def failed_rows(self) -> int:
        """Rows whose error was recorded."""
        return sum(each.failed for each in self.progress)

    @property
    def report(self) -> dict[str, Any]:  # Any: a JSON object
        """What came of it: kind, summary, and what else is known."""
        report: dict[str, Any] = {"kind": self.summary.get("kind", ""), "summary": self.summary}
        if self.confusion_matrix or self.summary.get("kind") == "multi_classification":
            report["labels"] = self.labels
            report["confusion_matrix"] = {
                "binarylabel": list(self.confusion_matrix),
                "labels": list(self.matrix_labels),
            }
        report["figures"] = [each.to_json() for each in self.figures]
        report |= {"confusions": [each.to_json() for each in self.confusions]} if self.confusions else {}
        report |= {"curves": [each.to_json() for each in self.curves]} if self.curves else {}
        if self.accuracy is not None:
            report["accuracy"] = dataclasses.asdict(self.accuracy)
        report["steps"] = [dataclasses.asdict(each) for each in self.progress]
        if self.errors:
            report["errors"] = list(self.errors)
        return report

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of `job info -o json`."""
        return {"manifest": self.manifest, "report": self.report, "steps": [each.to_json() for each in self.steps]}

    def to_markdown(self) -> str:
        """Return it as Markdown, fit for a pull request."""
        from starwhale.results.reports.markdown import report_to_markdown

        return report_to_markdown(self)

    def to_html(self) -> str:
        """Return it as one page that needs nothing else: no script, no file beside it, no network."""
        from starwhale.results.reports.page import report_page

        return report_page(self)

    def _repr_html_(self) -> str:
        from starwhale.results.reports.page import report_fragment

        return report_fragment(self)


def make_report(stores: Stores, job: JobRecord) -> JobReport:
    """Gather the report of a job as it stands now."""
    records = stores.catalog.jobs.steps(job.id)
    tables = JobTables(stores, job, records)
    logged = tables.summary()
    progress = tuple(stores.catalog.ledger.progress(job.id))
    found = found_of(job.record)
    is_classification = logged.get("kind") == "multi_classification"
    drawn = _logged_classes(tables) if is_classification else _counted_classes(found)
    return JobReport(
        manifest=job_manifest(job),
        summary=logged,
        labels=drawn.labels,
        confusion_matrix=drawn.matrix,
        accuracy=_accuracy(logged, progress),
        inputs=tuple(
            f"{each.name}@{each.version[:12]}, "
            + (f"{len(each.chosen)} of " if job.request.sample else "")
            + counted(each.row_count, "row")
            for each in job.datasets
        ),
        progress=progress,
        errors=tuple(nsmallest(SHOWN_ERRORS, _rows(tables, ERRORS, READ_ERRORS), key=row_order)),
        steps=make_steps(stores, job, records, progress),
        figures=found.figures,
        matrix_labels=drawn.matrix_labels,
        confusions=drawn.confusions,
        curves=(*found.curves, *(logged_curves(tables) if is_classification else ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Classes:
    """What is known of the labels of a classification."""

    labels: dict[str, Row]
    matrix: tuple[Row, ...]
    matrix_labels: tuple[str, ...]
    confusions: tuple[Confusion, ...]


def _rows(tables: JobTables, name: str, limit: int | None = None) -> list[Row]:
    return list(islice(tables.rows(TableQuery(table=name)), limit)) if name in tables.names else []


def _logged_classes(tables: JobTables) -> _Classes:
    """Read what `@multi_classification` logged, and find the counts again."""
    by_label = {str(row["id"]): row for row in _rows(tables, "labels")}
    matrix = _rows(tables, CONFUSION)
    names = _matrix_labels(tables) if matrix else ()
    counts: list[list[int]] = []
    if names and set(names) == set(by_label):
        counts = confusion_counts(matrix, [by_label[each] for each in names])
    found = confusion_of(names, counts) if counts else None
    return _Classes(
        labels=by_label, matrix=tuple(matrix), matrix_labels=names, confusions=() if found is None else (found,)
    )


def _counted_classes(found: FiguresFound) -> _Classes:
    """Tell the counts that were kept with the figures as `@multi_classification` tells its own: each row as shares of its true label."""
    if len(found.confusions) != 1:
        return _Classes(labels={}, matrix=(), matrix_labels=(), confusions=found.confusions)
    only = found.confusions[0]
    shares = (
        {"id": number, **{str(place): share for place, share in enumerate(row)}}
        for number, row in enumerate(only.shares)
    )
    by_label: dict[str, Row] = {label: {"id": label, **row} for label, row in only.label_rows().items()}
    return _Classes(labels=by_label, matrix=tuple(shares), matrix_labels=only.labels, confusions=found.confusions)


def _matrix_labels(tables: JobTables) -> tuple[str, ...]:
    """Return the labels of the confusion matrix by number; none where one of them was not kept."""
    rows = tables.reader.rows(tables.scope, TableQuery(table=CONFUSION))
    labels = [str(row.get("__label") or "") for row in rows]
    return tuple(labels) if all(labels) else ()


def make_steps(
    stores: Stores,
    job: JobRecord,
    records: Sequence[StepRecord] | None = None,
    progress: Sequence[StepProgress] | None = None,
) -> tuple[StepReport, ...]:
    """Say how each step of a job stands.

    Args:
        stores: Where it lies.
        job: Whose steps.
        records: What the catalog says of them, where somebody has asked it already.
        progress: What the ledger says of them, likewise.
    """
    records = stores.catalog.jobs.steps(job.id) if records is None else records
    progress = stores.catalog.ledger.progress(job.id) if progress is None else progress
    counted = {each.step: each for each in progress}
    attempts: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    for attempt in stores.catalog.jobs.attempts(job.id):
        attempts[attempt.step].append(attempt)
    seen = job.record.get(ACCELERATOR_USE) or {}
    cores = (job.record.get("hardware") or {}).get("usable_cores") or 0
    resumes = job.record.get("resumes") or [{}]
    tasks: Mapping[str, int] = resumes[-1].get(TASKS) or {}
    found: list[StepReport] = []
    for each in records:
        rows = counted.get(each.step.name) if each.step.consumes_rows else None
        if each.step.record.kind == ONLINE:
            rows = _tried(JobTables(stores, job, records), each.step.name)
        is_left = is_active(each.status) and not is_active(job.status)  # nobody wrote down how it ended
        found.append(
            StepReport(
                name=each.step.name,
                needs=each.step.needs,
                tasks=tasks.get(each.step.name, each.step.replicas),
                status=str(Status.INTERRUPTED if is_left else each.status),
                done=None if rows is None else rows.done,
                failed=None if rows is None else rows.failed,
                total=None if rows is None else rows.total,
                retried=None if rows is None else rows.retried,
                recovered=None if rows is None else rows.recovered,
                started_at=each.started_at,
                finished_at=each.finished_at,
                usage=step_usage(
                    attempts[each.step.name],
                    has_rows=each.step.consumes_rows,
                    cores=cores,
                    seen=seen.get(each.step.name),
                ),
            )
        )
    return tuple(found)


def _tried(tables: JobTables, step: str) -> StepProgress:
    """Count what was tried online as rows of the step that stands for it."""
    found = count_tried(tables)
    return StepProgress(step=step, done=found.requests, failed=found.failed, total=found.requests)


def _accuracy(found: Mapping[str, Value], progress: tuple[StepProgress, ...]) -> Interval | None:
    return accuracy_interval(found, max((each.done - each.failed for each in progress), default=0))


def accuracy_interval(found: Mapping[str, Value], predicted: int) -> Interval | None:
    """Give the accuracy of a summary its interval where it is a share of whole rows; other figures called so are left alone.

    Args:
        found: The summary; its `n`, where there is one, says of how many rows.
        predicted: Rows that were tried and have not failed.
    """
    value = found.get("accuracy")
    rows = found.get("n", predicted)
    if not isinstance(value, int | float) or isinstance(value, bool) or not isinstance(rows, int) or rows < 1:
        return None
    successes = round(value * rows)
    if not 0 <= value <= 1 or abs(successes / rows - value) > 1e-9:
        return None
    return wilson(successes, rows)
