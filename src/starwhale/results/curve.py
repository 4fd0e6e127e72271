"""What is drawn of a metric: a ROC curve, a curve of precision and recall, or how often confidence is right. Kept with the figures of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starwhale.domain.json_shape import check_shape

MOST_CURVES = 50
"""Curves of one metric that are kept: the first labels."""
_SHAPE = {
    "metric": str, "kind": str, "label": str, "slice": str, "x": [float], "y": [float], "?low": [float], "?high": [float], "?n": [int]
}  # fmt: skip


class CurveKind(StrEnum):
    """What the two axes are."""

    ROC = "roc"
    """False positive rate, true positive rate."""
    PRECISION_RECALL = "precision-recall"
    """Recall, precision."""
    RELIABILITY = "reliability"
    """Mean confidence of a bin, share of it that is right."""

    @property
    def axes(self) -> tuple[str, str]:
        """What is written at the axes."""
        return {
            CurveKind.ROC: ("false positive rate", "true positive rate"),
            CurveKind.PRECISION_RECALL: ("recall", "precision"),
            CurveKind.RELIABILITY: ("confidence", "share that is right"),
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points of one curve, between 0 and 1, from left to right; thinned to what a drawing can show."""

    metric: str
    """Whose it is."""
    kind: CurveKind
    """What the axes are."""
    x: tuple[float, ...]
    """Across."""
    y: tuple[float, ...]
    """Up."""
    label: str = ""
    """The label that it is about, against the rest; empty where it is about all."""
    slice: str = ""
    """The rows that it is about; empty for all."""
    low: tuple[float, ...] = ()
    """Lower ends of the intervals of `y`; empty where points have none."""
    high: tuple[float, ...] = ()
    """Upper ends."""
    n: tuple[int, ...] = ()
    """Rows behind each point; empty where each has all."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return a JSON object from which `from_json` makes an equal value."""
        found: dict[str, Any] = {
            "metric": self.metric,
            "kind": str(self.kind),
            "label": self.label,
            "slice": self.slice,
        }
        columns = {"x": self.x, "y": self.y, "low": self.low, "high": self.high, "n": self.n}
        return found | {name: list(values) for name, values in columns.items() if values or name in {"x", "y"}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """Read what `to_json` wrote.

        Raises:
            TypeError: It is no curve.
        """
        check_shape(dict(data), _SHAPE, "curve")
        if data["kind"] not in set(CurveKind):
            raise TypeError(f"curve.kind is {data['kind']!r}")
        columns = {name: tuple(data.get(name, ())) for name in ("x", "y", "low", "high", "n")}
        if any(values and len(values) != len(columns["x"]) for values in columns.values()):
            raise TypeError("the columns of a curve are not equally long")
        return cls(
            metric=data["metric"], kind=CurveKind(data["kind"]), label=data["label"], slice=data["slice"], **columns
        )


def thinned(x: Sequence[float], y: Sequence[float], step: float = 0.01) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Leave out points that lie within a step of the one before, both ways; the first and the last stay.

    Example:
        >>> thinned([0.0, 0.001, 0.5, 0.501, 1.0], [0.0, 0.0, 0.9, 0.9, 1.0])
        ((0.0, 0.5, 1.0), (0.0, 0.9, 1.0))
    """
    kept: list[int] = []
    for place in range(len(x)):
        is_end = place in {0, len(x) - 1}
        if is_end or max(abs(x[place] - x[kept[-1]]), abs(y[place] - y[kept[-1]])) >= step:
            kept.append(place)
    return tuple(round(float(x[each]), 6) for each in kept), tuple(round(float(y[each]), 6) for each in kept)
