"""The report of one job: what `job info` and the end of `model run` show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
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
    progress: tuple[StepProgress, ...]
    """Rows per step."""
    errors: tuple[Row, ...]
    """The first few failed rows."""

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
        progress=progress,
        errors=tuple(rows("errors", SHOWN_ERRORS)),
    )


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
