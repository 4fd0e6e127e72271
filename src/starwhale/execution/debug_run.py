"""A run with `--debug`, seen from the process that drives it: what may stand beside it, and which row it tries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from starwhale.domain.job import THREAD, DatasetInput, RunRequest
from starwhale.domain.row_id import typed_key
from starwhale.errors import NotFoundError, UsageError, nearest

_LISTED_KEYS = 10_000
"""Names are compared with so many keys, at most."""
_AROUND = 2

OpenDataset = Callable[[DatasetInput], Any]  # Any: the local DatasetReader, see JobSide.open_dataset
"""Opens a pinned version."""


def check_debug(request: RunRequest) -> None:
    """Refuse what does not go together with one worker at one terminal.

    Raises:
        UsageError: Another executor, several tasks, or a row without `--debug`.
    """
    if not request.is_debug:
        if request.row:
            message = f"--row {request.row} says nothing without --debug"
            raise UsageError(message, hint="add --debug")
        return
    if request.executor != THREAD:
        message = f"--debug runs one row at a time in one worker, and not with --executor {request.executor}"
        raise UsageError(message, hint="leave --executor out")
    if (request.replicas or 1) > 1 or request.fits_replicas:
        given = "auto" if request.fits_replicas else request.replicas
        message = f"--debug runs one row at a time in one worker, and not with --replicas {given}"
        raise UsageError(message, hint="leave --replicas out")


def pick_row(row: str, datasets: Sequence[DatasetInput], open_dataset: OpenDataset) -> list[DatasetInput]:
    """Leave one row of all datasets.

    Args:
        row: A key, or `NAME:KEY` where several datasets have it.
        datasets: Pinned versions with all their rows.
        open_dataset: Opens one.

    Returns:
        All datasets, so that ids stay what they are; those without the row have no rows.

    Raises:
        NotFoundError: There is no such row.
        UsageError: Several datasets have it.
    """
    unique = list({each.version: each for each in datasets}.values())
    named = [each for each in unique if typed_key(row, each)]
    found = [(each, rank) for each in named if (rank := _rank(open_dataset(each), typed_key(row, each))) is not None]
    if not found:
        found = [(each, rank) for each in unique if (rank := _rank(open_dataset(each), row)) is not None]
    if not found:
        raise _missing(
            row, [(each, typed_key(row, each)) for each in named] or [(each, row) for each in unique], open_dataset
        )
    if len(found) > 1:
        several = len({each.name for each, _ in found}) < len(found)
        shown = [f"--row {each.name}{f'@{each.version[:12]}' if several else ''}:{row}" for each, _ in found]
        message = f"{len(found)} datasets have a row {row}"
        raise UsageError(message, hint="choose one: " + " or ".join(shown))
    ((chosen, rank),) = found
    return [
        dataclasses.replace(each, start=rank, row_count=1)
        if each.version == chosen.version
        else dataclasses.replace(each, row_count=0)
        for each in unique
    ]


def _rank(reader: Any, key: str) -> int | None:  # Any: see OpenDataset
    parsed = _parse(reader, key)
    return None if parsed is None else reader.rank(parsed)


def _parse(reader: Any, key: str) -> int | str | None:  # Any: see OpenDataset
    """Read a key as the dataset's keys are; None where it cannot be one."""
    if reader.key_type != "int":
        return key
    try:
        return int(key)
    except ValueError:
        return None


def _missing(row: str, asked: Sequence[tuple[DatasetInput, str]], open_dataset: OpenDataset) -> NotFoundError:
    names = ", ".join(repr(each.name) for each, _ in asked)
    hints = [_nearest_keys(open_dataset(each), key) for each, key in asked]
    if len(asked) > 1:
        hints = [f"{each.name}: {hint}" for (each, _), hint in zip(asked, hints, strict=True)]
    key = asked[0][1] if len(asked) == 1 else row
    return NotFoundError(f"no row {key!r} in {names}" if asked else f"no row {key!r}", hint="; ".join(hints))


def _nearest_keys(reader: Any, key: str) -> str:  # Any: see OpenDataset
    count = reader.row_count
    if count == 0:
        return "it has no rows"
    parsed = _parse(reader, key)
    if isinstance(parsed, str):
        return nearest(parsed, map(str, reader.read(0, min(count, _LISTED_KEYS), []).keys))
    first, last = reader.read(0, 1, []).keys[0], reader.read(count - 1, count, []).keys[0]
    if parsed is None:
        return f"its keys are whole numbers from {first} to {last}"
    at = reader.rank_range(parsed, None)[0]
    keys = reader.read(max(at - _AROUND, 0), min(at + _AROUND, count), []).keys
    around = sorted(keys, key=lambda each: abs(each - parsed))
    return f"the nearest keys are {', '.join(map(str, around[:3]))}; they go from {first} to {last}"


__all__ = ["check_debug", "pick_row"]
