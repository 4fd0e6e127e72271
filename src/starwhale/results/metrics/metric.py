"""What a metric is: a name, what it needs, and what every example adds to its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from starwhale.results.metrics.examples import Examples

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from starwhale.results.metrics.label_counts import LabelCounts, Margins

    Floats = npt.NDArray[np.float64]


class Direction(StrEnum):
    """Which values are better."""

    HIGHER = "higher is better"
    LOWER = "lower is better"


class Field(StrEnum):
    """What a metric may need of an example."""

    LABEL = "label"
    """What is true."""
    PREDICTION = "prediction"
    """What the model says."""
    SCORES = "scores"
    """How sure the model is: the probability of the positive label, or one number per class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A metric that is a function of counts per label: it can be computed again for any resample of its examples."""

    counts: LabelCounts
    """Which labels each example has, and which it was given."""
    value: Callable[[Margins], Floats]
    """Of sums per label, shape (…, labels); gives shape (…)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value, and what each example adds to it.

    Exactly one of these describes how sure the value is: it is the mean of `scores`; it is `share`, right ones among those that count;
    or it moves with its examples by `influence`.
    """

    value: float
    """The value; NaN where it has no meaning for these examples."""
    influence: Floats
    """Per example how the value moves when the example gets more weight, with mean 0, shape (n,). SE² = Σψ²/(n(n − 1))."""
    scores: Floats | None = None
    """Per example its own value, of which the value is the mean, shape (n,)."""
    share: tuple[int, int] | None = None
    """Of a share among some of the examples: how many are right, and among how many."""
    counted: Counted | None = None
    """Of a function of counts: how it is computed for a resample."""
    label: str = ""
    """The label that it is about; empty where it is about all."""
    method: str = "delta method"
    """How the error follows from the influence: delta method, DeLong."""
    remarks: tuple[str, ...] = ()
    """What a reader has to know of the value."""
    no_interval: str = ""
    """Why there can be no interval, or empty."""
    fewest: int | None = None
    """Of an area under a curve: positive or negative examples, whichever are fewer."""
    columns: Mapping[str, Floats] = field(default_factory=dict[str, "Floats"])
    """The sufficient statistics of each example by name, shape (n,) each, where they are more than the scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Rules: `measure` gets examples that all have what it needs, at least one; it returns one value, or one per label; it is pure, looks at
    examples in columns, and gives the same to the last digit for the same examples in the same order.
    """

    name: str
    """By which it is asked for."""
    direction: Direction
    """Which values are better."""
    needs: tuple[Field, ...]
    """What an example must have, to count."""
    measure: Callable[[Examples], Sequence[Measured]]
    """Computes it."""
    unit: str = "share"
    """`share` of 1, `label` (in the unit of the labels), `label²`, `nats`, or empty for a number without a unit."""
    limits: tuple[float, float] | None = None
    """Least and most that one example can add, of means; for the bounds with missing rows."""
    meaning: str = ""
    """What it says, in one line for people who are no statisticians."""
