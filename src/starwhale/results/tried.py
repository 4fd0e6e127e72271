"""What was tried online, counted: how many requests a job kept, how many failed, and what people said of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.intervals import wilson
from starwhale.results.figure import Figure, FiguresFound
from starwhale.storage.protocols import TableQuery

if TYPE_CHECKING:
    from starwhale.results.read import JobTables

RESULTS = "results"
"""Table with a row per request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedCounts:
    """How many there are of each."""

    requests: int = 0
    """Requests that were kept."""
    failed: int = 0
    """Of those, whose function raised."""
    judged: int = 0
    """Of those, whose answer was called good or bad."""
    good: int = 0
    """Of those judged, the good ones."""

    def to_summary(self) -> dict[str, Any]:  # Any: numbers
        """Return the summary of such a job."""
        return {"requests": self.requests, "failed": self.failed, "judged": self.judged}

    def to_figures(self) -> FiguresFound:
        """Return the share of good answers among those that people have judged, with its interval; nothing where they have judged none."""
        if not self.judged:
            return FiguresFound()
        share = wilson(self.good, self.judged)
        made = Figure(
            metric="good",
            value=share.value,
            standard_error=share.standard_error,
            low=share.low,
            high=share.high,
            method=share.method,
            n=self.judged,
            missing=self.requests - self.judged,
            unit="share",
            meaning="answers that people called good, of those that they judged",
            remarks=("what people try is no sample drawn at random",),
        )
        return FiguresFound(figures=(made,))


def count_tried(tables: JobTables) -> TriedCounts:
    """Count what a job kept, page by page."""
    requests = failed = judged = good = 0
    cursor: str | None = None
    while True:
        page = tables.reader.read_page(tables.scope, TableQuery(table=RESULTS), cursor)
        said = [each for each in page.columns.get("good", ()) if each is not None]
        requests += page.row_count
        failed += sum(each is not None for each in page.columns.get("error", ()))
        judged += len(said)
        good += sum(each == 1 for each in said)
        cursor = page.next_cursor
        if cursor is None:
            return TriedCounts(requests=requests, failed=failed, judged=judged, good=good)
