"""What is asked of several runs, and what is found: per metric and slice every value, difference and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.results.compare.charts import MIME_TYPE, all_charts, chart_specs
from starwhale.results.compare.differences import Difference
from starwhale.results.compare.examples import Flip
from starwhale.results.compare.html import comparison_html
from starwhale.results.compare.intervals import Interval
from starwhale.results.compare.markdown import comparison_to_markdown
from starwhale.results.compare.page import comparison_page
from starwhale.results.compare.runs import Id, Paired, Run
from starwhale.results.compare.telling import comparison_to_json
from starwhale.results.compare.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of several runs."""

    metrics: tuple[str, ...]
    """Names of the metrics."""
    lower_is_better: frozenset[str] = frozenset()
    """Those of which less is better."""
    by: tuple[str, ...] = ()
    """Columns whose values make slices."""
    cluster: str = ""
    """Column that says which rows are alike; empty where rows are independent."""
    margin: float | None = None
    """Difference too small to matter."""
    confidence: float = 0.95
    """Of every interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One run against the baseline, by one metric, on one slice."""

    difference: Difference
    """How large and how sure."""
    p_corrected: float
    """Its p as one of all that were looked at."""
    low: float
    """Lower end of the interval that agrees with the corrected p …"""
    high: float
    """… and upper end."""
    verdict: Verdict
    """What may be said."""
    bounds: tuple[float, float] | None = None
    """Of shares with missing scores: the difference if every missing one spoke against the candidate, and if every one spoke for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """All runs by one metric on one slice."""

    name: str
    """Name of the metric."""
    slice: str
    """`column=value`; empty for all rows."""
    n: int
    """Rows that all runs have a score of."""
    missing: int
    """Rows that all runs have, but one or more without a score."""
    higher_is_better: bool
    """Whether more is better."""
    values: Mapping[str, Interval]
    """Value per id of a run."""
    deltas: Mapping[str, Delta]
    """Difference to the baseline per id of another run; empty where there are too few rows."""
    ranks: Mapping[str, tuple[int, int]]
    """First and last place that each of three or more runs may have; empty otherwise."""
    is_share: bool
    """Whether every score is 0 or 1, so that values are told in percent and differences in points."""
    tells_rows: bool = True
    """Whether one row alone can be better or worse; of an order of rows, such as AUROC, none can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several runs against one of them."""

    baseline: Run
    """What the others are compared with."""
    candidates: tuple[Run, ...]
    """The others."""
    paired_by: str
    """What made rows of two runs one row."""
    paired: Paired
    """The rows that all have."""
    metrics: tuple[MetricComparison, ...]
    """All rows first, then slices."""
    flips: Mapping[str, tuple[Sequence[Id], Sequence[Id]]]
    """Per id of another run the rows that it gained and lost by the first metric."""
    confidence: float
    """Of every interval."""
    sentence: str = ""
    """What came of it, in one sentence."""
    examples: tuple[Flip, ...] = ()
    """Some of the flips, or all of them, with what lies behind each: as many as were asked for."""

    @property
    def main(self) -> MetricComparison:
        """The first metric on all rows."""
        return self.metrics[0]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, the baseline first."""
        return (self.baseline, *self.candidates)

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return the shape of `swcli job compare -o json`."""
        return comparison_to_json(self)

    def to_markdown(self) -> str:
        """Return it as a comment of a pull request."""
        return comparison_to_markdown(self)

    def to_html(self) -> str:
        """Return it as one page that needs nothing else: no script, no file beside it, no network."""
        return comparison_page(self)

    def charts(self) -> dict[str, dict[str, Any]]:  # Any: JSON
        """Return Vega-Lite specifications by name: `values`, `differences`, and `slices` where there are some."""
        return chart_specs(self)

    def __str__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return comparison_html(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # Any: JSON
        """Give a notebook all that it may show: drawings that need nothing, and charts for those that have Vega."""
        del include, exclude  # the notebook chooses
        return {"text/plain": str(self), "text/html": comparison_html(self), MIME_TYPE: all_charts(self)}
