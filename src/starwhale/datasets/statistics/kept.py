"""Statistics of a committed version, computed once and kept in a checked file of its dataset's folder.

The file is no part of the version: one that is missing, damaged or of another format is made again, and where nothing can be written
(a read-only folder, a full disk, a dataset on object storage) statistics are computed each time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.datasets.reading import own_columns
from starwhale.datasets.statistics.facts import DatasetStatistics, OnProgress

if TYPE_CHECKING:
    from starwhale.storage.protocols import DatasetReader

logger = logging.getLogger(__name__)

FORMAT = 1
"""Number of the format, and of what is computed: raise it when a fact is added or means something else."""


def find_statistics(
    reader: DatasetReader, columns: Sequence[str] | None = None, on_progress: OnProgress | None = None
) -> DatasetStatistics:
    """Return what is kept of a version, or compute it, and keep it where all columns were asked for.

    Args:
        reader: The version.
        columns: Features, in any case; None for all.
        on_progress: Told how far it is, when something has to be computed.

    Raises:
        UsageError: There is no such feature; the nearest names are said.
        CorruptedError: What had to be read differs from its checksum.
    """
    from starwhale.datasets.statistics.compute import compute_statistics

    names = own_columns(reader, columns)
    path = _path(reader)
    found = None if path is None else _load(path)
    if found is not None and found.rows == reader.row_count and [c.name for c in found.columns] == list(reader.columns):
        return (
            found
            if names is None
            else DatasetStatistics(rows=found.rows, columns=tuple(found[name] for name in dict.fromkeys(names)))
        )
    made = compute_statistics(reader, names, on_progress)
    if path is not None and names is None:
        _keep(path, made)
    return made


def _path(reader: DatasetReader) -> Path | None:
    from starwhale.storage.dataset_rows.dataset_reader import LocalDatasetReader
    from starwhale.storage.dataset_rows.version_files import statistics_name

    if not isinstance(reader, LocalDatasetReader) or reader.statistics_folder is None:
        return None
    return reader.statistics_folder / statistics_name(reader.digest)


def _load(path: Path) -> DatasetStatistics | None:
    from starwhale.storage.columns.files import digest_of

    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != digest_of(body).encode():
        logger.warning("the statistics in %s are damaged, and are computed again", path)
        return None
    try:
        state = json.loads(body)
        if state["format"] != FORMAT or state["manifest"] != path.stem:
            return None
        return DatasetStatistics.from_json(state["statistics"])
    except (ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, made: DatasetStatistics) -> None:
    from starwhale.storage.columns.files import digest_of, write_new

    body = json.dumps({"format": FORMAT, "manifest": path.stem, "statistics": made.to_json()}).encode()
    try:
        path.parent.mkdir(exist_ok=True)
        write_new(path, (digest_of(body).encode(), b"\n", body), sync=False)  # what a power cut leaves of it is checked
    except OSError as error:
        logger.info("the statistics are not kept in %s: %s", path, error)


__all__ = ["find_statistics"]
