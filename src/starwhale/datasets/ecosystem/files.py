"""A version as one Parquet or CSV file, written in batches of bounded size, beside its target and then renamed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet as pq

from starwhale.datasets.ecosystem.arrow import ArrowRows, BatchLimits, arrow_rows
from starwhale.datasets.ecosystem.json_text import json_text
from starwhale.datasets.ecosystem.layout import holds_bytes, media_class
from starwhale.errors import NotFoundError, UnsupportedValueError, UsageError
from starwhale.storage.columns.files import no_space, sync_folder
from starwhale.storage.protocols import DatasetReader

GROUP_ROWS = 65_536
"""Rows of a row group, at most."""
GROUP_BYTES = 32 << 20
"""Bytes of a row group in memory, about."""


def to_parquet(
    reader: DatasetReader,
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    drop_index: bool = False,
    limits: BatchLimits | None = None,
    group_bytes: int = GROUP_BYTES,
) -> Path:
    """Write a version as one Parquet file with page checksums, and return its path.

    Args:
        reader: The version.
        path: File to write; one that is there is replaced once the new one is whole.
        columns: Features to write; None for all.
        drop_index: Leave the keys out.
        limits: How much is read at a time; None for as much as everywhere.
        group_bytes: Bytes of a row group in memory, about.

    Raises:
        UsageError: There is no such feature, or the path is a folder.
        NotFoundError: The folder of the path is not there.
        NoSpaceError: The disk is full; what was at the path is untouched.
    """
    rows = arrow_rows(reader, columns, drop_index=drop_index, limits=limits)
    _check_any_column(rows)
    with _beside(path) as out, pq.ParquetWriter(out, rows.schema, compression="zstd", write_page_checksum=True) as file:
        for group in _groups(rows, group_bytes):
            file.write_table(group, row_group_size=max(1, group.num_rows))
    return Path(path)


def to_csv(
    reader: DatasetReader,
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    drop_index: bool = False,
) -> Path:
    r"""Write a version as one CSV file (UTF-8, commas, `\n`), and return its path.

    Text is always in double quotes, so that an empty text and a missing value (an empty field) stay apart; lists, structs and data
    types without bytes are JSON text.

    Args:
        reader: The version.
        path: File to write; one that is there is replaced once the new one is whole.
        columns: Features to write; None for all.
        drop_index: Leave the keys out.

    Raises:
        UnsupportedValueError: A column holds bytes, which CSV cannot.
        UsageError: There is no such feature, or the path is a folder.
        NotFoundError: The folder of the path is not there.
        NoSpaceError: The disk is full; what was at the path is untouched.
    """
    rows = arrow_rows(reader, columns, drop_index=drop_index)
    _check_any_column(rows)
    _check_text(rows)
    schema = pa.schema([(field.name, _text_type(field.type)) for field in rows.schema])
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    options = arrow_csv.WriteOptions(include_header=False)
    with _beside(path) as out:
        out.write(header.getvalue().encode())
        with arrow_csv.CSVWriter(out, schema, write_options=options) as file:
            for batch in rows.batches():
                file.write_batch(pa.RecordBatch.from_arrays([_as_text(each) for each in batch.columns], schema=schema))
    return Path(path)


def _check_any_column(rows: ArrowRows) -> None:
    if not rows.schema.names:
        message = "there is no column to write"
        raise UsageError(message, hint="choose a feature, or keep the keys")


def _check_text(rows: ArrowRows) -> None:
    binary = [name for name, kind in rows.kinds.items() if holds_bytes(kind)]
    if not binary:
        return
    what = media_class(rows.kinds[binary[0]]) or "bytes"
    others = [name for name in rows.kinds if name not in binary]
    message = f"column {binary[0]!r} holds {what} values, and CSV holds no bytes"
    raise UnsupportedValueError(message, hint=f"write Parquet, or only the columns {', '.join(others) or 'of keys'}")


def _text_type(arrow: Any) -> Any:
    return pa.string() if pa.types.is_nested(arrow) or pa.types.is_null(arrow) else arrow


def _as_text(array: Any) -> Any:
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    if not pa.types.is_nested(array.type):
        return array
    return pa.array([None if value is None else json_text(value) for value in array.to_pylist()], pa.string())


def _groups(rows: ArrowRows, group_bytes: int) -> Iterator[Any]:
    """Gather batches to row groups."""
    gathered: list[Any] = []
    count = size = 0
    for batch in rows.batches():
        if gathered and (count + batch.num_rows > GROUP_ROWS or size + batch.nbytes > group_bytes):
            yield pa.Table.from_batches(gathered)
            gathered, count, size = [], 0, 0
        gathered.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
    if gathered:
        yield pa.Table.from_batches(gathered)


@contextmanager
def _beside(path: str | os.PathLike[str]) -> Generator[IO[bytes]]:
    """Open a file beside the target, and put it in its place once it is whole and on disk."""
    target = Path(path)
    if target.is_dir():
        message = f"{str(target)!r} is a folder"
        raise UsageError(message, hint="name the file to write")
    if not target.parent.is_dir():
        message = f"there is no folder {str(target.parent)!r}"
        raise NotFoundError(message, hint="make it first")
    beside = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with beside.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(target)
        sync_folder(target.parent)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise no_space(error, target) from error
        raise
