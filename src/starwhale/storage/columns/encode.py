"""Cells to Arrow and back: one kind per column, for dataset rows and result rows alike.

A column whose values share one kind has that kind's Arrow type; every other column is `variant`: tagged canonical msgpack in a
binary column. None is absent, NaN is a value, and an integer never becomes a float. See docs/decisions/0002-dataset-format.md.

Kinds: `null bool int float str bytes list<…> struct<…> media:<Class> variant`. A column of str, bytes or variant whose
values are long has the physical type struct<data, ref> and keeps its kind; the long ones lie in a pack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import pyarrow as pa

from starwhale.errors import FieldNameError, StarwhaleError, UnsupportedValueError
from starwhale.media import codec
from starwhale.media.source import Source
from starwhale.storage.columns import arrays, cells
from starwhale.storage.columns.arrow_columns import encode_arrow
from starwhale.storage.columns.cells import AlikeCells, LongBytes, LongStr, MediaCell, Packed, PackRef, Sink, SourceOf

KEY_COLUMN = "__key__"
"""Stored name of the row keys; names of users never begin with two underscores in a file."""
KIND = b"sw.kind"
"""Field metadata that holds the kind."""
REF_TYPE = pa.struct(
    [("pack", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("digest", pa.binary())],
)
"""Where a long value lies."""
LONG_TYPE = pa.struct([("data", pa.binary()), ("ref", REF_TYPE)])
"""A str, bytes or variant cell that may be long: one of the two children is set."""
MEDIA_TYPE = pa.struct([("meta", pa.binary()), ("data", pa.binary()), ("ref", REF_TYPE)])
"""A media cell: its state, and its content inline or in a pack; neither where the type has no content of its own."""

_SIMPLE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bool: ("bool", arrays.bools),
    int: ("int", arrays.ints),
    float: ("float", arrays.floats),
    str: ("str", arrays.texts),
    bytes: ("bytes", arrays.binaries),
}


def encode_column(
    values: Sequence[object], *, sink: Sink | None = None, name: str = "", keys: Sequence[object] | None = None
) -> tuple[Any, str]:
    """Encode the cells of one column.

    Args:
        values: One value per row, None where a row has none; or an Arrow array, of which no Python values are made if they need none.
        sink: Where values over 4 KiB go; without one they stay in the column.
        name: The column, for messages.
        keys: The rows' keys, for messages.

    Returns:
        The Arrow array, as long as `values`, and the column's kind.

    Raises:
        UnsupportedValueError: A value cannot be stored faithfully; the message names row and column.
    """
    if isinstance(values, pa.Array):
        stored = encode_arrow(values, None if sink is None else sink.limit)
        if stored is not None:
            return stored
        values = plain_values(values)
    if isinstance(values, AlikeCells) and values:
        return _encode_alike(values)
    types = set(map(type, values))
    types.discard(type(None))
    if not types:
        return pa.nulls(len(values)), "null"
    encoded = None
    if all(kind is MediaCell or cells.is_media_type(kind) for kind in types):
        made: Any = values
        if types != {MediaCell}:
            made = _make_cells(values, lambda value: cells.media_cell(value, sink), name, keys)
        encoded = _encode_media(made)
    elif len(types) == 1:
        encoded = _encode_one_type(types.copy().pop(), values, sink)
    elif types in ({str, LongStr}, {bytes, LongBytes}):
        try:
            encoded = _encode_long(values, "str" if str in types else "bytes", sink)
        except UnicodeEncodeError:  # as below, where all texts are short
            encoded = None
    if encoded is not None:
        return encoded
    return _encode_long(_make_cells(values, lambda value: _pack(value, sink), name, keys), "variant", sink)


def _make_cells(
    values: Sequence[Any], make: Callable[[Any], Any], name: str, keys: Sequence[object] | None
) -> list[Any]:
    """Turn values into cells; an error names column and row."""
    made: list[Any] = []
    try:
        for value in values:
            made.append(None if value is None else make(value))  # noqa: PERF401 - an error must find how far it came
    except StarwhaleError as error:
        cells.name_cell(error, name, len(made) if keys is None else keys[len(made)])
        raise
    return made


def plain_values(column: Sequence[Any]) -> Sequence[Any]:
    """Return the Python values of an Arrow array; every other column as it is."""
    made: Any = column  # Any: pyarrow has no types
    return made.to_pylist() if isinstance(made, pa.Array) else column


def decode_column(array: Any, kind: str, source_of: SourceOf | None = None) -> list[Any]:
    """Decode what `encode_column` made, absent cells as None.

    Args:
        array: The Arrow array, or a chunked one.
        kind: The column's kind.
        source_of: Opens references; needed where long values or large media occur.
    """
    if isinstance(array, pa.ChunkedArray):
        return list(chain.from_iterable(decode_column(chunk, kind, source_of) for chunk in array.chunks))
    if kind.startswith("media:"):
        return list(_decode_media(array, kind.removeprefix("media:"), source_of))
    if pa.types.is_struct(array.type) and kind in {"str", "bytes", "variant"}:
        content = _decode_long(array, source_of)
        if kind == "str":
            return [None if data is None else data.decode() for data in content]
    else:
        content = array.to_pylist()
    if kind != "variant":
        return content
    return [None if data is None else codec.unpack(data, source_of) for data in content]


def encode_batch(
    columns: Mapping[str, Sequence[object]], *, sink: Sink | None = None, keys: Sequence[object] | None = None
) -> Any:
    """Encode columns of one length to an Arrow record batch, with each kind in its field's metadata."""
    made: list[Any] = []
    fields: list[Any] = []
    if keys is not None:
        keys_array, kind = (arrays.counted(keys), "int") if type(keys) is range else encode_column(keys, name="key")
        made.append(keys_array)
        fields.append(pa.field(KEY_COLUMN, keys_array.type, metadata={KIND: kind.encode()}))
    for name, values in columns.items():
        array, kind = encode_column(values, sink=sink, name=name, keys=keys)
        made.append(array)
        fields.append(make_field(name, array.type, kind))
    return pa.RecordBatch.from_arrays(made, schema=pa.schema(fields))


