"""What each kind of column becomes in Arrow, and with it in Parquet, Polars and DuckDB.

| kind | Arrow type |
|---|---|
| bool, int, float, str, bytes | bool, int64, double, string, binary |
| list<…>, struct<…> | list, struct of the same |
| Image, GrayscaleImage, Audio, Video | `FILE_TYPE`: bytes, path, mime_type, shape, dtype, link |
| NumpyBinary | struct of bytes, dtype, shape |
| Binary, Text | binary, string |
| Point, BoundingBox, BoundingBox3D | struct of double |
| Line, Polygon | list of [x, y] |
| Link | `LINK_TYPE`: uri, offset, size |
| COCOObjectAnnotation | struct of its fields; the segmentation is JSON text |
| ClassLabel, mixed kinds (`variant`) | JSON text, see `json_text.py` |

The fields `bytes` and `path` are those of Hugging Face's `Image` and `Audio`, so that its readers take such columns as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

LINK_TYPE = pa.struct([("uri", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
"""Where content lies that a value does not carry; a size of -1 means up to the end."""
FILE_TYPE = pa.struct(
    [
        ("bytes", pa.binary()),
        ("path", pa.string()),
        ("mime_type", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("dtype", pa.string()),
        ("link", LINK_TYPE),
    ]
)
"""Content as it is stored (null for a value that only has a link), its display name, and what the bytes are."""
ARRAY_TYPE = pa.struct([("bytes", pa.binary()), ("dtype", pa.string()), ("shape", pa.list_(pa.int64()))])
"""An array: its raw bytes in C order; the shape is null where only the bytes tell."""
_POINTS = pa.list_(pa.list_(pa.float64()))
_BOX = pa.struct([(name, pa.float64()) for name in ("x", "y", "width", "height")])

FILE_CLASSES = frozenset({"Image", "GrayscaleImage", "Audio", "Video"})
"""Data types that are files: a picture, a sound, a film."""
CONTENT_CLASSES = FILE_CLASSES | {"Binary", "NumpyBinary"}
"""Data types whose content is bytes."""
MEDIA_TYPES: Mapping[str, Any] = {  # Any: pyarrow ships no types
    **dict.fromkeys(FILE_CLASSES, FILE_TYPE),
    "NumpyBinary": ARRAY_TYPE,
    "Binary": pa.binary(),
    "Text": pa.string(),
    "Point": pa.struct([("x", pa.float64()), ("y", pa.float64())]),
    "BoundingBox": _BOX,
    "BoundingBox3D": pa.struct([("bbox_a", _BOX), ("bbox_b", _BOX)]),
    "Line": _POINTS,
    "Polygon": _POINTS,
    "Link": LINK_TYPE,
    "COCOObjectAnnotation": pa.struct(
        [
            ("id", pa.int64()),
            ("image_id", pa.int64()),
            ("category_id", pa.int64()),
            ("area", pa.float64()),
            ("bbox", pa.list_(pa.float64())),
            ("iscrowd", pa.int64()),
            ("segmentation", pa.string()),
        ]
    ),
    "ClassLabel": pa.string(),
}
"""Data type → Arrow type; every other one is JSON text."""
_PLAIN = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bytes": pa.binary(),
}


def media_class(kind: str) -> str:
    """Return the data type of a kind such as `media:Image`; empty for every other kind."""
    return kind.removeprefix("media:") if kind.startswith("media:") else ""


def arrow_type(kind: str) -> Any:  # Any: pyarrow ships no types
    """Return the Arrow type that columns of a kind are handed out as.

    Example:
        >>> str(arrow_type("list<struct<x:int,tags:list<str>>>"))
        'list<item: struct<x: int64, tags: list<item: string>>>'
    """
    if kind.startswith("media:"):
        return MEDIA_TYPES.get(media_class(kind), pa.string())
    if kind == "variant":
        return pa.string()
    if kind.startswith("list<"):
        return pa.list_(arrow_type(kind[len("list<") : -1]))
    if kind.startswith("struct<"):
        fields = _split(kind[len("struct<") : -1])
        return pa.struct([(name, arrow_type(inner)) for name, _, inner in (part.partition(":") for part in fields)])
    return _PLAIN[kind]


def holds_bytes(kind: str) -> bool:
    """Tell columns that hold bytes, which text formats cannot."""
    return media_class(kind) in CONTENT_CLASSES or "bytes" in kind


def _split(fields: str) -> list[str]:
    """Cut the fields of a struct apart at the commas of the outermost level."""
    parts: list[str] = []
    depth = start = 0
    for position, letter in enumerate(fields):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and depth == 0:
            parts.append(fields[start:position])
            start = position + 1
    return [*parts, fields[start:]]
