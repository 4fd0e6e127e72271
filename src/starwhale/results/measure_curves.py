"""The curves behind metrics of scores: what lies under AUROC and average precision, and what calibration errors sum up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from starwhale.results.compare.intervals import share_interval
from starwhale.results.curve import MOST_CURVES, Curve, CurveKind, thinned
from starwhale.results.metrics.examples import Examples, known_rows
from starwhale.results.metrics.metric import Metric
from starwhale.results.metrics.probabilities import BINS, confidences
from starwhale.results.metrics.ranking import one_against_rest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Truths = npt.NDArray[np.bool_]


def measure_curves(metric: Metric, examples: Examples, slice: str = "") -> list[Curve]:
    """Return the curves of a metric; none of a metric that has none.

    Args:
        metric: Which.
        examples: Columns with all that it needs; examples without a value do not count.
        slice: The rows that they are.
    """
    known = known_rows(examples, metric.needs)
    kinds = {"auroc": CurveKind.ROC, "average_precision": CurveKind.PRECISION_RECALL}
    counted = examples.take(known.rows)
    if not known.rows:
        return []
    if metric.name in kinds:
        return _ranked(metric.name, kinds[metric.name], counted, slice)
    if metric.name.startswith("ece") or metric.name == "calibration_error":
        return [_reliability(metric.name, counted, slice)]
    return []


def _ranked(metric: str, kind: CurveKind, examples: Examples, slice: str) -> list[Curve]:
    found: list[Curve] = []
    draw = roc_points if kind is CurveKind.ROC else precision_points
    for each in islice((each for each in one_against_rest(examples) if each.is_known), MOST_CURVES):
        x, y = thinned(*draw(each.truth, each.scores))
        found.append(Curve(metric=metric, kind=kind, x=x, y=y, label=str(each.label), slice=slice))
    return found


def _passed(truth: Truths, scores: Floats) -> tuple[Floats, Floats]:
    """Return the true and the false positives at each score that occurs, the highest first."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ordered, positive = scores[order], truth[order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(ordered)), scores.size - 1)  # ties are passed together
    hits = np.cumsum(positive)[last]
    return hits, last + 1 - hits


def roc_points(truth: Truths, scores: Floats) -> tuple[Sequence[float], Sequence[float]]:
    """Return false and true positive rates, from (0, 0) to (1, 1)."""
    hits, misses = _passed(truth, scores)
    return [0.0, *(misses / misses[-1]).tolist()], [0.0, *(hits / hits[-1]).tolist()]


def precision_points(truth: Truths, scores: Floats) -> tuple[Sequence[float], Sequence[float]]:
    """Return recall and precision, beginning at recall 0 with the first precision."""
    hits, misses = _passed(truth, scores)
    precision: list[float] = (hits / (hits + misses)).tolist()
    return [0.0, *(hits / hits[-1]).tolist()], [precision[0], *precision]


def _reliability(metric: str, examples: Examples, slice: str) -> Curve:
    """Return mean confidence and share that is right in 15 bins of equal width, those without rows left out."""
    import numpy as np

    sure, right = confidences(examples)
    places = np.clip(np.ceil(sure * BINS) - 1, 0, BINS - 1).astype(int)
    counts, hits, total = (
        np.bincount(places, weights=each, minlength=BINS) for each in (np.ones_like(sure), right, sure)
    )
    used = np.flatnonzero(counts)
    ends = [share_interval(round(hits[each]), int(counts[each])) for each in used]

    def column(values: Any) -> tuple[float, ...]:  # Any: an array
        return tuple(round(float(each), 6) for each in values)

    return Curve(
        metric=metric,
        kind=CurveKind.RELIABILITY,
        x=column(total[used] / counts[used]),
        y=column(hits[used] / counts[used]),
        low=column([each.low for each in ends]),
        high=column([each.high for each in ends]),
        n=tuple(int(counts[each]) for each in used),
        slice=slice,
    )
