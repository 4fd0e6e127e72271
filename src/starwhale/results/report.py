"""The report of one job: what `job info` and the end of `model run` show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

from starwhale.results.manifest import job_manifest
from starwhale.results.read import read_rows, summary, table_names
from starwhale.results.statistics import Interval, wilson
from starwhale.storage.protocols import StepProgress, TableQuery, Value

if TYPE_CHECKING:
    from starwhale.storage.catalog.records import JobRecord
    from starwhale.storage.stores import Stores

CONFUSION = "confusion_matrix/binarylabel"
SHOWN_ERRORS = 5
"""Failed rows that a report names."""
READ_ERRORS = 10_000
"""Failed rows among which the first ones are looked for."""
Row = dict[str, Value]


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
    """Rows of the matrix: true classes; columns: predicted ones."""
    accuracy: Interval | None
    """The summary's accuracy with its error, when it is a share of counted rows."""
    inputs: tuple[str, ...]
    """Its datasets in short: `numbers@<12 characters>, 1000 rows`."""
    progress: tuple[StepProgress, ...]
    """Rows per step."""
    errors: tuple[Row, ...]
    """The first few failed rows, in row order."""

    @property
    def failed_rows(self) -> int:
        """Rows whose error was recorded."""
        return sum(each.failed for each in self.progress)

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of `job info -o json`."""
        report: dict[str, Any] = {"kind": self.summary.get("kind", ""), "summary": self.summary}
        if self.summary.get("kind") == "multi_classification":
            report["labels"] = self.labels
            report["confusion_matrix"] = {"binarylabel": list(self.confusion_matrix)}
        if self.accuracy is not None:
            report["accuracy"] = dataclasses.asdict(self.accuracy)
        report["steps"] = [dataclasses.asdict(each) for each in self.progress]
        if self.errors:
            report["errors"] = list(self.errors)
        return {"manifest": self.manifest, "report": report}


def make_report(stores: Stores, job: JobRecord) -> JobReport:
    """Gather the report of a job as it stands now."""
    tables = table_names(stores, job)
    found = summary(stores, job)
    progress = tuple(stores.catalog.ledger.progress(job.id))

    def rows(name: str, limit: int | None = None) -> list[Row]:
        return list(islice(read_rows(stores, job, TableQuery(table=name)), limit)) if name in tables else []

    return JobReport(
        manifest=job_manifest(job),
        summary=found,
        labels={str(row["id"]): row for row in rows("labels")} if found.get("kind") == "multi_classification" else {},
        confusion_matrix=tuple(rows(CONFUSION)) if found.get("kind") == "multi_classification" else (),
        accuracy=_accuracy(found, progress),
        inputs=tuple(f"{each.name}@{each.version[:12]}, {each.row_count} rows" for each in job.datasets),
        progress=progress,
        errors=tuple(nsmallest(SHOWN_ERRORS, rows("errors", READ_ERRORS), key=_row_order)),
    )


def _row_order(row: Row) -> tuple[str, bool, Any]:  # Any: keys of one dataset are of one type
    """Order failed rows as their datasets do; their ids are texts, among which 10 comes before 2."""
    key = row.get("_index")
    return str(row["id"]).partition("_#@#_")[0], isinstance(key, str), 0 if key is None else key


def _accuracy(found: Mapping[str, Value], progress: tuple[StepProgress, ...]) -> Interval | None:
    """Give the accuracy its interval where it is a share of whole rows; other figures called so are left alone."""
    value = found.get("accuracy")
    rows = found.get("n", max((each.done - each.failed for each in progress), default=0))
    if not isinstance(value, int | float) or isinstance(value, bool) or not isinstance(rows, int) or rows < 1:
        return None
    successes = round(value * rows)
    if not 0 <= value <= 1 or abs(successes / rows - value) > 1e-9:
        return None
    return wilson(successes, rows)
