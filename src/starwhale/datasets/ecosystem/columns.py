"""One stored column as other libraries want it: what is plain stays untouched, the rest is made from states and references.

What storage hands out for a range of rows has the kind of that range, which may differ from the kind of the whole column: a column
of numbers and text has ranges of numbers only. Every range comes out with the type of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pyarrow as pa

from starwhale.datasets.ecosystem.json_text import json_text
from starwhale.datasets.ecosystem.layout import FILE_CLASSES, FILE_TYPE, arrow_type, media_class
from starwhale.media.link import Link
from starwhale.storage.columns.cells import SourceOf
from starwhale.storage.columns.encode import decode_column, null_array

State = dict[str, Any]
"""The attributes of a media value, as they are stored."""


def convert(array: Any, stored_kind: str, kind: str, source_of: SourceOf) -> Any:
    """Turn a stored array into one of the type that its column is handed out as.

    Args:
        array: What storage read, with the kind `stored_kind`.
        stored_kind: Kind of these rows.
        kind: Kind of the whole column, which decides the type.
        source_of: Opens content that lies in a pack.

    Raises:
        CorruptedError: Content differs from its checksum.
        UnsupportedValueError: A value has no form in that type.
    """
    wanted = arrow_type(kind)
    if stored_kind == "null":
        return null_array(wanted, len(array))
    if stored_kind != kind or kind == "variant":
        if kind == "variant":
            values = decode_column(array, stored_kind, source_of)
            return pa.array([None if value is None else json_text(value) for value in values], wanted)
        return pa.array(decode_column(array, stored_kind, source_of), wanted)
    if kind.startswith("media:"):
        return _media(array, media_class(kind), source_of)
    if pa.types.is_struct(array.type) and kind in {"str", "bytes"}:  # long values lie in packs
        data, refs = array.flatten()
        content = _contents(data, refs, source_of)
        return content.cast(wanted) if kind == "str" else content
    return array if array.type == wanted else array.cast(wanted)


def content_sizes(array: Any, kind: str) -> Any:
    """Return how many bytes of content each cell refers to in packs; None for columns that refer to none.

    Args:
        array: What storage read.
        kind: Its kind.
    """
    is_long = kind in {"str", "bytes", "variant"} and pa.types.is_struct(array.type)
    if not is_long and not kind.startswith("media:"):
        return None
    refs = array.field("ref")
    return None if refs.null_count == len(refs) else refs.field("size")


def _contents(data: Any, refs: Any, source_of: SourceOf) -> Any:
    """Read what lies in packs; without such values the array itself is returned."""
    if refs.null_count == len(refs):
        return data
    content: list[bytes | None] = data.to_pylist()
    for position, ref in enumerate(refs.to_pylist()):
        if ref is not None:
            content[position] = source_of(ref).read()
    return pa.array(content, pa.binary())


def _media(array: Any, name: str, source_of: SourceOf) -> Any:
    if name not in FILE_CLASSES | {"Binary", "NumpyBinary"} and name not in _FROM_STATE:
        values = decode_column(array, f"media:{name}", source_of)
        made = [None if value is None else str(value) if name == "Text" else json_text(value) for value in values]
        return pa.array(made, pa.string())
    metas, data, refs = array.flatten()
    states = _states(metas)
    if name in _FROM_STATE:
        shape = _FROM_STATE[name]
        return pa.array([None if state is None else shape(state) for state in states], arrow_type(f"media:{name}"))
    content = _contents(data, refs, source_of)
    if name in FILE_CLASSES:
        return _files(content, states, array.is_null())
    if any(state is not None and "link" in state for state in states):
        content = _follow_links(content, states)
    return content if name == "Binary" else _arrays(content, states, array.is_null())


def _states(metas: Any) -> list[State | None]:
    known: dict[bytes | None, State | None] = {None: None}  # most cells of a column have equal states
    made: list[State | None] = []
    for meta in metas.to_pylist():
        if meta not in known:
            if len(known) > 4096:
                known = {None: None}
            known[meta] = msgpack.unpackb(meta, strict_map_key=False, unicode_errors="surrogatepass")
        made.append(known[meta])
    return made


def _files(content: Any, states: Sequence[State | None], mask: Any) -> Any:
    def column(name: str, arrow: Any) -> Any:
        return pa.array([None if state is None else state.get(name) or None for state in states], arrow)

    fields = list(FILE_TYPE)
    children = [content, column("display_name", pa.string())]
    children += [column(field.name, field.type) for field in fields[2:-1]]
    children.append(pa.array([None if state is None else _link(state) for state in states], fields[-1].type))
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)


def _arrays(content: Any, states: Sequence[State | None], mask: Any) -> Any:
    fields = list(arrow_type("media:NumpyBinary"))
    shapes = [None if state is None or not state.get("has_shape", True) else state["shape"] for state in states]
    dtypes = [None if state is None else state["dtype"] for state in states]
    children = [content, pa.array(dtypes, fields[1].type), pa.array(shapes, fields[2].type)]
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)


def _link(state: State) -> State | None:
    link = state.get("link")
    return None if link is None else {name: link[name] for name in ("uri", "offset", "size")}


def _follow_links(content: Any, states: Sequence[State | None]) -> Any:
    read = content.to_pylist()
    for position, state in enumerate(states):
        if not read[position] and state is not None and "link" in state:
            read[position] = Link.from_state(state["link"]).to_bytes()
    return pa.array(read, pa.binary())


def _annotation(state: State) -> State:
    found = state["segmentation"]
    return {**state, "segmentation": None if found is None else json_text(found)}


_FROM_STATE: dict[str, Callable[[State], Any]] = {  # Any: what Arrow makes a cell from
    **dict.fromkeys(("Point", "BoundingBox", "BoundingBox3D", "Link"), lambda state: state),
    **dict.fromkeys(("Line", "Polygon"), lambda state: state["points"]),
    "COCOObjectAnnotation": _annotation,
}
