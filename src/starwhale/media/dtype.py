"""Names of element types that work without NumPy."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


class DType(str):
    """The name of a NumPy element type; NumPy takes it wherever it takes a dtype.

    Example:
        >>> DType("uint8") == "uint8"
        True
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name as plain text."""
        return str.__str__(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return str.__eq__(self, dtype_name(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


@lru_cache(maxsize=64)
def named(name: str) -> DType:
    """Return the one name for an element type: values of many rows share it, and what is known of it is found by it at once."""
    return DType(name)


UINT8 = DType("uint8")
FLOAT64 = DType("float64")
BYTES = DType("bytes_")
STR = DType("str_")


def dtype_name(dtype: Any) -> str:  # Any: a name, a NumPy type or dtype, or a type of another library
    """Return the name of an element type; byte order and fields are kept where they are not the usual ones."""
    if isinstance(dtype, str):
        return str.__str__(dtype)
    if isinstance(dtype, type):
        return dtype.__name__
    if getattr(dtype, "names", None):
        return str(dtype.descr)
    if getattr(dtype, "byteorder", "=") == ">":
        return str(dtype.str)
    return str(getattr(dtype, "name", dtype))


def numpy_dtype(dtype: Any, numpy: Any) -> Any:  # Any: NumPy is optional, and dtype is what the user gave
    """Turn whatever names an element type into a NumPy dtype."""
    return _named_dtype(str.__str__(dtype)) if isinstance(dtype, str) else numpy.dtype(dtype)


@lru_cache(maxsize=64)  # asked for by each row of many, and of few names
def _named_dtype(name: str) -> Any:  # Any: see above
    import numpy as np

    if not name.startswith("["):
        return np.dtype(name)
    from ast import literal_eval

    return np.dtype(literal_eval(name))
