"""Columns that were handed out, back as they were: what `to_parquet` wrote, read by an importer.

Each field says its kind (`sw.kind`), so that pictures come back as pictures and boxes as boxes. Not everything does: whether a picture is
a mask, the MIME type of a Binary and what is special about a link are not handed out, mixed cells stay JSON text, and the keys are
a column like others, because several files may have the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starwhale.datasets.ecosystem.layout import FILE_CLASSES, MEDIA_TYPES, media_class
from starwhale.media import Binary, ClassLabel, Text
from starwhale.media.registry import MEDIA
from starwhale.storage.columns.encode import KIND


def restored(array: Any, field: Any) -> Sequence[Any] | None:
    """Return the media values of a column that was handed out; None for every other column.

    Args:
        array: The column.
        field: Its Arrow field, with its metadata.
    """
    name = media_class((field.metadata or {}).get(KIND, b"").decode(errors="replace"))
    if name not in MEDIA_TYPES or not _equal_names(field.type, MEDIA_TYPES[name]):
        return None
    make = _maker(name)
    return [None if cell is None else make(cell) for cell in array.to_pylist()]


def _equal_names(given: Any, wanted: Any) -> bool:
    """Compare types, but for what files call the items of lists."""
    return str(given).replace("element: ", "item: ") == str(wanted)


def _maker(name: str) -> Callable[[Any], Any]:
    if name in FILE_CLASSES:
        return lambda cell: MEDIA[name].from_state(_file_state(cell), cell["bytes"])
    special = _SPECIAL.get(name)
    return special if special is not None else MEDIA[name].from_state


def _file_state(cell: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {"display_name": cell["path"] or "", "shape": cell["shape"] or []}
    state |= {"mime_type": cell["mime_type"], "dtype": cell["dtype"]}
    return state if cell["link"] is None else state | {"link": cell["link"]}


def _array(cell: Mapping[str, Any]) -> Any:
    state = {"display_name": "", "mime_type": "x/undefined", "dtype": cell["dtype"], "shape": cell["shape"] or []}
    has_shape = {"has_shape": False} if cell["shape"] is None else {}
    return MEDIA["NumpyBinary"].from_state(state | has_shape, cell["bytes"])


def _annotation(cell: Mapping[str, Any]) -> Any:
    found = cell["segmentation"]
    made = {**cell, "segmentation": None if found is None else json.loads(found)}
    return MEDIA["COCOObjectAnnotation"].from_state(made)


_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "Binary": Binary,
    "Text": Text,
    "NumpyBinary": _array,
    "COCOObjectAnnotation": _annotation,
    "Line": lambda cell: MEDIA["Line"].from_state({"points": cell}),
    "Polygon": lambda cell: MEDIA["Polygon"].from_state({"points": cell}),
    "ClassLabel": lambda cell: ClassLabel(json.loads(cell)["$class_label"]["names"]),
}
