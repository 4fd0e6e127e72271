"""Which metrics a handler wants of its results, and where they lie: what `@evaluation.metrics` says, as JSON in the handler's record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIGURES = "figures"
"""Key of a job's record: the figures that came of it, with a version."""
METRICS_STEP = ".metrics"
"""What the name of the step ends with that calls the user's own metrics of a predict; no function of a user can be called so."""
ROW_METRICS = "metrics"
"""Table of what the user's own functions said of each row, a column per function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMetrics:
    """What is to be computed of the results of one predict step."""

    names: tuple[str, ...]
    """Metrics of ours."""
    functions: tuple[str, ...] = ()
    """Functions of the user, by name, that were called with every row."""
    label: str = "label"
    """Column with what is true: of the dataset, or a path within the output."""
    prediction: str = ""
    """Column with what the model says; empty for the output itself, or what it calls `prediction` or `label`."""
    scores: str = ""
    """Column that says how sure the model is; empty for what the output calls `scores`, `probabilities`, `probability` or `score`."""
    classes: tuple[Any, ...] = ()  # Any: labels of users
    """Labels in the order of the scores."""
    positive: Any = None  # Any: a label of the user
    """The label that two-class metrics are about."""
    cluster: str = ""
    """Column that says which rows are alike."""
    by: tuple[str, ...] = ()
    """Columns whose values make slices."""
    lower_is_better: tuple[str, ...] = ()
    """Functions of which less is better."""

    def to_json(self) -> dict[str, Any]:  # Any: a JSON object
        """Return a JSON object from which `from_json` makes an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> WantedMetrics:
        """Read what `to_json` wrote."""
        lists = {"names", "functions", "classes", "by", "lower_is_better"}
        known = {each.name for each in dataclasses.fields(cls)}
        given: dict[str, Any] = {name: value for name, value in data.items() if name in known}  # Any: JSON values
        given.update((name, tuple(given[name])) for name in lists & given.keys())
        return cls(**given)
