"""Lance data sets as rows, column by column."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starwhale.datasets.importers.arrow_blocks import BLOCK_ROWS, BlockMaker, pick_columns, unreadable
from starwhale.datasets.importers.blocks import RowBlock
from starwhale.datasets.importers.place import SourcePlace, each_place, near_names
from starwhale.datasets.importers.registry import Importer, kind_of
from starwhale.errors import DatasetSourceError, MissingDependencyError

LARGE_ROWS = 64
"""Rows that are read at a time where a column may hold large values."""
IO_BYTES = 64 << 20
"""Bytes that are read ahead, at most about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanceOptions:
    """What of the data sets is read."""

    columns: tuple[str, ...] = ()
    """Names of the columns; none means all."""

    version: int = 0
    """Version of a data set; 0 means the newest."""


def read_lance(places: SourcePlace | Sequence[SourcePlace], options: LanceOptions | None = None) -> Iterator[RowBlock]:
    """Yield the rows of Lance data sets (folders), in the order in which they were added; keys count from 0 over all of them.

    Raises:
        MissingDependencyError: The package `pylance` is not installed.
        DatasetSourceError: A data set is missing or damaged, or a value cannot be kept; with folder, column and row.
    """
    options = options or LanceOptions()
    maker = BlockMaker()
    given = each_place(places)
    for place in given:
        yield from _read_folder(maker, place, options)


def _read_folder(maker: BlockMaker, place: str, options: LanceOptions) -> Iterator[RowBlock]:
    lance = _lance()
    if Path(place).is_file():
        option = kind_of(Path(place).suffix.lower())
        hint = f"read it with --{option}" if option else "give the folder that Lance has written"
        raise DatasetSourceError(f"{place} is a file, and a Lance data set is a folder", path=place, hint=hint)
    if not Path(place).is_dir():
        raise DatasetSourceError(f"there is no folder {place}", path=place, hint=near_names(Path(place)))
    try:
        opened = lance.dataset(place, version=options.version or None)
        picked = pick_columns(options.columns, opened.schema, place)
        scanner = opened.scanner(
            columns=picked,
            batch_size=_batch_rows(opened.schema),
            batch_readahead=1,
            io_buffer_size=IO_BYTES,
            scan_in_order=True,
            blob_handling="all_binary",
        )
        yield from maker.blocks(scanner.to_batches(), scanner.projected_schema, place)
    except (ValueError, OSError, RuntimeError) as error:
        if isinstance(error, DatasetSourceError):
            raise
        raise unreadable(place, error, "a Lance data set") from error


def _batch_rows(schema: Any) -> int:
    """Return how many rows are read at a time: fewer where a column holds large values, whose size the schema does not say."""
    from pyarrow import types

    is_large = any(types.is_large_binary(field.type) or hasattr(field.type, "extension_name") for field in schema)
    return LARGE_ROWS if is_large else BLOCK_ROWS


def _lance() -> Any:
    try:
        return importlib.import_module("lance")
    except ImportError as error:
        raise MissingDependencyError("pylance", extra="lance", purpose="reading a Lance data set") from error


IMPORTER = Importer(read=read_lance, options=LanceOptions, suffixes=(".lance",))
