"""A step as JSON and back, for the column that holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from starwhale.domain.job import HandlerRecord, Step


def step_to_json(step: Step) -> dict[str, Any]:  # Any: a JSON object
    """Return a JSON object from which `step_from_json` makes an equal step."""
    return dataclasses.asdict(step)


def step_from_json(data: Mapping[str, Any]) -> Step:  # Any: a JSON object
    """Read what `step_to_json` wrote; unknown keys of newer programs are left out."""
    known = {each.name for each in dataclasses.fields(Step)}
    values: dict[str, Any] = {
        name: value for name, value in data.items() if name in known
    }  # Any: fields of several types
    values |= {"record": HandlerRecord.from_json(data["record"]), "needs": tuple(data.get("needs", ()))}
    return Step(**values)
