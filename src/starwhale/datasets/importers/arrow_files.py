"""Arrow IPC and Feather files as rows, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from starwhale.datasets.importers.arrow_blocks import BlockMaker, pick_columns, unreadable
from starwhale.datasets.importers.blocks import RowBlock
from starwhale.datasets.importers.place import SourcePlace, is_address, list_places, open_binary
from starwhale.datasets.importers.registry import Importer
from starwhale.errors import DatasetSourceError

SUFFIXES = (".arrow", ".feather", ".ipc", ".arrows")
"""What is read of a directory."""
_FILE_START, _FEATHER_1_START = b"ARROW1", b"FEA1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowOptions:
    """What of the files is read."""

    columns: tuple[str, ...] = ()
    """Names of the columns; none means all."""


def read_arrow(places: SourcePlace | Sequence[SourcePlace], options: ArrowOptions | None = None) -> Iterator[RowBlock]:
    """Yield the rows of Arrow IPC files and streams, Feather files, directories of them (and below) and http(s) addresses.

    Keys count from 0 over all of them.

    Raises:
        DatasetSourceError: A file is missing, damaged or of another kind, or a value cannot be kept; with file, column and row.
    """
    import pyarrow as pa

    options = options or ArrowOptions()
    maker = BlockMaker()
    for name in list_places(places, SUFFIXES):
        with open_binary(name) as binary:
            try:
                yield from _read_file(maker, name, binary, options)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, DatasetSourceError):
                    raise
                raise unreadable(name, error, "an Arrow IPC or Feather file") from error


def _read_file(maker: BlockMaker, name: str, binary: BinaryIO, options: ArrowOptions) -> Iterator[RowBlock]:
    import pyarrow as pa

    start = binary.read(len(_FILE_START))
    binary.seek(0)
    if start.startswith(_FEATHER_1_START):
        message = f"cannot read {name}: a Feather file of version 1, which has no types"
        raise DatasetSourceError(message, path=name, hint="write it again with version 2")
    given = binary if is_address(name) else pa.memory_map(name)
    if start == _FILE_START:
        file = pa.ipc.open_file(given)
        batches: Any = (file.get_batch(position) for position in range(file.num_record_batches))
    else:
        file = batches = pa.ipc.open_stream(given)
    picked = pick_columns(options.columns, file.schema, name)
    schema = file.schema
    if picked is not None:
        schema = pa.schema([schema.field(column) for column in picked], metadata=schema.metadata)
        batches = (batch.select(picked) for batch in batches)
    yield from maker.blocks(batches, schema, name)


IMPORTER = Importer(read=read_arrow, options=ArrowOptions, suffixes=SUFFIXES)
