"""A version as Arrow: typed columns in batches of bounded size, a table, and what every other target is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from starwhale.datasets.ecosystem.columns import content_sizes, convert
from starwhale.datasets.ecosystem.layout import arrow_type
from starwhale.errors import FieldNameError, UsageError, nearest
from starwhale.storage.columns.encode import KEY_COLUMN, KIND, escape_name, kind_of
from starwhale.storage.protocols import DatasetReader

INDEX_NAMES = ("index", "__index__")
"""Names of the column of keys: the second where a feature has the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large a batch may be."""

    rows: int = 16_384
    """Rows, at most."""
    short_rows: int = 131_072
    """The same of numbers and truth values alone."""
    content_bytes: int = 16 << 20
    """Bytes of content that it reads from packs, about; one larger value is a batch of its own."""


@dataclass(frozen=True, slots=True)
class ArrowRows:
    """What is handed out of one version: which columns, under which names, as which types."""

    reader: DatasetReader
    """The version."""
    kinds: dict[str, str]
    """Feature → kind, in the order in which they are handed out."""
    index_name: str
    """Name of the column of keys; empty where the keys are left out."""
    key_type: Any
    """Arrow type of the keys."""
    limits: BatchLimits = BatchLimits()
    """How large its batches may be."""

    @property
    def schema(self) -> Any:
        """The Arrow schema; each feature's field carries its kind."""
        fields = [pa.field(self.index_name, self.key_type)] if self.index_name else []
        fields += [
            pa.field(name, arrow_type(kind), metadata={KIND: kind.encode()}) for name, kind in self.kinds.items()
        ]
        return pa.schema(fields)

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Any]:
        """Read record batches in key order, of bounded size whatever the version holds.

        Args:
            start: Rank of the first row.
            stop: Rank after the last; None for all.
        """
        schema = self.schema
        stop = self.reader.row_count if stop is None else min(stop, self.reader.row_count)
        is_short = all(kind in {"bool", "int", "float"} for kind in self.kinds.values())
        step = self.limits.short_rows if is_short else self.limits.rows
        for first in range(start, stop, step):
            with_keys = bool(self.index_name)
            stored = self.reader.read_arrow(first, min(first + step, stop), list(self.kinds), with_keys=with_keys)
            for piece in _cut_by_size(stored, self.limits.content_bytes):
                yield self._convert(piece, schema)

    def table(self) -> Any:
        """Read everything as a `pyarrow.Table`."""
        return pa.Table.from_batches(list(self.batches()), schema=self.schema)

    def _convert(self, stored: Any, schema: Any) -> Any:
        arrays = [_as_type(_stored(stored, KEY_COLUMN)[0], self.key_type)] if self.index_name else []
        for name, kind in self.kinds.items():
            array, stored_kind = _stored(stored, escape_name(name))
            arrays.append(convert(array, stored_kind, kind, self.reader.source_of))
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * stored.num_rows, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def arrow_rows(
    reader: DatasetReader,
    columns: Sequence[str] | None = None,
    *,
    drop_index: bool = False,
    limits: BatchLimits | None = None,
) -> ArrowRows:
    """Choose what is handed out of a version.

    Args:
        reader: The version.
        columns: Features to hand out, in any case, in this order; None for all.
        drop_index: Leave the keys out.
        limits: How large batches may be; None for the usual size.

    Raises:
        UsageError: There is no such feature; the nearest names are said.
        FieldNameError: Features have both names that the keys could get.
    """
    kinds = choose_columns(reader, columns)
    taken = {each.casefold() for each in reader.columns}  # of all features: the name does not depend on what is chosen
    names = [] if drop_index else [name for name in INDEX_NAMES if name not in taken]
    if not names and not drop_index:
        message = f"the features {INDEX_NAMES[0]!r} and {INDEX_NAMES[1]!r} leave no name for the column of keys"
        raise FieldNameError(message, hint="leave the keys out with drop_index=True")
    return ArrowRows(reader, kinds, names[0] if names else "", _key_type(reader), limits or BatchLimits())


def choose_columns(reader: DatasetReader, columns: Sequence[str] | None) -> dict[str, str]:
    """Return the kinds of the features that were asked for, by their own names.

    Raises:
        UsageError: There is no such feature; the nearest names are said.
    """
    if columns is None:
        return dict(reader.columns)
    own = {name.casefold(): name for name in reader.columns}
    chosen: dict[str, str] = {}
    for wanted in [columns] if isinstance(columns, str) else columns:
        name = own.get(wanted.casefold()) if isinstance(wanted, str) else None
        if name is None:
            message = f"the dataset has no feature {wanted!r}"
            raise UsageError(message, hint=nearest(str(wanted), reader.columns))
        chosen[name] = reader.columns[name]
    return chosen


def to_arrow(reader: DatasetReader, columns: Sequence[str] | None = None, *, drop_index: bool = False) -> Any:
    """Return a version, or some features of it, as a `pyarrow.Table`.

    Args:
        reader: The version.
        columns: Features to read; None for all.
        drop_index: Leave the keys out.
    """
    return arrow_rows(reader, columns, drop_index=drop_index).table()


def _key_type(reader: DatasetReader) -> Any:
    return pa.string() if reader.row_count and reader.key_type == "str" else pa.int64()


def _stored(batch: Any, name: str) -> tuple[Any, str]:
    """Return a column of a stored batch and its kind; nulls where these rows have none."""
    position = batch.schema.get_field_index(name)
    if position < 0:
        return pa.nulls(batch.num_rows), "null"
    return batch.column(position), kind_of(batch.schema.field(position))


def _as_type(array: Any, arrow_type: Any) -> Any:
    """Cast where it is needed: the first cast of a process imports a tenth of a second of functions."""
    return array if array.type == arrow_type else array.cast(arrow_type)


def _cut_by_size(stored: Any, content_bytes: int) -> Iterator[Any]:
    """Cut a batch where the content that its rows refer to becomes too much for one."""
    columns = [content_sizes(stored.column(position), kind_of(field)) for position, field in enumerate(stored.schema)]
    if all(sizes is None for sizes in columns):
        yield stored
        return
    totals = [0] * stored.num_rows
    for sizes in columns:
        if sizes is not None:
            totals = [total + (size or 0) for total, size in zip(totals, sizes.to_pylist(), strict=True)]
    start, held = 0, 0
    for row, size in enumerate(totals):
        if held and held + size > content_bytes:
            yield stored.slice(start, row - start)
            start, held = row, 0
        held += size
    yield stored.slice(start)
