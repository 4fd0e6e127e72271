"""Flips in a file, one row each: CSV for a spreadsheet, JSON Lines or Parquet for a program."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starwhale.errors import UsageError
from starwhale.results.compare.examples import Flip, as_text

SUFFIXES = (".csv", ".jsonl", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


def check_flips_path(path: str) -> None:
    """Refuse, before anything is computed, what cannot be written.

    Raises:
        UsageError: The file would be of no kind that is known, or has no folder.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} ends in none of {', '.join(SUFFIXES)}", hint="the ending says what is written")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="make it, or write elsewhere")


def write_flips(path: str, flips: Sequence[Flip]) -> None:
    """Write flips: run, id, change, both scores, what both had, and what each gave (`baseline.…`, `candidate.…`).

    In CSV a text that a spreadsheet would take for a formula gets an apostrophe before it.

    Raises:
        UsageError: The file cannot be written.
    """
    rows = [_row(each) for each in flips]
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(_HEAD)
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        {".csv": _write_csv, ".jsonl": _write_lines, ".parquet": _write_parquet}[target.suffix.lower()](
            beside, names, rows
        )
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", hint="write elsewhere") from error


_HEAD = ("run", "id", "change", "baseline.score", "candidate.score")


def _row(flip: Flip) -> dict[str, Any]:  # Any: values of users
    head = dict(zip(_HEAD, (flip.run, flip.id, flip.change, flip.before, flip.after), strict=True))
    return {
        **head,
        **{name: value for name, value in flip.shared.items() if name not in head},
        **{f"baseline.{name}": value for name, value in flip.baseline.items()},
        **{f"candidate.{name}": value for name, value in flip.candidate.items()},
    }


def _write_csv(target: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:  # Any: values of users
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([_safe(name) for name in names])
        writer.writerows([[_safe(_flat(row.get(name))) for name in names] for row in rows])


def _safe(cell: Any) -> Any:  # Any: a flat value
    r"""Keep a spreadsheet from running a text.

    Example:
        >>> _safe("=HYPERLINK(…)"), _safe("-3.5"), _safe(-3.5)
        ("'=HYPERLINK(…)", '-3.5', -3.5)
    """
    if not isinstance(cell, str) or not cell.lstrip(" \n").startswith(_FORMULA):
        return cell
    return cell if _is_number(cell) else f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _flat(value: Any) -> Any:  # Any: a value of a user
    return value if value is None or isinstance(value, bool | int | float) else as_text(value)


def _write_lines(target: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:  # Any: values of users
    def plain(value: Any) -> Any:  # Any: JSON
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {str(name): plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list | tuple) else value

    with target.open("w", encoding="utf-8") as out:
        for row in rows:
            line = {name: plain(row.get(name)) for name in names}
            out.write(json.dumps(line, ensure_ascii=False, default=as_text) + "\n")


def _write_parquet(target: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:  # Any: values of users
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    pq.write_table(pa.table(columns), target)


def _column(values: list[Any]) -> list[Any]:  # Any: values of users
    """Return values of one simple kind as they are, and others as text."""
    values = [str(each) if isinstance(each, int) and abs(each) >= 1 << 63 else each for each in values]
    kinds = {type(each) for each in values if each is not None}
    if kinds <= {int, float} or kinds in ({bool}, {str}):
        return values if int not in kinds or float not in kinds else [None if v is None else float(v) for v in values]
    return [None if each is None else as_text(each) for each in values]
