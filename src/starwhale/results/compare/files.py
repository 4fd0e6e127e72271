"""Predictions in a file as a run: CSV, JSON Lines or Parquet, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starwhale.errors import NotFoundError, UsageError, nearest
from starwhale.results.compare.runs import Id, Run, as_scores, odd_rows

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")


def is_run_file(text: str) -> bool:
    """Whether an argument names a file of predictions and no job: by its suffix."""
    return text.lower().endswith(SUFFIXES)


def read_run_file(path: str, key: str = "id") -> Run:
    """Read a file of predictions; every column of numbers or truth values is a metric.

    Args:
        path: A CSV file with a header, JSON Lines, or Parquet.
        key: Column that says which example a row is.

    Raises:
        NotFoundError: There is no such file, or no such column.
        UsageError: It cannot be read; the message says where it breaks.
    """
    columns = _read_columns(path)
    if key not in columns:
        raise NotFoundError(
            f"no column {key!r} in {path}",
            hint=f"say which column names the example: --key COLUMN; {nearest(key, columns)}",
        )
    ids = columns.pop(key)
    missing = next((position for position, each in enumerate(ids, 1) if each is None), None)
    if missing is not None:
        raise UsageError(f"{path}: row {missing} has no {key!r}", hint="each row needs the id of its example")
    odd = next((each for each in ids if not isinstance(each, str | int)), None)
    if odd is not None:
        raise UsageError(
            f"{path}: the id {odd!r} is no text and no whole number", hint="take another column: --key COLUMN"
        )
    metrics = {name: scores for name, values in columns.items() if (scores := as_scores(values)) is not None}
    return Run(
        id=path,
        name=Path(path).name.rpartition(".")[0],
        ids=_ids(ids),
        metrics=metrics,
        columns=columns,
        odd={name: rows for name in metrics if (rows := odd_rows(columns[name], ids))},
    )


def _ids(values: Sequence[Any]) -> list[Id]:  # Any: checked by the caller
    return list(values)


def _read_columns(path: str) -> dict[str, list[Any]]:  # Any: cells
    import pyarrow as pa

    if not Path(path).is_file():
        raise NotFoundError(f"no file {path}", hint="compare files of predictions, or jobs: swcli job list")
    try:
        table = _read_table(path)
    except pa.ArrowInvalid as error:
        raise UsageError(
            f"{path} cannot be read: {error}", hint="it is to be CSV with a header, JSON Lines or Parquet"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="is it whole, and may you read it?") from error
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _read_table(path: str) -> Any:  # Any: a pyarrow.Table, which ships no types
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)
    if suffix == ".csv":
        from pyarrow import csv

        nothing = ["", "NA", "N/A", "#N/A", "null", "NULL", "None", "none"]  # NaN is a value that is to be told
        return csv.read_csv(path, convert_options=csv.ConvertOptions(null_values=nothing))
    from pyarrow import json

    return json.read_json(path)
