"""Several runs against one of them: per metric and slice every value, every difference, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.corrections import benjamini_hochberg, holm
from starwhale.results.compare.differences import Difference, compare_scores
from starwhale.results.compare.findings import Comparison, Delta, MetricComparison, Question
from starwhale.results.compare.flips import find_flips
from starwhale.results.compare.intervals import Interval, cluster_numbers, mean_interval
from starwhale.results.compare.measured import MeasuredPair, find_interval
from starwhale.results.compare.ranks import rank_intervals
from starwhale.results.compare.runs import Id, Paired, Run, pair
from starwhale.results.compare.telling import sentence
from starwhale.results.compare.verdict import judge
from starwhale.results.metrics.examples import Examples
from starwhale.results.metrics.metric import Field, Measured, Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Truths = npt.NDArray[np.bool_]

FEW_ROWS = 10
"""A slice with fewer rows is told, and not judged."""
MOST_SLICES = 100
"""Values of one column that are compared, those with the most rows: of hundreds of slices some differ by chance, and nobody reads them."""


def compare_runs(baseline: Run, candidates: Sequence[Run], question: Question, *, paired_by: str = "id") -> Comparison:
    """Compare runs with one of them on the rows that all have.

    Claims over all rows are corrected by Holm, over metrics and runs; slices are exploration and corrected by Benjamini and Hochberg, over
    slices, metrics and runs.

    Args:
        baseline: What the others are compared with.
        candidates: One or more.
        question: By what, and how.
        paired_by: What made rows of two runs one row.

    Raises:
        NotFoundError: They share no row, or no run has a column that is asked for.
    """
    runs = (baseline, *candidates)
    columns = dict.fromkeys((*question.by, *filter(None, (question.cluster,))))
    paired = pair(runs, question.metrics, tuple(columns))
    slices = {column: _slices(paired.columns[column]) for column in question.by}
    paired = replace(paired, remarks=(*paired.remarks, *_left_out_slices(slices)))
    whole = [_Look(runs, paired, question, name) for name in question.metrics]
    sliced = [
        _Look(runs, paired, question, name, f"{column}={value}", rows)
        for column in question.by
        for value, rows in slices[column][:MOST_SLICES]
        for name in question.metrics
    ]
    first = whole[0]
    found = Comparison(
        baseline=baseline,
        candidates=tuple(candidates),
        paired_by=paired_by,
        paired=paired,
        metrics=(*_judge_all(whole, is_claim=True), *_judge_all(sliced, is_claim=False)),
        flips={run.id: first.flips(position, paired.ids) for position, run in enumerate(runs) if position},
        confidence=question.confidence,
    )
    return replace(found, sentence=sentence(found))


class _Look:
    """One metric on one slice: the scores that all runs have, and the differences before they are corrected."""

    def __init__(
        self,
        runs: Sequence[Run],
        paired: Paired,
        question: Question,
        name: str,
        slice: str = "",
        rows: Sequence[int] | None = None,
    ) -> None:
        import numpy as np

        self.runs, self.question, self.name, self.slice = runs, question, name, slice
        self.all_scores = paired.scores[name] if rows is None else paired.scores[name][:, rows]
        self.known: Truths = np.asarray(~np.isnan(self.all_scores).any(axis=0))
        self.scores = self.all_scores[:, self.known]
        groups = alone_where_unknown(paired.columns[question.cluster]) if question.cluster else None
        if groups is not None and rows is not None:
            groups = [groups[each] for each in rows]
        self.clusters = (
            None if groups is None else [each for each, known in zip(groups, self.known, strict=True) if known]
        )
        self.n = self.scores.shape[1]
        self.is_share = name in paired.shares
        self.measured: list[Measured] = []
        if name in paired.examples and self.n:
            self.is_share = self._measure(paired.measured[name], paired.examples[name], rows)
        self.is_judged = self.n >= FEW_ROWS if slice else self.n > 0
        self.pairs = {position: self._pair(position) for position in self.others} if self.measured else {}
        self.differences = [self.compare(position, question.confidence) for position in self.others]

    @property
    def others(self) -> range:
        """Positions of the runs that are compared with the first."""
        return range(1, len(self.runs)) if self.is_judged else range(0)

    def compare(self, position: int, confidence: float) -> Difference:
        """Compare one run with the first."""
        if self.measured:
            return self.pairs[position].difference(confidence)
        return compare_scores(self.scores[position], self.scores[0], confidence=confidence, clusters=self.clusters)

    def _measure(self, metric: Metric, examples: Sequence[Examples], rows: Sequence[int] | None) -> bool:
        """Compute the metric of each run on these rows; returns whether it is a share."""
        import numpy as np

        places: list[int] = np.flatnonzero(self.known).tolist()
        chosen = places if rows is None else [rows[each] for each in places]
        self.metric = metric
        self.measured = [metric.measure(each.take(chosen))[0] for each in examples]
        self.groups = None if self.clusters is None else cluster_numbers(self.clusters)
        return metric.unit == "share"

    def _pair(self, position: int) -> MeasuredPair:
        changes = self.scores[position] - self.scores[0]
        return MeasuredPair(self.measured[position], self.measured[0], self.groups, changes)

    def _value(self, position: int) -> Interval:
        confidence = self.question.confidence
        if not self.measured:
            return mean_interval(self.scores[position], confidence, self.clusters)
        return find_interval(self.measured[position], self.metric, self.n, confidence, self.groups)

    def flips(self, position: int, ids: Sequence[Id]) -> tuple[Sequence[Id], Sequence[Id]]:
        """Return the rows on which a run has more than the first, and less; the larger changes first."""
        lower = self.name in self.question.lower_is_better
        return find_flips(self.all_scores[position], self.all_scores[0], ids, lower_is_better=lower)

    def bounds(self, position: int) -> tuple[float, float] | None:
        """Return the difference if missing scores of shares were as bad, and as good, for the candidate as can be."""
        import numpy as np

        if self.measured or self.known.all() or not ((self.scores == 0) | (self.scores == 1)).all():
            return None
        ours, theirs = self.all_scores[position], self.all_scores[0]
        worst = np.nan_to_num(ours, nan=0.0).mean() - np.nan_to_num(theirs, nan=1.0).mean()
        best = np.nan_to_num(ours, nan=1.0).mean() - np.nan_to_num(theirs, nan=0.0).mean()
        return float(worst), float(best)

    def finish(self, corrected: Sequence[float]) -> MetricComparison:
        """Judge with corrected ps."""
        import numpy as np

        question, name = self.question, self.name
        higher = name not in question.lower_is_better
        values = {run.id: self._value(position) for position, run in enumerate(self.runs)}
        deltas = {
            self.runs[position].id: self._judge(position, difference, p, higher)
            for position, difference, p in zip(self.others, self.differences, corrected, strict=True)
        }
        ranks: dict[str, tuple[int, int]] = {}
        if len(self.runs) > 2 and self.is_judged and not self.slice:
            scores = self.scores
            if self.measured:
                scores = np.stack([each.value + each.influence for each in self.measured])
            places = rank_intervals(scores, higher_is_better=higher, confidence=question.confidence)
            ranks = {run.id: place for run, place in zip(self.runs, places, strict=True)}
        return MetricComparison(
            name=name,
            slice=self.slice,
            n=self.n,
            missing=int((~self.known).sum()),
            is_share=self.is_share,
            tells_rows=not self.measured or Field.PREDICTION in self.metric.needs,
            higher_is_better=higher,
            values=values,
            deltas=deltas,
            ranks=ranks,
        )

    def _judge(self, position: int, difference: Difference, p: float, higher: bool) -> Delta:
        question = self.question
        agreeing = self.compare(position, _level(question.confidence, difference.p, p))
        verdict = judge(
            difference,
            p_corrected=p,
            higher_is_better=higher,
            margin=question.margin,
            confidence=question.confidence,
        )
        return Delta(
            difference=difference,
            p_corrected=p,
            low=agreeing.low,
            high=agreeing.high,
            verdict=verdict,
            bounds=self.bounds(position),
        )


def _judge_all(looks: Sequence[_Look], *, is_claim: bool) -> list[MetricComparison]:
    """Correct the ps of all looks together, and judge each."""
    correct = holm if is_claim else benjamini_hochberg
    corrected = iter(correct([each.p for look in looks for each in look.differences]))
    return [look.finish([next(corrected) for _ in look.differences]) for look in looks]


def _level(confidence: float, p: float, corrected: float) -> float:
    """Return the confidence at which an interval leaves 0 out exactly when the corrected p is below α: the level at which p was judged."""
    if math.isnan(p) or corrected <= p or corrected == 0:
        return confidence
    return 1 - (1 - confidence) * p / corrected


def alone_where_unknown(groups: Sequence[Any]) -> list[Any]:  # Any: values of users
    """Return what rows belong to; a row of which nobody knows it is a cluster of its own."""
    return [("alone", place) if each is None else ("in", each) for place, each in enumerate(groups)]


def _left_out_slices(slices: Mapping[str, Sequence[Any]]) -> list[str]:  # Any: slices
    return [
        f"{column} has {len(found):,} values: the {MOST_SLICES} most frequent are compared"
        for column, found in slices.items()
        if len(found) > MOST_SLICES
    ]


def _slices(values: Sequence[Any]) -> list[tuple[Any, list[int]]]:  # Any: values of users
    """Return the rows of each value, the most frequent first."""
    rows: dict[Any, list[int]] = {}
    for position, value in enumerate(values):
        rows.setdefault(value if isinstance(value, str | int | float | bool) else str(value), []).append(position)
    return sorted(rows.items(), key=lambda each: (-len(each[1]), str(each[0])))
