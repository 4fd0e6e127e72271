"""Features of the package `datasets`, as it writes them beside a column: class labels, pictures, sounds.

They are read from their JSON form, which stands in the metadata of every Arrow and Parquet file that the package wrote; the package
itself is not needed, and nothing is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from starwhale.datasets.importers.arrow_values import CannotKeepError, as_column, convert, to_values
from starwhale.datasets.importers.media_values import make_media

LABEL_SUFFIX = "__classlabel__"
"""What the name of a column with the names of classes ends in."""

_MEDIA = {"Image": "image", "Audio": "audio", "Video": "video"}
_FILES = frozenset({"Pdf", "Nifti", "Mesh", "BioSequence", "BioStructure"})
Feature = Mapping[str, Any] | Sequence[Any]


def read_features(schema: Any) -> dict[str, Any]:
    """Return the features that say more than the Arrow type, by column, from the metadata of an Arrow schema."""
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        found = json.loads(written)["info"]["features"]
        return telling_features(found)
    except (ValueError, KeyError, TypeError):
        return {}  # somebody else's metadata under that name


def telling_features(features: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the features that say no more than the Arrow type."""
    return {name: feature for name, feature in features.items() if _says_more(feature)}


def feature_columns(array: Any, feature: Feature, *, path: str, name: str, first_row: int) -> dict[str, Sequence[Any]]:
    """Return the columns that one with a feature becomes: itself, and the names of its classes where it is a label.

    Raises:
        DatasetSourceError: A value cannot be kept, or is no class of the label; it names column and row.
    """

    def make(part: Any) -> Sequence[Any]:
        return [_value(each, feature) for each in to_values(part)]

    def make_names(part: Any) -> Sequence[Any]:
        return [_names(each, feature) for each in to_values(part)]

    if _has_labels_only(feature):
        column = as_column(array, path=path, name=name, first_row=first_row)
        names = convert(array, make_names, path=path, name=name, first_row=first_row)
        return {name: column, f"{name}{LABEL_SUFFIX}": names}
    return {name: convert(array, make, path=path, name=name, first_row=first_row)}


def _says_more(feature: Any) -> bool:
    if isinstance(feature, list):
        return any(_says_more(each) for each in cast("list[Any]", feature))
    if not isinstance(feature, dict):
        return False
    own = cast("dict[str, Any]", feature)
    kind = own.get("_type")
    if kind in _MEDIA or kind in _FILES or kind == "ClassLabel":
        return True
    return any(_says_more(each) for each in own.values())


def _has_labels_only(feature: Any) -> bool:
    """Whether it is a label, or a list of labels."""
    inner = _inner(feature)
    return _kind(feature) == "ClassLabel" or (inner is not None and _has_labels_only(inner))


def _kind(feature: Any) -> str:
    return str(cast("dict[str, Any]", feature).get("_type", "")) if isinstance(feature, dict) else ""


def _inner(feature: Any) -> Any:
    """Return the feature of a list's items; None for everything else."""
    if isinstance(feature, list):
        return cast("list[Any]", feature)[0] if len(cast("list[Any]", feature)) == 1 else None
    if _kind(feature) in {"List", "LargeList", "Sequence"}:
        return feature["feature"]
    return None


def _value(value: Any, feature: Any) -> Any:
    """Make media of what is media, wherever it lies; beside a label inside a dict goes the name of its class."""
    if value is None:
        return None
    kind = _kind(feature)
    if kind in _MEDIA or kind in _FILES:
        return _media(value, _MEDIA.get(kind, "binary"))
    inner = _inner(feature)
    if inner is not None and isinstance(value, list):
        return [_value(each, inner) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    # A sequence of dicts was stored as a dict of lists once.
    fields: Any = inner if isinstance(inner, dict) else feature
    made: dict[str, Any] = {}
    for name, each in cast("dict[str, Any]", value).items():
        own = fields.get(name) if isinstance(fields, dict) else None
        made[name] = _value(each, [own] if inner is not None and own is not None else own)
        if own is not None and _has_labels_only(own):
            made[f"{name}{LABEL_SUFFIX}"] = _names(each, [own] if inner is not None else own)
    return made


def _names(value: Any, feature: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        inner = _inner(feature)
        return [_names(each, inner) for each in cast("list[Any]", value)]
    known: list[str] = feature["names"]
    if value == -1:  # what the package writes where there is no label
        return None
    if not 0 <= value < len(known):
        raise CannotKeepError(f"{value} is no class of the label, which has {len(known)}", "mend the label")
    return known[value]


def _media(value: Any, kind: str) -> Any:
    if isinstance(value, (bytes, str)):
        value = {"bytes": value, "path": None} if isinstance(value, bytes) else {"bytes": None, "path": value}
    content, name = value.get("bytes"), value.get("path") or ""
    if content is not None:
        return make_media(kind, content, name)
    if not name:
        return None
    if not Path(name).is_file():
        raise CannotKeepError(f"there is no file {name!r}", "store the bytes with the rows, or run where the file is")
    return make_media(kind, name, name)
