"""Several runs against one of them, and the rows on which they differ."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from starwhale.instances.jobs.job_compare import CompareOptions
from starwhale.results.compare.telling import notes
from starwhale.server.cells import Shown
from starwhale.server.paging import bad_cursor, read_cursor, write_cursor
from starwhale.server.routes.jobs import find_job
from starwhale.server.state import ITEMS, After, Here, Limit, Served
from starwhale.wire import Page
from starwhale.wire.comparison import (
    ComparedRun,
    ComparisonView,
    DifferencesView,
    Flip,
    FlipCounts,
    ThresholdRun,
    ThresholdsView,
)

router = APIRouter(prefix="/comparison", tags=["comparison"])
MOST_RUNS = 100
"""Runs of one comparison."""
Runs = Annotated[
    list[str], Query(alias="run", min_length=2, max_length=MOST_RUNS, description="Jobs; the first is the baseline.")
]
Metrics = Annotated[
    list[str] | None, Query(alias="metric", max_length=20, description="`TABLE.COLUMN`; none for the only one.")
]
Lower = Annotated[
    list[str] | None, Query(alias="lower_is_better", max_length=20, description="Metrics of which less is better.")
]
By = Annotated[list[str] | None, Query(max_length=8, description="Columns whose values make slices.")]
Cluster = Annotated[str, Query(max_length=400, description="Column that says which rows are alike.")]
Margin = Annotated[float | None, Query(gt=0, description="Difference too small to matter.")]


@router.get("")
def compare_runs(
    here: Here,
    runs: Runs,
    *,
    metrics: Metrics = None,
    lower: Lower = None,
    by: By = None,
    cluster: Cluster = "",
    margin: Margin = None,
) -> ComparisonView:
    """Say whether one run is better than another, as `swcli job compare -o json` does."""
    options = CompareOptions(
        metrics=tuple(metrics or ()),
        lower_is_better=tuple(lower or ()),
        by=tuple(by or ()),
        cluster=cluster or None,
        margin=margin,
    )
    found = here.comparisons.get(_ids(here, runs), options)
    return ComparisonView(
        sentence=found.sentence,
        baseline=found.baseline.id,
        runs=[
            ComparedRun(id=each.id, name=each.name, rows=len(set(each.ids)), failed=each.failed) for each in found.runs
        ],
        paired_rows=len(found.paired.ids),
        paired_by=found.paired_by,
        left_out=dict(found.paired.left_out),
        changed=len(found.paired.changed),
        notes=notes(found),
        metrics=here.comparisons.metrics(found),
        flips={run: FlipCounts(gained=len(gained), lost=len(lost)) for run, (gained, lost) in found.flips.items()},
    )


@router.get("/metrics")
def list_shared_metrics(
    here: Here, runs: Annotated[list[str], Query(alias="run", min_length=1, max_length=MOST_RUNS)]
) -> Page[str]:
    """List what these runs can be compared by: metrics that all of them ask for, then, as `TABLE.COLUMN`, scores by row that all have."""
    found = here.instance.jobs.metrics(*_ids(here, runs))
    return Page(items=list(found), next=None, total=len(found))


@router.get("/differences")
def list_differences(here: Here, runs: Runs) -> DifferencesView:
    """List what is not the same in how these jobs were run: model, datasets, arguments, packages, machine."""
    found = here.instance.jobs.differences(*_ids(here, runs))
    shown = Shown("", {})
    return DifferencesView(items=[shown.row(each) for each in found])


@router.get("/thresholds")
def count_thresholds(
    here: Here,
    runs: Annotated[list[str], Query(alias="run", min_length=1, max_length=MOST_RUNS)],
    score: Annotated[str, Query(max_length=400, description="Column of scores: numbers, or lists of numbers.")],
    *,
    table: Annotated[str, Query(max_length=400, description="Table of the rows.")] = "results",
    item: Annotated[
        int | None, Query(ge=0, le=100_000, description="Which number of each list; by itself that of the class.")
    ] = None,
    truth: Annotated[str, Query(max_length=400, description="Column of the true class; empty for no classes.")] = "",
    positive: Annotated[str, Query(max_length=400, description="Class whose score it is; empty for the last.")] = "",
) -> ThresholdsView:
    """Count rows by their score and what is true of them, so that figures at any threshold follow without the rows."""
    from starwhale.results.scored_rows import ScoresWanted, find_thresholds

    jobs = [find_job(here, each) for each in runs]
    wanted = ScoresWanted(table=table, score=score, item=item, truth=truth, positive=positive)
    found = find_thresholds(here.rows, jobs, wanted)
    return ThresholdsView(
        thresholds=list(found.thresholds),
        are_scores=found.are_scores,
        classes=list(found.classes),
        positive=found.positive,
        item=found.item,
        runs=[
            ThresholdRun(
                id=job.id,
                name=job.name or job.id[:12],
                rows=each.rows,
                missing=each.counts.missing,
                positive=each.counts.positive,
                negative=each.counts.negative,
                gained=each.changes.gained if each.changes else None,
                lost=each.changes.lost if each.changes else None,
            )
            for job, each in zip(jobs, found.runs, strict=True)
        ],
    )


@router.get("/flips")
def list_flips(
    here: Here,
    runs: Runs,
    *,
    candidate: Annotated[str, Query(max_length=200, description="Id of the run; empty for the second.")] = "",
    direction: Annotated[
        Literal["gained", "lost", "both"], Query(description="Rows on which it has more, or less, than the baseline.")
    ] = "both",
    metrics: Metrics = None,
    lower: Lower = None,
    by: By = None,
    cluster: Cluster = "",
    slice: Annotated[str, Query(max_length=400, description="`column=value` of one of `by`; empty for all rows.")] = "",
    after: After = "",
    limit: Limit = ITEMS,
) -> Page[Flip]:
    """List the rows that a run gained and lost, the largest changes first, each with its row of every run."""
    options = CompareOptions(
        metrics=tuple(metrics or ()), lower_is_better=tuple(lower or ()), by=tuple(by or ()), cluster=cluster or None
    )
    ids = _ids(here, runs)
    found = here.comparisons.get(ids, options)
    run = find_job(here, candidate).id if candidate else ids[1]
    flips = here.comparisons.flips(found, run, direction, slice)
    start = _place(after)
    chosen = flips[start : start + limit]
    stop = start + len(chosen)
    return Page(
        items=here.comparisons.show(found, chosen),
        next=write_cursor((stop,)) if chosen and stop < len(flips) else None,
        total=len(flips),
    )


def _ids(here: Served, runs: list[str]) -> list[str]:
    return [find_job(here, each).id for each in runs]


def _place(after: str) -> int:
    if not after:
        return 0
    cursor = read_cursor(after)
    if len(cursor) != 1 or type(cursor[0]) is not int or cursor[0] < 0:
        raise bad_cursor(after)
    return cursor[0]
