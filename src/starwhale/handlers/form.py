"""What a function takes and returns, as a JSON schema made of its signature and type hints: a page makes a form of it.

Beside JSON's own words there are `x-media` (`image`, `audio`, `video`, `text`, `binary`: content in base64), `x-mime` (of content that is taken as
it is), and `x-step` (of a slider).
"""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from starwhale.domain.json_shape import Json
from starwhale.media.artifact import BaseArtifact
from starwhale.media.image import GrayscaleImage
from starwhale.media.mime import MIMEType

MEDIA = "x-media"
"""Word of a schema: the value has content of this family."""
MIME = "x-mime"
"""Word of a schema: content of this type is taken as it is, so that nothing has to be decoded."""
STEP = "x-step"
"""Word of a schema: by how much a slider moves."""
_PLAIN: dict[Any, str] = {int: "integer", float: "number", bool: "boolean", str: "string"}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
"""Attributes that marks of numbers have (those of pydantic and annotated-types among them), and the words of a schema."""
_WHETHER = (typing.Required, typing.NotRequired)
_DEEPEST = 6


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:  # Any: what users write
    """Return what a caller by name may give a function: no `self`, no `*args`, no `**kwargs`."""
    return [each for each in signature(function) if each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}]


def signature(function: Callable[..., Any]) -> list[inspect.Parameter]:  # Any: what users write
    """Return all parameters of a function or method but `self`."""
    found = list(inspect.signature(function).parameters.values())
    is_plain = not inspect.ismethod(function)
    qualname = getattr(function, "__qualname__", "")
    if found and is_plain and "." in qualname.rpartition("<locals>.")[2]:
        return found[1:]
    return found


def hints_of(function: object) -> dict[str, Any]:  # Any: annotations have no type of their own
    """Return the hints of a function by parameter; those that cannot be read are left out."""
    inner = inspect.unwrap(function) if callable(function) else function
    try:
        return typing.get_type_hints(inner, include_extras=True)
    except Exception:  # noqa: BLE001 - a name in quotes that is not there, or whatever else stands behind a colon
        known = getattr(inner, "__annotations__", {})
        return {name: each for name, each in known.items() if not isinstance(each, str)}


def form_of(function: Callable[..., Any]) -> Json:  # Any: what users write
    """Return the schema of the object that gives a function its arguments by name."""
    hints, fields, needed = hints_of(function), {}, []
    for each in parameters(function):
        schema = schema_of(hints.get(each.name, inspect.Parameter.empty))
        if each.default is each.empty:
            needed.append(each.name)
        else:
            schema = with_default(schema, each.default)
        fields[each.name] = schema
    takes_more = any(each.kind is each.VAR_KEYWORD for each in signature(function))
    return object_schema(fields, needed, takes_more=takes_more)


def object_schema(fields: Mapping[str, Json], needed: list[str], *, takes_more: bool = False) -> Json:
    """Return the schema of an object with some fields."""
    return {"type": "object", "properties": dict(fields), "required": needed, "additionalProperties": takes_more}


def with_default(schema: Json, default: Any) -> Json:  # Any: a user's value
    """Add the default of a field to its schema; what is not typed has the type of its default, and None is allowed where it is the default."""
    if isinstance(default, enum.Enum):
        default = default.value
    if default is None:
        return _nullable(schema)
    kind = _PLAIN.get(type(default))
    if not schema and (kind or isinstance(default, (list, dict))):
        schema = {"type": kind or ("array" if isinstance(default, list) else "object")}
    is_json = kind is not None or (isinstance(default, (list, tuple)) and all(type(each) in _PLAIN for each in default))
    return {**schema, "default": list(default) if isinstance(default, tuple) else default} if is_json else schema


