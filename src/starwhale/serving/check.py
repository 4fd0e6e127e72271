"""Whether JSON fits the schema of a form; the words of it are those that `handlers.form` writes, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from starwhale.domain.json_shape import JsonView
from starwhale.errors import InputError, nearest
from starwhale.handlers.form import MEDIA

_SHOWN = 60
_LISTED = 10


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {  # Any: JSON
    "integer": lambda each: _is_number(each) and (isinstance(each, int) or each.is_integer()),
    "number": _is_number,
    "boolean": lambda each: isinstance(each, bool),
    "string": lambda each: isinstance(each, str),
    "array": lambda each: isinstance(each, list),
    "object": lambda each: isinstance(each, dict),
}
_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
}
_BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": ("at least", lambda each, bound: each >= bound),
    "maximum": ("at most", lambda each, bound: each <= bound),
    "exclusiveMinimum": ("more than", lambda each, bound: each > bound),
    "exclusiveMaximum": ("less than", lambda each, bound: each < bound),
}


def check(schema: JsonView, value: Any, field: str = "") -> None:  # Any: JSON
    """Refuse what does not fit.

    Raises:
        InputError: Names the field and the reason.
    """
    if value is None and schema.get("nullable"):
        return
    if MEDIA in schema:
        _check_content(schema[MEDIA], value, field)
        return
    if "anyOf" in schema:
        _check_any(schema["anyOf"], value, field)
        return
    if "enum" in schema:
        if not any(type(each) is type(value) and each == value for each in schema["enum"]):
            listed = ", ".join(map(repr, schema["enum"][:_LISTED]))
            raise InputError(field, f"is {_show(value)}", hint=f"it is one of {listed}")
        return
    kind = schema.get("type")
    if kind is not None and not _TYPES[kind](value):
        raise InputError(field, f"is {_show(value)}, not {_NAMES.get(kind, 'an object')}")
    for word, (told, holds) in _BOUNDS.items():
        if word in schema and _is_number(value) and not holds(value, schema[word]):
            raise InputError(field, f"is {_show(value)}", hint=f"it is {told} {schema[word]}")
    if isinstance(value, list) and "items" in schema:
        for place, each in enumerate(value):
            check(schema["items"], each, f"{field}.{place}")
    if isinstance(value, dict) and "properties" in schema:
        _check_object(schema, value, field)


def _check_object(schema: JsonView, value: JsonView, field: str) -> None:
    known: Mapping[str, JsonView] = schema["properties"]
    prefix = f"{field}." if field else ""
    for name in schema.get("required", ()):
        if name not in value:
            raise InputError(prefix + name, "is missing")
    for name, each in value.items():
        if name in known:
            check(known[name], each, prefix + name)
        elif not schema.get("additionalProperties") and name not in schema.get("x-ignored", ()):
            raise InputError(
                prefix + name, "is no field of it", hint=nearest(name, known) if known else "it has no fields"
            )


def _check_any(schemas: Sequence[JsonView], value: Any, field: str) -> None:  # Any: JSON
    first: InputError | None = None
    for each in schemas:
        try:
            check(each, value, field)
        except InputError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _check_content(family: str, value: Any, field: str) -> None:  # Any: JSON
    if isinstance(value, str) and (family == "text" or re.match(r"data:[^,]{0,200},", value)):
        return
    takes = {family, "bytes"} if family == "binary" else {family}
    if (
        isinstance(value, dict)
        and value.get("_type") in takes
        and isinstance(value.get("data", value.get("value")), str)
    ):
        return
    hint = f'give a data: URL, or {{"_type": "{family}", "data": "<base64>"}}'
    raise InputError(field, f"is no {'file' if family == 'binary' else family}", hint=hint)


def _show(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
