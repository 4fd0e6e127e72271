"""Parquet files as rows, column by column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starwhale.datasets.importers.arrow_blocks import BlockMaker, pick_columns, rows_that_fit, unreadable
from starwhale.datasets.importers.blocks import RowBlock
from starwhale.datasets.importers.place import SourcePlace, each_place, is_address, list_places, open_binary
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError

SUFFIXES = (".parquet", ".pq", ".parq")
"""What is read of a directory."""
READ_BYTES = 1 << 20
"""Bytes that are read at a time; without it a whole column of a row group is."""
_PARTITION = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetOptions:
    """What of the files is read."""

    columns: tuple[str, ...] = ()
    """Names of the columns; none means all."""


def read_parquet(
    places: SourcePlace | Sequence[SourcePlace], options: ParquetOptions | None = None
) -> Iterator[RowBlock]:
    """Yield the rows of Parquet files, directories of them (and below) and http(s) addresses; keys count from 0 over all of them.

    Folders called `name=value` below a directory that is given add the column `name`, with integers where all values of it are.

    Raises:
        DatasetSourceError: A file is missing, damaged or no Parquet, or a value cannot be kept; with file, column and row.
    """
    options = options or ParquetOptions()
    maker = BlockMaker()
    for name, constants in _files(places):
        yield from _read_file(maker, name, constants, options)


def _read_file(
    maker: BlockMaker, name: str, constants: dict[str, object], options: ParquetOptions
) -> Iterator[RowBlock]:
    import pyarrow as pa
    from pyarrow import parquet

    with open_binary(name) as binary:
        try:
            given = binary if is_address(name) else name
            file = parquet.ParquetFile(given, page_checksum_verification=True, buffer_size=READ_BYTES)
            schema = file.schema_arrow
            picked = pick_columns([each for each in options.columns if each not in constants], schema, name)
            batches = _batches(file, picked)
            wanted = {key: value for key, value in constants.items() if not options.columns or key in options.columns}
            yield from maker.blocks(batches, _picked_schema(schema, picked), name, wanted)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, DatasetSourceError):
                raise
            raise unreadable(name, error, "a Parquet file") from error


def _batches(file: Any, picked: list[str] | None) -> Iterator[Any]:
    """Read row group by row group: one reader over all of them keeps the pages of those that are done."""
    rows = _batch_rows(file.metadata)
    for group in range(file.num_row_groups):
        yield from file.iter_batches(rows, row_groups=[group], columns=picked, use_threads=False)


def _batch_rows(metadata: Any) -> int:
    """Return how many rows are read at a time, by what a row of the fullest row group takes."""
    groups = [metadata.row_group(position) for position in range(metadata.num_row_groups)]
    return rows_that_fit(max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0))


def _picked_schema(schema: Any, picked: list[str] | None) -> Any:
    import pyarrow as pa

    return schema if picked is None else pa.schema([schema.field(name) for name in picked], metadata=schema.metadata)


def _files(places: SourcePlace | Sequence[SourcePlace]) -> list[tuple[str, dict[str, object]]]:
    """Return the files, each with the columns that its folders name."""
    given = each_place(places)
    found: list[tuple[str, dict[str, str]]] = []
    for place in given:
        root = Path(place)
        for name in list_places(place, SUFFIXES):
            folders = Path(name).relative_to(root).parts[:-1] if root.is_dir() else ()
            matches = [match for match in map(_PARTITION.fullmatch, folders) if match]
            found.append((name, {match[1]: unquote(match[2]) for match in matches}))
    columns = {column for _, constants in found for column in constants}
    numbers = {column for column in columns if all(_is_number(constants.get(column)) for _, constants in found)}
    return [
        (name, {key: _constant(value, is_number=key in numbers) for key, value in constants.items()})
        for name, constants in found
    ]


def _is_number(text: str | None) -> bool:
    return text is None or text == _NO_VALUE or re.fullmatch(r"-?(0|[1-9]\d{0,17})", text) is not None


def _constant(text: str, *, is_number: bool) -> object:
    if text == _NO_VALUE:
        return None
    return int(text) if is_number else text


IMPORTER = Importer(read=read_parquet, options=ParquetOptions, suffixes=SUFFIXES)
