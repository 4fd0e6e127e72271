"""Any value as JSON text, for cells that have no type of their own elsewhere.

What JSON has stays as it is, tuples and arrays become lists, times ISO text. Everything else is an object with one name that begins
with `$`: `{"$float": "nan"}`, `{"$bytes": "<base64>"}`, `{"$items": [[key, value], …]}` for a mapping whose keys are not all text,
and for a data type `{"$image": {attributes}, …}` with its content as `"$bytes"` beside them.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any, cast

from starwhale.errors import UnsupportedValueError
from starwhale.media import Text
from starwhale.media.artifact import BaseArtifact
from starwhale.media.value import MediaValue


def json_text(value: object) -> str:
    """Write a value as JSON text that any reader accepts.

    Raises:
        UnsupportedValueError: The value is none that a cell can hold.
    """
    text = json.dumps(to_json(value), ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates: JSON can say them, UTF-8 cannot
        return json.dumps(to_json(value), allow_nan=False, separators=(", ", ": "))
    return text


def to_json(value: Any) -> Any:  # Any: a cell, then a JSON value
    """Turn a value of a cell into what JSON can say.

    Raises:
        UnsupportedValueError: JSON has no form for a value of its type.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        if all(isinstance(name, str) and not name.startswith("$") for name in items):
            return {name: to_json(item) for name, item in items.items()}
        return {"$items": [[to_json(name), to_json(item)] for name, item in items.items()]}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, MediaValue):
        return _media(value)
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return {"$seconds": value.total_seconds()}
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # a NumPy scalar or array
        return to_json(value.tolist())
    if isinstance(value, complex):
        return {"$complex": [to_json(value.real), to_json(value.imag)]}
    message = f"a value of type {type(value).__name__} has no form as JSON text"
    raise UnsupportedValueError(message)


def _media(value: MediaValue) -> Any:  # Any: a JSON value
    if isinstance(value, Text):
        return value.to_str()
    shown = value.asdict()
    made: dict[str, Any] = {f"${shown.pop('_type')}": {name: to_json(item) for name, item in shown.items()}}
    if isinstance(value, BaseArtifact) and value.carried_source is not None:
        made["$bytes"] = base64.b64encode(value.stored_bytes()).decode()
    return made
