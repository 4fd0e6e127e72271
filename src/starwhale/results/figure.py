"""A figure: one value with everything that has to be known of it. What is stored, printed, compared and gated is this record."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starwhale.domain.json_shape import check_shape
from starwhale.domain.wanted_metrics import FIGURES
from starwhale.errors import CorruptedError
from starwhale.results.confusion import Confusion
from starwhale.results.curve import Curve

VERSION = 1
"""Of the JSON in which figures are stored."""
_NUMBER = (float, None)
_SHAPE = {
    "metric": str, "label": str, "slice": str, "value": _NUMBER, "se": _NUMBER, "ci": [_NUMBER], "confidence": float, "method": str,
    "n": int, "clusters": (int, None), "design_effect": float, "repeats": int, "missing": int, "not_finite": int, "failed": int,
    "bounds": ([float], None), "direction": str, "unit": str, "meaning": str, "remarks": [str], "digests": {str: str},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One value of one metric."""

    metric: str
    """Name of the metric."""
    value: float
    """The value; NaN where it has no meaning for these rows."""
    standard_error: float
    """Its standard error; NaN where it cannot be estimated."""
    low: float
    """Lower end of the interval; NaN where none can be given."""
    high: float
    """Upper end of the interval; NaN where none can be given."""
    method: str
    """How the interval was made, or why there is none."""
    n: int
    """Rows that count."""
    label: str = ""
    """The label that it is about; empty where it is about all."""
    slice: str = ""
    """The rows that it is about, as `column=value`; `dataset=NAME` for one of several; empty for all."""
    confidence: float = 0.95
    """Of the interval."""
    clusters: int | None = None
    """Groups of rows that are alike, where some were named."""
    design_effect: float = 1.0
    """How many times the variance is that of independent rows."""
    repeats: int = 1
    """Most results of one row."""
    missing: int = 0
    """Rows without a value that the metric needs."""
    not_finite: int = 0
    """Rows of which such a value is NaN or infinite."""
    failed: int = 0
    """Rows whose error was recorded instead of a result."""
    bounds: tuple[float, float] | None = None
    """The value if all rows that do not count were as bad, and as good, as can be; None where all count, or nobody knows."""
    direction: str = "higher is better"
    """Which values are better: `higher is better` or `lower is better`."""
    unit: str = ""
    """`share` of 1, `label` (in the unit of the labels), `nats`; empty for a number without a unit."""
    meaning: str = ""
    """What it says, in one line."""
    remarks: tuple[str, ...] = ()
    """What a reader has to know of this value."""
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    """What made it: versions of the datasets, the model, the runtime."""

    @property
    def name(self) -> str:
        """The metric, with the label that it is about: `recall[cat]`."""
        return f"{self.metric}[{self.label}]" if self.label else self.metric

    @property
    def key(self) -> str:
        """What names it among the figures of a job: `recall[cat]`, `accuracy (dataset=mnist)`."""
        return f"{self.name} ({self.slice})" if self.slice else self.name

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    @property
    def is_share(self) -> bool:
        """Whether it is a share of 1, which people read in percent."""
        return self.unit == "share"

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return a JSON object without NaN from which `from_json` makes an equal value."""
        found: dict[str, Any] = {
            each.name: getattr(self, each.name)
            for each in dataclasses.fields(self)
            if each.name not in {"standard_error", "low", "high"}
        }
        return found | {
            "value": _none(self.value),
            "se": _none(self.standard_error),
            "ci": [_none(self.low), _none(self.high)],
            "bounds": None if self.bounds is None else list(self.bounds),
            "remarks": list(self.remarks),
            "digests": dict(self.digests),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Figure:
        """Read what `to_json` wrote.

        Raises:
            TypeError: It is no figure.
        """
        check_shape(dict(data), _SHAPE, "figure")
        low, high = data["ci"]
        taken = {"se", "ci", "value", "bounds", "remarks"}
        known = {each.name for each in dataclasses.fields(cls)}
        bounds = data["bounds"]
        return cls(
            **{name: each for name, each in data.items() if name in known - taken},
            value=_nan(data["value"]),
            standard_error=_nan(data["se"]),
            low=_nan(low),
            high=_nan(high),
            bounds=None if bounds is None else (bounds[0], bounds[1]),
            remarks=tuple(data["remarks"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresFound:
    """What was computed of a job when it ended."""

    figures: tuple[Figure, ...] = ()
    """Its figures."""
    curves: tuple[Curve, ...] = ()
    """What is drawn of some of them."""
    confusions: tuple[Confusion, ...] = ()
    """Which labels were taken for which."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return what is stored with a job."""
        found: dict[str, Any] = {"version": VERSION, "figures": [each.to_json() for each in self.figures]}
        found |= {"curves": [each.to_json() for each in self.curves]} if self.curves else {}
        return found | ({"confusions": [each.to_record() for each in self.confusions]} if self.confusions else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FiguresFound:
        """Read what is stored with a job; one of an older program has figures alone.

        Raises:
            CorruptedError: It was not written by `to_json`, or by a newer program.
        """
        try:
            check_shape(
                dict(data),
                {"version": int, "figures": [object], "?curves": [object], "?confusions": [object]},
                "figures",
            )
            if data["version"] > VERSION:
                raise CorruptedError(
                    f"these figures have version {data['version']}, and this program reads {VERSION}",
                    hint="a newer program wrote them; use that one",
                )
            return cls(
                figures=tuple(map(Figure.from_json, data["figures"])),
                curves=tuple(map(Curve.from_json, data.get("curves", ()))),
                confusions=tuple(map(Confusion.from_record, data.get("confusions", ()))),
            )
        except TypeError as error:
            raise CorruptedError(f"the figures of the job cannot be read: {error}") from error


def found_of(record: Mapping[str, Any]) -> FiguresFound:  # Any: the record of a job
    """Return what was computed of a job, from its record; nothing where it wanted nothing, or has not ended.

    Raises:
        CorruptedError: It cannot be read.
    """
    data = record.get(FIGURES)
    return FiguresFound.from_json(data) if data else FiguresFound()


def figures_of(record: Mapping[str, Any]) -> tuple[Figure, ...]:  # Any: the record of a job
    """Return the figures of a job from its record, as `found_of` does."""
    return found_of(record).figures


def figure_values(figures: Sequence[Figure]) -> dict[str, float]:
    """Return the figures over all rows by the name of their metric, for a summary; those of each label stay out."""
    labels = Counter(each.metric for each in figures if not each.slice)
    return {
        each.metric: each.value
        for each in figures
        if not each.slice and labels[each.metric] == 1 and not math.isnan(each.value)
    }


def _none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