def decode_batch(batch: Any, source_of: SourceOf | None = None) -> dict[str, list[Any]]:
    """Decode a batch or table of `encode_batch`; the keys, where it has them, are left out."""
    return {
        unescape_name(field.name): decode_column(batch.column(position), kind_of(field), source_of)
        for position, field in enumerate(batch.schema)
        if field.name != KEY_COLUMN
    }


def decode_in_turn(batch: Any, source_of: SourceOf | None = None) -> dict[str, Sequence[Any]]:
    """Do the same for rows that are looked at once, one after another: media that differ in nothing but their content are made then."""
    made: dict[str, Sequence[Any]] = {}
    for position, field in enumerate(batch.schema):
        kind, column = kind_of(field), batch.column(position)
        if field.name == KEY_COLUMN:
            continue
        if kind.startswith("media:"):
            made[unescape_name(field.name)] = _decode_media(column, kind.removeprefix("media:"), source_of)
        else:
            made[unescape_name(field.name)] = decode_column(column, kind, source_of)
    return made


def make_field(name: str, arrow_type: Any, kind: str) -> Any:
    """Describe a stored column."""
    return pa.field(escape_name(name), arrow_type, metadata={KIND: kind.encode()})


def kind_of(field: Any) -> str:
    """Read the kind of a stored column."""
    return (field.metadata or {})[KIND].decode()


def escape_name(name: str) -> str:
    """Make a stored name of a user's: any UTF-8 text works, dots and control characters are percent-encoded.

    Raises:
        FieldNameError: It is no valid Unicode text.

    Example:
        >>> escape_name("a.b"), escape_name("__key__"), escape_name("")
        ('a%2Eb', '%5F_key__', '%')
    """
    if name.isidentifier() and not name.startswith("__"):
        return name
    if not name:
        return "%"
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise FieldNameError(
            f"the column name {name!r} is not valid Unicode text", hint="remove the lone surrogate"
        ) from error
    text = "".join(
        f"%{ord(letter):02X}" if letter in "%." or ord(letter) < 32 or ord(letter) == 127 else letter for letter in name
    )
    return f"%5F{text[1:]}" if text.startswith("__") else text


