"""Build a version from rows of any source: all of them, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starwhale.datasets.dataset import Dataset
from starwhale.domain.version import check_user_tag
from starwhale.errors import UsageError

MODES = ("patch", "overwrite")
"""Add to the rows that are there, or replace them all."""
PROGRESS_ROWS = 1000
"""Rows between two reports of progress."""


def build_version(
    dataset: Dataset,
    rows: Iterable[tuple[Any, Any]],  # Any: keys and features of users, checked by the dataset
    *,
    mode: str = "patch",
    tags: Sequence[str] | None = None,
    message: str = "",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write rows and commit them; whatever fails leaves no version behind.

    Args:
        dataset: An open dataset.
        rows: Keys with features; the key None means the next integer.
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
    count = 0
    try:
        if mode == "overwrite" and len(dataset):
            dataset.clear()
        for key, features in rows:
            if key is None:
                dataset.append(features)
            else:
                dataset[key] = features
            count += 1
            if progress is not None and count % PROGRESS_ROWS == 0:
                progress(count)
        dataset.commit(tags=tags, message=message)
    except BaseException:
        dataset.abort()
        raise
    return count
