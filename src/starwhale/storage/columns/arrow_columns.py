"""Arrow columns that can be stored as they are: no Python value is made of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pyarrow as pa


def stored_type(given: Any) -> tuple[Any, str] | None:
    """Return the stored type of an Arrow type, and its kind; None where values of it have to be made one by one.

    A number keeps its value in the one type that numbers of its kind are stored in: int64 for integers, float64 for the others.

    Example:
        >>> stored_type(pa.list_(pa.int8()))
        (ListType(list<item: int64>), 'list<int>')
    """
    for is_one, made in _PLAIN:
        if is_one(given):
            return made
    if pa.types.is_dictionary(given):
        return stored_type(given.value_type) if not pa.types.is_nested(given.value_type) else None
    if pa.types.is_list(given) or pa.types.is_large_list(given) or pa.types.is_fixed_size_list(given):
        inner = stored_type(given.value_type)
        return inner and (pa.list_(inner[0]), f"list<{inner[1]}>")
    if pa.types.is_struct(given):
        return _stored_struct(given)
    return None


def encode_arrow(array: Any, limit: int | None = None) -> tuple[Any, str] | None:
    """Return an Arrow array as it is stored, with its kind; None where its values have to be looked at one by one.

    Args:
        array: The cells of one column.
        limit: Bytes above which a text, or the average list, has to go to a pack.
    """
    found = stored_type(array.type)
    if found is None:
        return None
    made, kind = found
    try:
        stored = array if array.type == made else array.cast(made)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowCapacityError):
        return None  # an integer of 64 bits without a sign, or more text than one array can hold
    if limit is not None and stored.nbytes > limit:
        is_text = kind in {"str", "bytes"}
        if _longest(stored) > limit if is_text else pa.types.is_nested(made) and stored.nbytes > limit * len(stored):
            return None
    return stored, kind


def _stored_struct(given: Any) -> tuple[Any, str] | None:
    fields: list[Any] = []
    kinds: list[str] = []
    for field in given:
        inner = stored_type(field.type)
        if inner is None or not field.name.isidentifier() or field.name.startswith("__"):
            return None
        fields.append(pa.field(field.name, inner[0]))
        kinds.append(f"{field.name}:{inner[1]}")
    if not fields or len({field.name for field in fields}) < len(fields):
        return None
    return pa.struct(fields), f"struct<{','.join(kinds)}>"


def _longest(array: Any) -> int:
    compute: Any = import_module("pyarrow.compute")  # its functions are made at run time
    return compute.max(compute.binary_length(array)).as_py() or 0


_PLAIN: tuple[tuple[Any, tuple[Any, str]], ...] = (
    (pa.types.is_null, (pa.null(), "null")),
    (pa.types.is_boolean, (pa.bool_(), "bool")),
    (pa.types.is_integer, (pa.int64(), "int")),
    (pa.types.is_floating, (pa.float64(), "float")),
    (pa.types.is_string, (pa.string(), "str")),
    (pa.types.is_large_string, (pa.string(), "str")),
    (pa.types.is_string_view, (pa.string(), "str")),
    (pa.types.is_binary, (pa.binary(), "bytes")),
    (pa.types.is_large_binary, (pa.binary(), "bytes")),
    (pa.types.is_binary_view, (pa.binary(), "bytes")),
    (pa.types.is_fixed_size_binary, (pa.binary(), "bytes")),
)

__all__ = ["encode_arrow", "stored_type"]