def unescape_name(stored: str) -> str:
    """Undo `escape_name`."""
    if "%" not in stored:
        return stored
    if stored == "%":
        return ""
    first, *rest = stored.split("%")
    return first + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest)


def null_array(arrow_type: Any, length: int) -> Any:
    """Make absent cells of a type."""
    return pa.nulls(length, arrow_type)


def to_long(array: Any) -> Any:
    """Give a plain str, bytes or variant array the physical type of long ones."""
    data = array.view(pa.binary())
    present = [value is not None for value in data.to_pylist()]
    return arrays.structs(LONG_TYPE, [data, pa.nulls(len(array), REF_TYPE)], present)


def _encode_one_type(kind: type, values: Sequence[object], sink: Sink | None) -> tuple[Any, str] | None:
    if kind in _SIMPLE:
        name, make = _SIMPLE[kind]
        try:
            if sink is not None and (kind is str or kind is bytes) and _has_longer(cast("Any", values), sink.limit):
                return _encode_long(values, name, sink)
            return make(values), name
        except (OverflowError, UnicodeEncodeError):
            return None  # an integer beyond 64 bits becomes a variant, and so does a text with a lone surrogate
    if kind is list:
        encoded = _encode_lists(values)
    elif kind is dict:
        encoded = _encode_structs(values)
    elif kind is LongStr or kind is LongBytes:
        return _encode_long(values, "str" if kind is LongStr else "bytes", sink)
    else:
        return None
    if encoded is not None and sink is not None and encoded[0].nbytes > sink.limit * len(values):
        return None  # large on average: as variants, each goes to a pack
    return encoded


def _has_longer(values: Sequence[str | bytes | None], limit: int) -> bool:
    """Whether a text or bytes of a column has more bytes than the limit."""
    there: Any = values if None not in values else filter(None, values)
    longest = max(map(len, there), default=0)
    if longest > limit:
        return True
    if 4 * longest <= limit:  # no character takes more than four bytes
        return False
    return any(type(value) is str and len(value.encode("utf-8", "surrogatepass")) > limit for value in values)


def _pack(value: Any, sink: Sink | None) -> Packed:
    """Make a variant of a value, or of what a waiting row holds in its place."""
    if type(value) is Packed:
        return value
    if isinstance(value, LongStr | LongBytes | MediaCell):
        if sink is None:
            raise UnsupportedValueError("a value lies in a pack, and there is none to read it from")
        value = cells.thaw(value, sink.source)
    return cells.pack_value(value, sink)


def _encode_lists(values: Sequence[Any]) -> tuple[Any, str] | None:
    offsets: list[int | None] = []
    flat: list[object] = []
    for value in values:
        offsets.append(None if value is None else len(flat))
        if value:
            flat.extend(value)
    offsets.append(len(flat))
    encoded = _encode_plain(flat)
    if encoded is None:
        return None
    items, kind = encoded
    try:
        return pa.ListArray.from_arrays(arrays.offsets(offsets), items), f"list<{kind}>"
    except OverflowError:
        return None


def _encode_structs(values: Sequence[Any]) -> tuple[Any, str] | None:
    shapes = {tuple(value) for value in values if value is not None}
    if len(shapes) != 1:
        return None
    names = shapes.pop()
    if not names or not all(type(name) is str and name.isidentifier() and not name.startswith("__") for name in names):
        return None
    children: list[Any] = []
    kinds: list[str] = []
    for name in names:
        encoded = _encode_plain([None if value is None else value[name] for value in values])
        if encoded is None:
            return None
        children.append(encoded[0])
        kinds.append(f"{name}:{encoded[1]}")
    arrow_type = pa.struct(list(zip(names, (child.type for child in children), strict=True)))
    present = [value is not None for value in values]
    return arrays.structs(arrow_type, children, present), f"struct<{','.join(kinds)}>"


