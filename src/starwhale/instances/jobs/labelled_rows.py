"""Rows of a dataset made of what a job recorded: what went in, what came out, and as label what a person said was right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starwhale.errors import StatusError
from starwhale.results.read import JobTables
from starwhale.storage.protocols import TableQuery

if TYPE_CHECKING:
    from starwhale.storage.catalog.job_records import JobRecord
    from starwhale.storage.stores import Stores

_INPUT, _OUTPUT, _CORRECTED = "input", "output", "corrected"
_LABEL = "label"
_SAID = ("verdict", "note", "error")


def labelled_rows(stores: Stores, job: JobRecord) -> Iterator[tuple[str, dict[str, Any]]]:  # Any: cells
    """Return the rows of a job: the columns of its inputs, `output`, `verdict`, `note`, and `label`.

    The label is the corrected answer; of an answer that was called good the answer itself, or its `label` where it has one beside other things; otherwise
    the row has none, or the label that its input had.

    Raises:
        StatusError: The job has no rows.
    """
    tables = JobTables(stores, job)
    if "results" not in tables.names:
        message = f"job {job.id[:12]} has no rows"
        raise StatusError(message, hint="its table results is empty: look at it with swcli job info")
    for row in tables.rows(TableQuery(table="results")):
        yield str(row["id"]), _features(row)


def _features(row: Mapping[str, Any]) -> dict[str, Any]:  # Any: cells
    features = value_below(row, _INPUT)
    features = dict(features) if isinstance(features, Mapping) else {} if features is None else {"input": features}
    output, corrected = value_below(row, _OUTPUT), value_below(row, _CORRECTED)
    label = corrected if corrected is not None else _label_of(output) if row.get("verdict") == "good" else None
    found = {"output": output, **{name: row.get(name) for name in _SAID}, _LABEL: label}
    return {**features, **{name: each for name, each in found.items() if each not in (None, "")}}


def _label_of(output: Any) -> Any:  # Any: what users return
    return output.get(_LABEL, output) if isinstance(output, Mapping) else output


def value_below(row: Mapping[str, Any], name: str) -> Any:  # Any: a cell, or what several cells make together
    """Return a value that a table holds flat: `output`, or an object of what lies at `output/…`."""
    if name in row:
        return row[name]
    made: dict[str, Any] = {}
    for column, value in row.items():
        head, _, rest = column.partition("/")
        if head != name or not rest:
            continue
        *outer, last = rest.split("/")
        place = made
        for each in outer:
            inner = place.setdefault(each, {})
            if not isinstance(inner, dict):
                break
            place = inner
        place[last] = value
    return made or None
