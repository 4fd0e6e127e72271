"""Build a version from rows of any source: all of them, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starwhale.datasets.dataset import Dataset
from starwhale.datasets.importers import RowBlock
from starwhale.domain.version import check_user_tag
from starwhale.errors import DatasetSourceError, UsageError

MODES = ("patch", "overwrite")
"""Add to the rows that are there, or replace them all."""
PROGRESS_ROWS = 1000
"""Rows between two reports of progress."""


def build_version(
    dataset: Dataset,
    rows: Iterable[tuple[Any, Any] | RowBlock],  # Any: keys and features of users, checked by the dataset
    *,
    mode: str = "patch",
    tags: Sequence[str] | None = None,
    message: str = "",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write rows and commit them; whatever fails leaves no version behind.

    Args:
        dataset: An open dataset.
        rows: Keys with features, where the key None means the next integer; or many rows at once.
        mode: One of `MODES`.
        tags: Tags of the new version.
        message: Why.
        progress: Told the number of rows now and then.

    Returns:
        Number of rows that were written.
    """
    if mode not in MODES:
        text = f"mode is {mode!r}"
        raise UsageError(text, hint="use 'patch' or 'overwrite'")
    for tag in tags or ():
        check_user_tag(tag)
    try:
        if mode == "overwrite" and len(dataset):
            dataset.clear()
        count = _write(dataset, rows, progress)
        dataset.commit(tags=tags, message=message)
    except BaseException:
        dataset.abort()
        raise
    return count


def refuse_none(rows: Iterable[Any], source: str) -> Iterable[Any]:  # Any: rows and blocks, passed on
    """Pass rows on, and fail when there is none: a version without a row comes from a mistake.

    Raises:
        DatasetSourceError: The source has no rows.
    """
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if is_empty:
        raise DatasetSourceError(f"{source} has no rows", path=source, hint="a header alone makes no dataset")


def _write(dataset: Dataset, rows: Iterable[Any], progress: Callable[[int], None] | None) -> int:
    count = reported = 0
    for row in rows:
        if type(row) is RowBlock:
            dataset.put_columns(row.keys, row.columns)
            count += len(row)
        else:
            key, features = row
            if key is None:
                dataset.append(features)
            else:
                dataset[key] = features
            count += 1
        if progress is not None and count - reported >= PROGRESS_ROWS:
            reported = count
            progress(count)
    return count
