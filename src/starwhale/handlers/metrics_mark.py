"""What `metrics` leaves on a function for `predict`, whichever of the two decorators lies further out."""

from __future__ import annotations

import dataclasses

from starwhale.domain.job import HandlerRecord
from starwhale.errors import UsageError
from starwhale.handlers.registry import UserFunction

METRICS_MARK = "__starwhale_metrics__"
"""Attribute of a function: the `WantedMetrics` of its results."""


def with_metrics(record: HandlerRecord, function: UserFunction) -> HandlerRecord:
    """Add to the record of a handler which metrics it wants, if it said so.

    Raises:
        UsageError: It is no predict, of which alone there are rows.
    """
    wanted = getattr(function, METRICS_MARK, None)
    if wanted is None:
        return record
    if record.kind != "predict":
        message = f"@evaluation.metrics stands on {record.name}, a handler of the kind {record.kind}"
        raise UsageError(message, hint="put it on the predict function whose results are measured")
    return dataclasses.replace(record, metrics=wanted.to_json())
