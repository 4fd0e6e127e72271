"""Comparisons that were asked for, kept for the pages that ask on; the figures are those of `instances.jobs.compare`."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starwhale.domain.json_shape import Json
from starwhale.domain.row_id import ids_in_job
from starwhale.errors import NotFoundError, UsageError
from starwhale.results.compare.files import is_run_file
from starwhale.results.compare.telling import comparison_to_json
from starwhale.server.cells import Shown

if TYPE_CHECKING:
    from starwhale.instances import Instance
    from starwhale.instances.jobs.job_compare import CompareOptions
    from starwhale.results.compare.findings import Comparison
    from starwhale.results.compare.runs import Id
    from starwhale.wire.comparison import Flip

KEPT = 4
"""Comparisons that are kept."""
MOST_METRICS = 1000
"""Metrics and slices of an answer."""
Change = tuple["Id", float, int]
"""Row, change of the first metric, and its place among the paired rows."""


class Comparisons:
    """Comparisons of the jobs of one instance; safe to use from several threads."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._kept: OrderedDict[Any, Comparison] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, runs: Sequence[str], options: CompareOptions) -> Comparison:
        """Return the comparison of some jobs by their whole ids; made once as long as none of them changes.

        Raises:
            NotFoundError: A metric or a column does not exist, or they share no row.
            UsageError: What is asked for makes no sense together.
        """
        if any(is_run_file(each) for each in runs):
            raise UsageError("files are not compared here", hint="swcli job compare does")
        stamps = tuple(self._stamp(each) for each in runs)
        key = (*stamps, options)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = self._instance.jobs.compare(*runs, options=options)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def metrics(self, found: Comparison) -> list[Json]:
        """Return every metric and slice as `swcli job compare -o json` has them, the first thousand."""
        return [Shown("", {}).row(each) for each in comparison_to_json(found)["metrics"][:MOST_METRICS]]

    def flips(self, found: Comparison, run: str, direction: str, slice: str) -> list[Change]:
        """Return the rows that a run gained and lost by the first metric, the largest changes first.

        Args:
            found: The comparison.
            run: Id of a run that is not the baseline.
            direction: `gained`, `lost` or `both`.
            slice: `column=value` of a slice of the comparison; empty for all rows.

        Raises:
            NotFoundError: The run is not one of those that are compared with the baseline.
        """
        position = next((place for place, each in enumerate(found.runs) if each.id == run), 0)
        if position == 0:
            others = ", ".join(each.id[:12] for each in found.candidates)
            raise NotFoundError(f"{run[:12]!r} is not compared with the baseline", hint=f"name one of {others}")
        places = {each: place for place, each in enumerate(found.paired.ids)}
        gained, lost = found.flips[run]
        chosen = {"gained": gained, "lost": lost}.get(direction) or ((*gained, *lost) if direction == "both" else ())
        allowed = self._slice(found, slice)
        scores = found.paired.scores[found.main.name]
        changes = [
            (each, float(scores[position, places[each]] - scores[0, places[each]]), places[each])
            for each in chosen
            if allowed is None or places[each] in allowed
        ]
        if direction == "both":
            changes.sort(key=lambda each: -abs(each[1]))
        return changes

    def show(self, found: Comparison, changes: Sequence[Change]) -> list[Flip]:
        """Return rows that changed, each with its row of `results` of every run."""
        from starwhale.wire.comparison import Flip

        scores = found.paired.scores[found.main.name]
        made: list[Flip] = []
        for each, change, place in changes:
            values = [float(scores[position, place]) for position in range(len(found.runs))]
            made.append(
                Flip(
                    id=each,
                    change=change,
                    scores={
                        run.id: None if math.isnan(value) else value
                        for run, value in zip(found.runs, values, strict=True)
                    },
                    rows={run.id: self._row(run.id, each) for run in found.runs},
                )
            )
        return made

    def _row(self, run: str, row_id: Id) -> Json:
        """Return the row of `results` that a paired id means in one run; empty where it has none."""
        from urllib.parse import quote

        verbs = self._instance.jobs
        job = verbs.find(run)
        for each in ids_in_job(row_id, job.datasets):
            row = verbs.row(job, "results", each)
            if row is not None:
                return Shown(f"/api/v1/jobs/{quote(job.id)}/media", {"id": str(row["id"])}).row(row)
        return {}

    def _slice(self, found: Comparison, slice: str) -> set[int] | None:
        if not slice:
            return None
        column, _, value = slice.partition("=")
        values = found.paired.columns.get(column)
        if values is None:
            raise NotFoundError(f"the comparison has no slices by {column[:80]!r}", hint="name it as `by` too")
        return {place for place, each in enumerate(values) if str(each) == value}

    def _stamp(self, run: str) -> tuple[str, int]:
        parts = self._instance.catalog.parts.visible(run)
        return run, parts[-1].id if parts else 0
