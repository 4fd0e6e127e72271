"""What JSON of anybody has to look like before it is relied on: a shape is an example with types in the place of values.

`str` is a text, `[str]` a list of texts, `{"name": str}` an object with that key at least, `{"?name": str}` one that may have it,
`{str: int}` an object of numbers under any names, `(str, None)` either of them, `object` anything. A bool is no int; an int is a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]  # Any: values of JSON, checked where they are read
"""A JSON object that is being made, or was read."""
JsonView = Mapping[str, Any]  # Any: the same
"""A JSON object that is only looked at; its shape belongs to whoever wrote it."""
Shape = Any  # Any: see the module's docstring; a recursive union of types says less


def check_shape(value: Any, shape: Shape, where: str = "") -> None:  # Any: JSON of anybody
    """Look at every value that a shape names; keys that it does not name are not looked at.

    Args:
        value: What was read.
        shape: What it should be.
        where: What it is, for the message.

    Raises:
        TypeError: Something is of another type, or missing.

    Example:
        >>> check_shape({"tags": ["a", 1]}, {"tags": [str]}, "it")
        Traceback (most recent call last):
        TypeError: it.tags[1] is not of type str
    """
    if isinstance(shape, tuple):
        if not any(_fits(value, each) for each in shape):
            raise TypeError(f"{where} is not what it should be")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise TypeError(f"{where} is no list")
        for place, each in enumerate(value):
            check_shape(each, shape[0], f"{where}[{place}]")
    elif isinstance(shape, dict):
        _check_object(value, shape, where)
    elif shape is None or shape is object:
        if shape is None and value is not None:
            raise TypeError(f"{where} is not null")
    elif type(value) is not shape and not (shape is float and type(value) is int):
        raise TypeError(f"{where} is not of type {shape.__name__}")


def _check_object(value: Any, shape: Mapping[Any, Shape], where: str) -> None:  # Any: JSON of anybody
    if not isinstance(value, dict):
        raise TypeError(f"{where} is no object")
    for key, each in shape.items():
        if key is str:
            for name, under in value.items():
                check_shape(under, each, f"{where}.{name}")
            continue
        name = key.removeprefix("?")
        if name in value:
            check_shape(value[name], each, f"{where}.{name}")
        elif name == key:
            raise TypeError(f"{where}.{name} is missing")


def _fits(value: Any, shape: Shape) -> bool:  # Any: JSON of anybody
    try:
        check_shape(value, shape)
    except TypeError:
        return False
    return True


__all__ = ["Shape", "check_shape"]
