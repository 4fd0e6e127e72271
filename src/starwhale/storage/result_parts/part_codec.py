"""Parts and pages as bytes: what travels between a worker and its parent, and what lies in a segment.

A worker that has pyarrow encodes columns as an Arrow stream, which its parent only appends; one without it uses the tagged msgpack of
`media.codec`, and the parent turns that into Arrow (`to_arrow`) before anything is written. pyarrow is imported where it is needed.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, cast

from starwhale.errors import CorruptedError
from starwhale.media import codec
from starwhale.storage.part import EncodedPart, EncodedTable, Form, PartDraft, TableDraft, best_form
from starwhale.storage.protocols import TablePage

ID_COLUMN = "__id"
"""Stored name of the row ids; a column of a user never has it, because escaping keeps leading underscores apart."""
_HEADER = struct.Struct("<I")


def encode_draft(draft: PartDraft, form: Form | None = None) -> EncodedPart:
    """Encode a draft; tables without rows are left out.

    Args:
        draft: What a task found out.
        form: The encoding; None chooses the best that is installed.

    Raises:
        UnsupportedValueError: A value cannot be stored faithfully.
    """
    chosen = form or best_form()
    tables = tuple(encode_table(table, chosen) for table in draft.tables if table.ids)
    return EncodedPart(lease=draft.lease, tables=tables, **draft.facts())


def encode_table(table: TableDraft, form: Form) -> EncodedTable:
    """Encode one table with its ids."""
    content = _encode_columns({ID_COLUMN: table.ids, **table.columns}, form)
    return EncodedTable(name=table.name, row_count=len(table.ids), content=content, form=form)


def to_arrow(encoded: EncodedPart) -> EncodedPart:
    """Return the part with every table as an Arrow stream, which is what a segment holds."""
    if all(table.form == "arrow" for table in encoded.tables):
        return encoded
    return dataclasses.replace(encoded, tables=tuple(map(_table_to_arrow, encoded.tables)))


def _table_to_arrow(table: EncodedTable) -> EncodedTable:
    if table.form == "arrow":
        return table
    content = _encode_columns(_decode_columns(table.content, table.form), "arrow")
    return dataclasses.replace(table, content=content, form="arrow")


def decode_table(table: EncodedTable) -> TableDraft:
    """Undo `encode_table`."""
    columns = _decode_columns(table.content, table.form)
    ids = columns.pop(ID_COLUMN)
    return TableDraft(name=table.name, ids=ids, columns=columns)


def encode_page(page: TablePage, form: Form | None = None) -> bytes:
    """Encode a page for a pipe or a body; media whose content is large are read for it."""
    chosen = form or best_form()
    payload = _encode_columns(page.columns, chosen)
    header = json.dumps({"codec": chosen, "row_count": page.row_count, "next_cursor": page.next_cursor}).encode()
    return b"".join((_HEADER.pack(len(header)), header, payload))


def decode_page(data: bytes) -> TablePage:
    """Undo `encode_page`."""
    (length,) = _HEADER.unpack_from(data)
    header = json.loads(data[_HEADER.size : _HEADER.size + length])
    columns = _decode_in_turn(data[_HEADER.size + length :], header["codec"])
    return TablePage(columns=columns, row_count=header["row_count"], next_cursor=header["next_cursor"])


def read_batch(payload: bytes | memoryview) -> Any:  # Any: a pyarrow record batch; pyarrow has no types
    """Read the one record batch of an Arrow stream.

    Raises:
        CorruptedError: It holds none, or several.
    """
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(payload)) as stream:
        batches = list(stream)
    if len(batches) == 1:
        return batches[0]
    message = f"a stored table holds {len(batches)} batches instead of one"
    raise CorruptedError(message)


def check_batch(payload: bytes, rows: int) -> None:
    """Make sure that the bytes of anybody are a stored table with at least so many rows; nothing in them is unpickled.

    Raises:
        CorruptedError: They are not.
    """
    import pyarrow as pa

    try:
        batch = read_batch(payload)
        batch.validate(full=True)
    except (pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, CorruptedError):
            raise
        raise CorruptedError(
            f"it is no stored table ({str(error).splitlines()[0] if str(error) else error!r})"
        ) from error
    if batch.num_rows < rows:
        raise CorruptedError(f"it has {batch.num_rows} rows, and should have {rows}")


def write_batch(batch: Any) -> bytes:  # Any: a pyarrow record batch
    """Write a record batch as a compressed Arrow stream."""
    import pyarrow as pa

    # LZ4: a part is written once and read several times while the user waits; zstd saves a quarter more and costs three times as much.
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    return cast("bytes", sink.getvalue().to_pybytes())


def _encode_columns(columns: Mapping[str, Sequence[Any]], form: Form) -> bytes:
    if form == "msgpack":
        return codec.pack(dict(columns))
    from starwhale.storage.columns.encode import encode_batch  # the import of pyarrow

    return write_batch(encode_batch(columns))


def _decode_in_turn(payload: bytes, form: Form) -> Mapping[str, Sequence[Any]]:
    if form == "msgpack":
        return _decode_columns(payload, form)
    from starwhale.storage.columns.encode import decode_in_turn  # the import of pyarrow

    return decode_in_turn(read_batch(payload))


def _decode_columns(payload: bytes | memoryview, form: Form) -> dict[str, list[Any]]:
    if form == "msgpack":
        return cast("dict[str, list[Any]]", codec.unpack(bytes(payload)))
    from starwhale.storage.columns.encode import decode_batch  # the import of pyarrow

    return decode_batch(read_batch(payload))