def schema_of(hint: Any, depth: int = 0) -> Json:  # Any: annotations have no type of their own
    """Return the schema of what a hint says; an empty one, which takes everything, where it says nothing that JSON knows."""
    if depth > _DEEPEST or hint in (Any, None, inspect.Parameter.empty) or isinstance(hint, (str, typing.TypeVar)):
        return {}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _marked(schema_of(inner[0], depth), inner[1:])
    if origin in _WHETHER:
        return schema_of(inner[0], depth)
    if origin in (typing.Union, types.UnionType):
        return _union(inner, depth)
    if origin is typing.Literal:
        return _choices(inner)
    base = origin or hint
    if base in _PLAIN:
        return {"type": _PLAIN[base]}
    if base in _LISTS:
        items = schema_of(inner[0], depth + 1) if inner else {}
        return {"type": "array", **({"items": items} if items else {})}
    if base in _OBJECTS:
        return {"type": "object"}
    return _of_class(base, depth) if isinstance(base, type) else {}


def _of_class(cls: type, depth: int) -> Json:
    if issubclass(cls, enum.Enum):
        return _choices([each.value for each in cls])
    if issubclass(cls, BaseArtifact):
        is_raw = issubclass(cls, GrayscaleImage)
        return {MEDIA: cls.family.value, **({MIME: MIMEType.GRAYSCALE.value} if is_raw else {})}
    if issubclass(cls, (bytes, bytearray)):
        return {MEDIA: "binary"}
    if cls.__module__.startswith("PIL.") and cls.__name__ == "Image":
        return {MEDIA: "image"}
    if cls.__module__ == "numpy" and cls.__name__ == "ndarray":
        return {"type": "array"}
    if is_row(cls):
        hints = hints_of(cls)
        fields = {name: schema_of(each, depth + 1) for name, each in hints.items()}
        needed = [name for name, each in hints.items() if _is_needed(cls, name, each)]
        return object_schema(fields, needed, takes_more=True)
    return {}


def _is_needed(cls: type, name: str, hint: Any) -> bool:  # Any: annotations
    """Whether a row has a key in any case; of annotations that are text, as `annotations` of `__future__` makes them, Python itself does not know."""
    said = typing.get_origin(hint)
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset({name}))
    return said is typing.Required or (said is not typing.NotRequired and name in required)


def is_row(hint: object) -> bool:
    """Whether a hint names the fields of a row: a TypedDict does."""
    return typing.is_typeddict(hint)


def _choices(values: Any) -> Json:  # Any: what stands in a Literal or Enum
    kinds = {_PLAIN[type(each)] for each in values if type(each) in _PLAIN}
    return {"enum": list(values), **({"type": kinds.pop()} if len(kinds) == 1 else {})}


def _union(members: tuple[Any, ...], depth: int) -> Json:  # Any: annotations
    given = [schema_of(each, depth) for each in members if each is not type(None)]
    if not all(given):
        return {}
    made = given[0] if len(given) == 1 else {"anyOf": given}
    return _nullable(made) if type(None) in members else made


def _nullable(schema: Json) -> Json:
    return {**schema, "nullable": True} if schema else schema


def _marked(schema: Json, marks: tuple[Any, ...]) -> Json:  # Any: whatever users put into Annotated
    """Add what the marks of `Annotated` say: ranges (`ge`, `le`, `gt`, `lt`, a `range`), a step, and texts that describe it."""
    made = dict(schema)
    for mark in marks:
        if isinstance(mark, str):
            made["description"] = mark
        elif isinstance(mark, range):
            last = mark[-1] if len(mark) else mark.start
            made |= {"minimum": min(mark.start, last), "maximum": max(mark.start, last)}
            made |= {STEP: abs(mark.step)} if abs(mark.step) != 1 else {}
        else:
            made |= _bounds(mark)
            for inner in getattr(mark, "metadata", ()) or ():
                made |= _bounds(inner)
            if isinstance(text := getattr(mark, "description", None), str):
                made["description"] = text
    return made


def _bounds(mark: Any) -> Json:  # Any: whatever users put into Annotated
    found = {word: getattr(mark, name, None) for name, word in _BOUNDS.items()}
    found[STEP] = getattr(mark, "multiple_of", None)
    return {word: each for word, each in found.items() if isinstance(each, (int, float)) and not isinstance(each, bool)}
