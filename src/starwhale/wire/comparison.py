"""Several runs against one of them, as the HTTP API shows it."""

from __future__ import annotations

from dataclasses import dataclass

from starwhale.domain.json_shape import Json
from starwhale.wire.page import DOCUMENTED
from starwhale.wire.rows import RowView


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipCounts:
    """How many rows a run gained and lost against the baseline, by the first metric."""

    __pydantic_config__ = DOCUMENTED
    gained: int
    """Rows on which it has more."""
    lost: int
    """Rows on which it has less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One of the runs that are compared."""

    __pydantic_config__ = DOCUMENTED
    id: str
    """Id of the job."""
    name: str
    """Its name, or the beginning of its id."""
    rows: int
    """Its rows."""
    failed: int
    """Rows of it that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """What `swcli job compare -o json` says, without the rows that changed: those come page by page."""

    __pydantic_config__ = DOCUMENTED
    sentence: str
    """What came of it, in one sentence."""
    baseline: str
    """Id of the run that the others are compared with."""
    runs: list[ComparedRun]
    """All runs, the baseline first."""
    paired_rows: int
    """Rows that all have."""
    paired_by: str
    """What made rows of two runs one row."""
    left_out: dict[str, int]
    """Rows of each run, by its name, that another lacks."""
    changed: int
    """Rows left out because their content is not the same in all runs."""
    notes: list[str]
    """What has to be known of how rows were brought together."""
    metrics: list[Json]
    """Per metric and slice: values, deltas, ranks by the id of the run."""
    flips: dict[str, FlipCounts]
    """Rows that changed, per id of another run than the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A row on which two runs differ."""

    __pydantic_config__ = DOCUMENTED
    id: str | int
    """What the row is: `<dataset>_#@#_<key>`, or the id that was logged."""
    change: float
    """Difference of the first metric: of the run to the baseline."""
    scores: dict[str, float | None]
    """The metric per id of a run."""
    rows: dict[str, RowView]
    """The row of `results` per id of a run, with input, output and error; empty where a run has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencesView:
    """What differs in how two or more jobs were run."""

    __pydantic_config__ = DOCUMENTED
    items: list[Json]
    """`{"name", "values": {<job id>: …}}`, of what is not the same in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRun:
    """What thresholds over its scores make of one run; lists of counts have one place more than there are thresholds."""

    __pydantic_config__ = DOCUMENTED
    id: str
    """Id of the job."""
    name: str
    """Its name, or the beginning of its id."""
    rows: int
    """Rows of its table."""
    missing: int
    """Rows without a score or a true class, which are counted nowhere."""
    positive: list[int]
    """Rows of the class by their score: those below the first threshold, then from each threshold on up to the next."""
    negative: list[int]
    """Rows of other classes, in the same places."""
    gained: list[int] | None
    """Per threshold the rows that are right here and wrong in the first run; null for that one, and where the two hold other rows."""
    lost: list[int] | None
    """Per threshold the rows that are wrong here and right in the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdsView:
    """Counts of scores, from which figures at any threshold follow exactly; a row is positive at a threshold where its score reaches it."""

    __pydantic_config__ = DOCUMENTED
    thresholds: list[float]
    """Ascending: all different scores, or a thousand round numbers where there are more."""
    are_scores: bool
    """Whether every score is one of them: a number between two of them then calls the same rows as the upper one."""
    classes: list[str]
    """Names of the true classes; empty where none were asked about."""
    positive: str
    """The class whose score it is."""
    item: int | None
    """Which number of each list the score is, from 0; null where the column holds numbers."""
    runs: list[ThresholdRun]
    """One per run, in the order that was asked for."""
