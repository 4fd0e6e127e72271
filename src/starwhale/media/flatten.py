"""Metrics as columns: nested dicts become names joined by `/`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from starwhale.errors import FieldNameError, StarwhaleError, UnsupportedValueError
from starwhale.media.artifact import BaseArtifact
from starwhale.media.codec import pack, unsupported
from starwhale.media.source import FileSource
from starwhale.media.value import MediaValue

_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


def flatten(metrics: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a row of metrics.

    Nested dicts are joined by `/`; inside them keys may be numbers too, which become text. Lists and tuples stay as they are
    unless a media value is inside: then each item becomes a column of its own (`image/0`). An empty dict stays a value. What the
    caller could still change is copied.

    Raises:
        FieldNameError: A key is not text, is empty, or two keys become the same column.
        UnsupportedValueError: A value cannot be stored; the message names its key and type.
        NotFoundError: The file of a media value cannot be read.

    Example:
        >>> flatten({"loss": {"train": 0.5}, "top": [1, 2]})
        {'loss/train': 0.5, 'top': [1, 2]}
    """
    if not isinstance(metrics, Mapping):
        raise UnsupportedValueError(f"metrics are a dict, not {type(metrics).__name__!r}")
    columns: dict[str, object] = {}
    for key, value in metrics.items():
        if not isinstance(key, str):
            raise FieldNameError(f"metric name {key!r} is of type {type(key).__name__!r}", hint="names are text")
        _add(key, value, columns)
    return columns


def _add(key: str, value: Any, columns: dict[str, object]) -> None:  # Any: any user value
    kind = cast("type[Any]", type(value))
    if kind not in _SCALARS:
        if isinstance(value, Mapping) and value:
            for inner, item in cast("Mapping[object, object]", value).items():
                _add(f"{key}/{_part(key, inner)}", item, columns)
            return
        if kind in {list, tuple} and _holds_media(value):
            for position, item in enumerate(cast("list[object]", value)):
                _add(f"{key}/{position}", item, columns)
            return
        value = _take(key, value)
    if key in columns:
        raise FieldNameError(f"two metrics become the column {key!r}", hint="rename one of them")
    _check_name(key)
    columns[key] = value


def _part(key: str, inner: object) -> str:
    if isinstance(inner, str):
        return inner
    if isinstance(inner, int | float) or type(inner).__module__ == "numpy":
        return str(inner)
    raise FieldNameError(
        f"metric {key!r}: the name {inner!r} inside it is of type {type(inner).__name__!r}", hint="names are text"
    )


def _check_name(key: str) -> None:
    if not key or key.startswith("/") or key.endswith("/") or "//" in key:
        raise FieldNameError(f"metric name {key!r} is empty or has an empty part", hint="give each part a name")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError as error:
            raise FieldNameError(f"metric name {key!r} is not valid Unicode text") from error


def _holds_media(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_media(item) for item in cast("list[object]", value))
    if isinstance(value, dict):
        return any(_holds_media(item) for item in cast("dict[object, object]", value).values())
    return isinstance(value, MediaValue)


def _take(key: str, value: Any) -> object:  # Any: any user value
    """Check a value, and take a copy where its owner could still change it."""
    try:
        if isinstance(value, Mapping) and not isinstance(value, dict):
            raise unsupported(cast("object", value))
        if isinstance(value, MediaValue):
            return _take_media(value)
        if isinstance(value, list) and _all_scalars(cast("list[object]", value)):
            return cast("list[object]", value).copy()
        pack(value)
    except StarwhaleError as error:
        error.message = f"metric {key!r}: {error.message}"
        error.args = (error.message,)
        raise
    return copy.deepcopy(value)


def _take_media(value: MediaValue) -> MediaValue:
    """Read a file now: it may be a temporary one, gone before the row is stored."""
    state = value.stored_state()
    if isinstance(value, BaseArtifact) and isinstance(value.carried_source, FileSource):
        return type(value).from_state(state, value.stored_bytes())
    return value


def _all_scalars(values: list[object]) -> bool:
    return all(kind in _SCALARS for kind in map(type, values))
