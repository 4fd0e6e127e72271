"""JSON of anybody as one of our frozen values: every field is looked at, so that nothing fails later for being of another type."""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read_typed(cls: type[T], data: Any) -> T:  # Any: JSON of anybody
    """Make a value of a frozen class from what `dataclasses.asdict` said of it; keys of newer programs are left out.

    Raises:
        TypeError: A field is missing, or has another type.
        ValueError: An enumeration has no such member.
    """
    if not isinstance(data, dict):
        raise TypeError(f"{cls.__name__} is not an object")
    values: dict[str, Any] = {}
    for name, hint in _hints(cls).items():
        if name in data:
            values[name] = _read(hint, data[name], f"{cls.__name__}.{name}")
    return cls(**values)


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {each.name: hints[each.name] for each in dataclasses.fields(cls)}


def _read(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        if value is None and type(None) in arguments:
            return None
        return _read(next(each for each in arguments if each is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{where} is not a list")
        return tuple(_read(arguments[0], each, where) for each in value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return read_typed(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if origin is not None:  # a mapping: its keys are texts, because it is JSON
        if not isinstance(value, dict):
            raise TypeError(f"{where} is not an object")
        return {key: _read(arguments[1], each, where) for key, each in value.items()}
    if hint is float and type(value) is int:
        return value  # as it is: equal jobs have equal texts
    if type(value) is not hint:
        raise TypeError(f"{where} is not of type {getattr(hint, '__name__', hint)}")
    return value


__all__ = ["read_typed"]
