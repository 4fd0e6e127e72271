"""Writing fragments: encoded rows, joined so that each column has one kind, as a Parquet file with wide columns and sums in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.cells import Sink
from starwhale.storage.columns.encode import KEY_COLUMN, SourceOf
from starwhale.storage.columns.files import digest_of, make_folder, write_new
from starwhale.storage.dataset_rows.blocks import Cut, cut_column
from starwhale.storage.dataset_rows.limits import LIMITS, Limits
from starwhale.storage.dataset_rows.manifest import Fragment
from starwhale.storage.dataset_rows.sums import make_tail

FRAGMENT_BYTES = 64 << 20
"""Bytes of a fragment, about: few files are quick to open, and this many bytes fit into memory while they are gathered."""
GROUP_BYTES = 3 << 18
"""Bytes of a row group, about: what reading one row from elsewhere fetches, at most."""
_COMPRESS_BELOW = 256
"""Columns with larger cells are mostly media, which are compressed already."""


def write_fragment(path: Path, batches: Sequence[Any], sink: Sink, limits: Limits = LIMITS) -> Fragment:
    """Write sorted, encoded rows as one fragment, not yet synced.

    Args:
        path: File to write.
        batches: Record batches of `encode_batch` with keys; their columns and kinds may differ.
        sink: Opens and takes long values, where values have to be encoded again to share a kind.
        limits: How large its groups are, and what lies beside them.
    """
    table = unify(batches, sink)
    rows, keys = table.num_rows, table.column(KEY_COLUMN)
    low, high = keys[0].as_py(), keys[-1].as_py()
    kinds = {
        codec.unescape_name(field.name): codec.kind_of(field)
        for field in table.schema
        if not field.name.startswith("__")
    }
    table, cuts = _take_out_wide(table, limits)
    most = limits.beside_wide_rows if cuts else limits.group_rows
    rows_per_group = max(1, min(most, GROUP_BYTES * rows // max(1, table.nbytes)))
    content = _to_parquet(table, rows_per_group)
    is_contiguous = isinstance(low, int) and high - low + 1 == rows
    lasts = [] if is_contiguous else [*range(rows_per_group - 1, rows - 1, rows_per_group), rows - 1]
    end, sums = make_tail(content, [keys[last].as_py() for last in lasts], cuts)
    footer = content[end:]
    wide = [piece for cut in cuts.values() for piece in (*cut.values, cut.index)]
    make_folder(path.parent)
    write_new(path, (content[:end], *wide, sums, footer), sync=False)
    return Fragment(
        file=path.stem,
        digest=digest_of(sums + bytes(footer)),
        tail=len(sums) + len(footer),
        rows=rows,
        size=len(content) + len(sums) + sum(map(len, wide)),
        low=low,
        high=high,
        columns=kinds,
    )


def _take_out_wide(table: Any, limits: Limits) -> tuple[Any, dict[str, Cut]]:
    """Take wide values out of a table; they will lie beside its row groups."""
    cuts: dict[str, Cut] = {}
    for field in table.schema:
        cut = None if field.name.startswith("__") else cut_column(table.column(field.name), limits)
        if cut is None:
            continue
        cuts[field.name] = cut
        place = table.schema.get_field_index(field.name)
        if cut.rest is None:
            table = table.remove_column(place)
        else:
            table = table.set_column(place, pa.field(field.name, cut.rest.type, metadata=field.metadata), cut.rest)
    return table, cuts


def _to_parquet(table: Any, rows_per_group: int) -> memoryview:
    repeated: list[str] = []
    compression: dict[str, str] = {}
    for field in table.schema:
        is_wide = table.column(field.name).nbytes > _COMPRESS_BELOW * table.num_rows
        if codec.kind_of(field).startswith("media:"):
            repeated += [f"{field.name}.meta", f"{field.name}.ref.pack"]
        for leaf in _leaf_paths(field):
            compression[leaf] = "none" if is_wide else "lz4"
    out: Any = pa.BufferOutputStream()
    options: dict[str, Any] = {"use_dictionary": repeated, "compression": compression}
    pq.write_table(
        table,
        out,
        row_group_size=rows_per_group,
        write_page_checksum=False,  # the sums cover every byte
        write_statistics=False,
        **options,
    )
    return memoryview(out.getvalue())


def unify(batches: Sequence[Any], sink: Sink) -> Any:
    """Join batches to one table whose columns have one kind and type each; columns without a value are left out."""
    schema_of_first = batches[0].schema
    if all(batch.schema.equals(schema_of_first, check_metadata=True) for batch in batches[1:]):
        absent = [field.name for field in schema_of_first if codec.kind_of(field) == "null"]
        return pa.Table.from_batches(batches).drop_columns(absent)
    fields: dict[str, set[tuple[str, Any]]] = {}
    for batch in batches:
        for field in batch.schema:
            fields.setdefault(field.name, set()).add((codec.kind_of(field), field.type))
    joined: list[Any] = []
    schema: list[Any] = []
    for name, variants in fields.items():
        present = {variant for variant in variants if variant[0] != "null"}
        if not present:
            continue
        kinds = {kind for kind, _ in present}
        if len(present) == 1:
            kind, arrow_type = next(iter(present))
            chunks = [_chunk_or_nulls(batch, name, arrow_type) for batch in batches]
        elif len(kinds) == 1 and kinds <= {"str", "bytes", "variant"}:
            kind, arrow_type = kinds.pop(), codec.LONG_TYPE
            chunks = [_chunk_as_long(batch, name) for batch in batches]
        else:
            values: list[Any] = []
            for batch in batches:
                values.extend(_decode_chunk(batch, name, sink.source))
            array, kind = codec.encode_column(values, name=name, sink=sink)
            arrow_type, chunks = array.type, [array]
        schema.append(pa.field(name, arrow_type, metadata={codec.KIND: kind.encode()}))
        joined.append(pa.chunked_array(chunks, arrow_type))
    return pa.Table.from_arrays(joined, schema=pa.schema(schema))


def _position(batch: Any, name: str) -> int:
    position = batch.schema.get_field_index(name)
    return -1 if position < 0 or codec.kind_of(batch.schema.field(position)) == "null" else position


def _chunk_or_nulls(batch: Any, name: str, arrow_type: Any) -> Any:
    position = _position(batch, name)
    return codec.null_array(arrow_type, batch.num_rows) if position < 0 else batch.column(position)


def _chunk_as_long(batch: Any, name: str) -> Any:
    array = _chunk_or_nulls(batch, name, codec.LONG_TYPE)
    return array if pa.types.is_struct(array.type) else codec.to_long(array)


def _decode_chunk(batch: Any, name: str, source_of: SourceOf | None) -> list[Any]:
    position = _position(batch, name)
    if position < 0:
        return [None] * batch.num_rows
    return codec.decode_column(batch.column(position), codec.kind_of(batch.schema.field(position)), source_of)


def _leaf_paths(field: Any, prefix: str = "") -> Iterable[str]:
    """Name the Parquet leaves of a field."""
    path = f"{prefix}{field.name}"
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _leaf_paths(child, f"{path}.")
    elif pa.types.is_list(field.type):
        yield from _leaf_paths(field.type.value_field.with_name("element"), f"{path}.list.")
    else:
        yield path


__all__ = ["FRAGMENT_BYTES", "GROUP_BYTES", "unify", "write_fragment"]
