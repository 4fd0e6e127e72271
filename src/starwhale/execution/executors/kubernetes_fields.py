"""Whether a manifest has the fields that the official client knows, and their kinds of values."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starwhale.errors import MissingDependencyError, UsageError, nearest

_MANY = re.compile(r"^(list|dict)\[(?:str, )?(.+)\]$|^dict\(str, (.+)\)$", re.IGNORECASE)
_PLAIN: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
}


def load(name: str) -> Any:  # Any: the package has no types
    """Import a module of the official client: `client`, `config`, `watch`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(f"kubernetes.{name}")
    except ImportError as error:
        raise MissingDependencyError("kubernetes", extra="kubernetes", purpose="running tasks on Kubernetes") from error


def check_fields(value: Any, kind: str, source: str, place: str = "") -> None:  # Any: JSON values
    """Refuse fields that a kind of the API does not have, and values of other kinds.

    Args:
        value: What is looked at.
        kind: Name of a model of the client, or what it says of a field: `list[V1Container]`, `dict(str, str)`, `str`.
        source: Where it was read, for the message.
        place: Path to the value.

    Raises:
        UsageError: Names the field with its path, and what is near.
    """
    if value is None:
        return
    if match := _MANY.match(kind):
        _check_many(value, (match[1] or "dict").lower(), match[2] or match[3], source, place)
        return
    model = getattr(load("client"), kind, None)
    if model is None:
        expected = _PLAIN.get(kind)
        if expected is not None and (not isinstance(value, expected) or (kind != "bool" and isinstance(value, bool))):
            raise _wrong(source, place, value, kind)
        return
    if not isinstance(value, Mapping):
        raise _wrong(source, place, value, "a mapping")
    kinds = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    for name, each in value.items():
        path = f"{place}.{name}" if place else str(name)
        if name not in kinds:
            raise UsageError(f"{source}: a Job has no field {path}", hint=nearest(str(name), list(kinds)))
        check_fields(each, kinds[name], source, path)


def _check_many(value: Any, shape: str, inner: str, source: str, place: str) -> None:
    if shape == "list":
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _wrong(source, place, value, "a list")
        for position, each in enumerate(value):
            check_fields(each, inner, source, f"{place}[{position}]")
        return
    if not isinstance(value, Mapping):
        raise _wrong(source, place, value, "a mapping")
    for name, each in value.items():
        if not isinstance(each, int | float):  # a quantity may be written as a number
            check_fields(each, inner, source, f"{place}.{name}")


def _wrong(source: str, place: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{source}: {place or 'the template'} is {value!r}, and has to be {expected}")
