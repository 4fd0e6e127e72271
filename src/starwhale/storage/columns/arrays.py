"""Arrow arrays from Python values, made of their buffers.

`pyarrow.array` asks whether what it is given belongs to pandas, which imports pandas wherever it is installed: 0.24 CPU seconds, more than
100,000 rows of a few numbers and texts take to be encoded. These functions never do, and take about as long for the values themselves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

_MANY_BYTES = 64 << 10
"""Values of more bytes in all are put into memory of Arrow."""
_DIGITS = bytes([48, 49]) + bytes(254)


def ints(values: Sequence[int | None]) -> Any:
    """Make an int64 array; OverflowError for what does not fit."""
    return _numbers("q", pa.int64(), values, 0)


def counted(values: range) -> Any:
    """Make an int64 array of integers that follow one another."""
    if hasattr(pa, "arange"):  # since pyarrow 21; a hundredth of the time
        return pa.arange(values.start, values.stop)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array("q", values))])


def floats(values: Sequence[float | None]) -> Any:
    """Make a float64 array."""
    return _numbers("d", pa.float64(), values, 0.0)


def bools(values: Sequence[bool | None]) -> Any:
    """Make a bool array."""
    bits = pa.py_buffer(pack_bits(map(bool, values)))
    return pa.Array.from_buffers(pa.bool_(), len(values), [_validity(values), bits])


def binaries(values: Sequence[bytes | None]) -> Any:
    """Make a binary array; OverflowError for more than 2 GiB."""
    validity = _validity(values)
    filled: Any = values if validity is None else [b"" if value is None else value for value in values]
    return _variable(pa.binary(), filled, b"".join(filled), validity)


def whole_binaries(values: Sequence[bytes]) -> Any:
    """Make a binary array of values that are all there."""
    return _variable(pa.binary(), values, b"".join(values), None)


def repeated(value: bytes, count: int) -> Any:
    """Make a binary array that holds one value again and again."""
    size = len(value)
    ends = array("i", range(0, size * count + 1, size) if size else bytes(count + 1))
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(value * count)])


def texts(values: Sequence[str | None]) -> Any:
    """Make a string array; UnicodeEncodeError for lone surrogates, OverflowError for more than 2 GiB."""
    validity = _validity(values)
    filled: Any = values if validity is None else ["" if value is None else value for value in values]
    joined = "".join(filled)
    if joined.isascii():
        return _variable(pa.string(), filled, joined.encode(), validity)
    encoded = [value.encode() for value in filled]
    return _variable(pa.string(), encoded, b"".join(encoded), validity)


def offsets(values: Sequence[int | None]) -> Any:
    """Make the int32 offsets of a list array; None marks a list that is absent."""
    return _numbers("i", pa.int32(), values, 0)


def text_lists(values: Sequence[Sequence[str] | None]) -> Any:
    """Make an array of lists of texts."""
    ends = list(accumulate((len(value or ()) for value in values), initial=0))
    starts = [None if value is None else end for value, end in zip(values, ends[:-1], strict=True)]
    return pa.ListArray.from_arrays(
        offsets([*starts, ends[-1]]), texts([text for value in values for text in value or ()])
    )


def structs(arrow_type: Any, children: Sequence[Any], present: Sequence[bool]) -> Any:
    """Make a struct array of the arrays of its fields.

    Args:
        arrow_type: The struct's type.
        children: One array per field, as long as `present`.
        present: Which values are there.
    """
    validity = None if all(present) else pa.py_buffer(pack_bits(present))
    return pa.Array.from_buffers(arrow_type, len(present), [validity], children=list(children))


def pack_bits(flags: Iterable[bool]) -> bytes:
    """Pack truth values as Arrow does, the first one in the lowest bit."""
    digits = bytes(flags)
    if not digits:
        return b""
    return int(digits[::-1].translate(_DIGITS), 2).to_bytes((len(digits) + 7) // 8, "little")


def _numbers(code: str, arrow_type: Any, values: Sequence[Any], filler: float) -> Any:
    validity = _validity(values)
    data = array(code, values if validity is None else [filler if value is None else value for value in values])
    return pa.Array.from_buffers(arrow_type, len(values), [validity, pa.py_buffer(data)])


def _variable(arrow_type: Any, pieces: Sequence[Any], data: bytes, validity: Any) -> Any:
    ends = array("i", accumulate(map(len, pieces), initial=0))
    return pa.Array.from_buffers(arrow_type, len(pieces), [validity, pa.py_buffer(ends), _held(data)])


def _held(data: bytes) -> Any:
    """Put bytes that wait for others into memory of Arrow, so that those of Python are used again: new pages cost more than copies."""
    if len(data) < _MANY_BYTES:
        return pa.py_buffer(data)
    held = pa.allocate_buffer(len(data))
    memoryview(held).cast("B")[:] = data
    return held


def _validity(values: Sequence[object]) -> Any:
    """Say which values are there; None when all are."""
    if None not in values:
        return None
    return pa.py_buffer(pack_bits(value is not None for value in values))


__all__ = [
    "binaries",
    "bools",
    "counted",
    "floats",
    "ints",
    "offsets",
    "pack_bits",
    "repeated",
    "structs",
    "text_lists",
    "texts",
    "whole_binaries",
]