def _encode_plain(values: list[Any]) -> tuple[Any, str] | None:
    """Encode what lies inside lists and structs; None where only a variant can hold it."""
    types = set(map(type, values))
    types.discard(type(None))
    if not types:
        return pa.nulls(len(values)), "null"
    if len(types) > 1:
        return None
    kind = types.pop()
    return _encode_one_type(kind, values, None) if kind in _SIMPLE or kind is list or kind is dict else None


def _encode_long(values: Sequence[Any], kind: str, sink: Sink | None) -> tuple[Any, str]:
    """Encode str, bytes or packed variants, long ones as references."""
    data: list[Any] = []
    refs: list[Any] = []
    for value in values:
        content: bytes | None = None
        ref = None
        if type(value) is str:
            content = value.encode()
        elif type(value) is bytes:
            content = value
        elif value is not None:
            content, ref = value.data if type(value) is Packed else None, value.ref
        if content is not None and sink is not None and len(content) > sink.limit:
            content, ref = None, sink.put(content)
        data.append(content)
        refs.append(ref)
    plain = arrays.binaries(data)
    if not any(refs):
        return (plain.view(pa.string()) if kind == "str" else plain), kind
    present = [value is not None for value in values]
    return arrays.structs(LONG_TYPE, [plain, _encode_refs(refs)], present), kind


def _encode_refs(refs: Sequence[PackRef | None]) -> Any:
    if not any(refs):
        return pa.nulls(len(refs), REF_TYPE)
    children = [
        arrays.texts([None if ref is None else ref["pack"] for ref in refs]),
        arrays.ints([None if ref is None else ref["offset"] for ref in refs]),
        arrays.ints([None if ref is None else ref["size"] for ref in refs]),
        arrays.binaries([None if ref is None else ref["digest"] for ref in refs]),
    ]
    return arrays.structs(REF_TYPE, children, [ref is not None for ref in refs])


def _decode_long(array: Any, source_of: SourceOf | None) -> list[bytes | None]:
    data, refs = array.flatten()
    content = data.to_pylist()
    if refs.null_count < len(refs):
        for position, ref in enumerate(refs.to_pylist()):
            if ref is not None:
                content[position] = _open(ref, source_of).read()
    return content


def _encode_media(made: Sequence[MediaCell | None]) -> tuple[Any, str] | None:
    names = {cell.name for cell in made if cell is not None}
    if len(names) != 1:
        return None
    meta = arrays.binaries([None if cell is None else cell.meta for cell in made])
    data = arrays.binaries([None if cell is None else cell.data for cell in made])
    ref = _encode_refs([None if cell is None else cell.ref for cell in made])
    return arrays.structs(MEDIA_TYPE, [meta, data, ref], [cell is not None for cell in made]), f"media:{names.pop()}"


def _encode_alike(values: AlikeCells) -> tuple[Any, str]:
    """Do the same for media that differ in nothing but their content."""
    count = len(values)
    meta, data = arrays.repeated(values.meta, count), arrays.whole_binaries(values.contents)
    children = [meta, data, pa.nulls(count, REF_TYPE)]
    return pa.Array.from_buffers(MEDIA_TYPE, count, [None], children=children), f"media:{values.name}"


def _decode_media(array: Any, name: str, source_of: SourceOf | None) -> Sequence[Any]:
    metas, data, refs = array.flatten()
    contents: list[Any] = data.to_pylist()
    if refs.null_count < len(refs):
        for position, ref in enumerate(refs.to_pylist()):
            if ref is not None:
                contents[position] = _open(ref, source_of)
    return cells.make_media(name, metas.to_pylist(), contents)


def _open(ref: Mapping[str, Any], source_of: SourceOf | None) -> Source:
    if source_of is None:
        raise UnsupportedValueError(f"a value lies in pack {ref['pack']!r}, and nothing was given to open it with")
    return source_of(ref)


__all__ = [
    "KEY_COLUMN",
    "SourceOf",
    "decode_batch",
    "decode_column",
    "decode_in_turn",
    "encode_batch",
    "encode_column",
    "escape_name",
    "kind_of",
    "plain_values",
    "unescape_name",
]
