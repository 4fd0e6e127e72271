"""Build a version from rows of any source: all of them, or nothing."""

from __future__ import annotations

import importlib
import warnings
from array import array
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


class RepeatedKeysWarning(UserWarning):
    """Rows of one source had a key that came before, and were merged with that row."""


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

    Raises:
        UsageError: There is no such mode.
        InvalidNameError: A tag is none that a user may set.
        NothingToCommitError: The rows change nothing.
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
    """Pass rows on, and fail when there is none: a version without a row comes from a mistake, and an overwrite with none loses all.

    Args:
        rows: What an importer reads, or a script gives.
        source: What they come from, as the error names it.

    Raises:
        DatasetSourceError: The source has no rows.
    """
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if is_empty:
        hint = "a header alone makes no dataset; what should go is removed with: swcli dataset remove"
        raise DatasetSourceError(f"{source} has no rows, and nothing was written", path=source, hint=hint)


def _write(dataset: Dataset, rows: Iterable[Any], progress: Callable[[int], None] | None) -> int:
    count = reported = 0
    keys = _Keys()
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
                keys.note(key)
            count += 1
        if progress is not None and count - reported >= PROGRESS_ROWS:
            reported = count
            progress(count)
    keys.warn()
    return count


class _Keys:
    """Counts the keys that come again, in 8 bytes for each; for nothing where they ascend, as they mostly do."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._last: Any = None
        self._is_ascending = True

    def note(self, key: Any) -> None:
        """Look at the next key, which the dataset has checked."""
        self._hashes.append(key if type(key) is int else hash(key))  # -1 and -2 have one hash
        if self._is_ascending:
            self._is_ascending = self._last is None or key > self._last
            self._last = key

    def warn(self) -> None:
        """Say how many came again."""
        if self._is_ascending:
            return
        import pyarrow as pa

        compute: Any = importlib.import_module("pyarrow.compute")  # its functions are made at run time
        hashes = pa.Array.from_buffers(pa.int64(), len(self._hashes), [None, pa.py_buffer(self._hashes)])
        repeated = len(hashes) - compute.count_distinct(hashes).as_py()
        if repeated:
            text = f"{repeated} row{'s have' if repeated > 1 else ' has'} a key that came before"
            warnings.warn(f"{text}, and {'are' if repeated > 1 else 'is'} merged with that row", RepeatedKeysWarning, 4)
