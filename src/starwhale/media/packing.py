"""msgpack in plain Python, byte for byte what the C package writes: workers may run where that is not installed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, cast

MAX_DEPTH = 500
"""How deep lists and dicts may be nested; the C package stops a little later."""


class Ext(NamedTuple):
    """A tagged value: a code of ours and its bytes."""

    code: int
    data: bytes


class TruncatedError(ValueError):
    """The bytes end inside a value, or go on behind it."""


def packb(value: object, default: Callable[[object], object]) -> bytes:
    """Write a value; whatever msgpack does not know goes through `default`, which returns a tagged or a plain value.

    Raises:
        ValueError: It is nested too deeply.
    """
    out = bytearray()
    _pack(value, out, default, MAX_DEPTH)
    return bytes(out)


def _pack(value: Any, out: bytearray, default: Callable[[object], object], depth: int) -> None:  # Any: any user value
    if depth < 0:
        raise ValueError("recursion limit exceeded.")
    kind = cast("type[Any]", type(value))
    if value is None:
        out.append(0xC0)
    elif kind is bool:
        out.append(0xC3 if value else 0xC2)
    elif kind is int and -(2**63) <= value < 2**64:
        _pack_int(value, out)
    elif kind is float:
        out += struct.pack(">Bd", 0xCB, value)
    elif kind is str:
        data = value.encode("utf-8", "surrogatepass")
        out += _head(len(data), (0xA0, 31), (0xD9, 0xDA, 0xDB)) + data
    elif kind is bytes or kind is bytearray or kind is memoryview:
        data = bytes(value)
        out += _head(len(data), None, (0xC4, 0xC5, 0xC6)) + data
    elif kind is list:
        out += _head(len(value), (0x90, 15), (None, 0xDC, 0xDD))
        for item in value:
            _pack(item, out, default, depth - 1)
    elif kind is dict:
        out += _head(len(value), (0x80, 15), (None, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(key, out, default, depth - 1)
            _pack(item, out, default, depth - 1)
    else:
        tagged = default(value)
        if isinstance(tagged, Ext):
            _pack_ext(tagged, out)
        else:
            _pack(tagged, out, default, depth - 1)


def _pack_int(value: int, out: bytearray) -> None:
    if -32 <= value <= 127:
        out.append(value & 0xFF)
        return
    if value >= 0:
        table = ((2**8, ">BB", 0xCC), (2**16, ">BH", 0xCD), (2**32, ">BI", 0xCE), (2**64, ">BQ", 0xCF))
    else:
        table = ((2**7, ">Bb", 0xD0), (2**15, ">Bh", 0xD1), (2**31, ">Bi", 0xD2), (2**63, ">Bq", 0xD3))
    for bound, form, head in table:
        if -bound <= value < bound:
            out += struct.pack(form, head, value)
            return


def _head(size: int, short: tuple[int, int] | None, longer: tuple[int | None, int, int]) -> bytes:
    if short is not None and size <= short[1]:
        return bytes((short[0] | size,))
    if longer[0] is not None and size < 2**8:
        return bytes((longer[0], size))
    if size < 2**16:
        return struct.pack(">BH", longer[1], size)
    if size < 2**32:
        return struct.pack(">BI", longer[2], size)
    raise ValueError("a value of 4 GiB or more does not fit")


def _pack_ext(value: Ext, out: bytearray) -> None:
    size = len(value.data)
    if size in {1, 2, 4, 8, 16}:
        out.append(0xD3 + size.bit_length())
    else:
        out += _head(size, None, (0xC7, 0xC8, 0xC9))
    out.append(value.code)
    out += value.data


def unpackb(data: bytes, ext_hook: Callable[[int, bytes], object]) -> object:
    """Read one value; tagged ones go through `ext_hook`.

    Raises:
        ValueError: The bytes are no msgpack, or end too early or too late.
    """
    value, end = _Reader(data, ext_hook).read(0)
    if end != len(data):
        raise TruncatedError(f"{len(data) - end} bytes are left behind the value")
    return value


_SIZED: dict[int, tuple[str, str]] = {
    0xC4: ("bin", ">B"),
    0xC5: ("bin", ">H"),
    0xC6: ("bin", ">I"),
    0xC7: ("ext", ">B"),
    0xC8: ("ext", ">H"),
    0xC9: ("ext", ">I"),
    0xD9: ("str", ">B"),
    0xDA: ("str", ">H"),
    0xDB: ("str", ">I"),
    0xDC: ("list", ">H"),
    0xDD: ("list", ">I"),
    0xDE: ("dict", ">H"),
    0xDF: ("dict", ">I"),
}
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    """Reads values at positions; each method returns the value and where it ends."""

    def __init__(self, data: bytes, ext_hook: Callable[[int, bytes], object]) -> None:
        self._data = data
        self._ext_hook = ext_hook

    def read(self, at: int) -> tuple[object, int]:
        head = self._slice(at, 1)[0]
        at += 1
        if head < 0x80:
            return head, at
        if head >= 0xE0:
            return head - 256, at
        if head < 0x90:
            return self._sized("dict", head & 15, at)
        if head < 0xA0:
            return self._sized("list", head & 15, at)
        if head < 0xC0:
            return self._sized("str", head & 31, at)
        if head in _CONSTANTS:
            return _CONSTANTS[head], at
        if head in _NUMBERS:
            return self._number(_NUMBERS[head], at)
        if 0xD4 <= head <= 0xD8:
            return self._sized("ext", 1 << (head - 0xD4), at)
        if head not in _SIZED:
            raise ValueError(f"no msgpack: byte {head:#x} at {at - 1}")
        kind, form = _SIZED[head]
        size, at = self._number(form, at)
        return self._sized(kind, int(size), at)

    def _slice(self, at: int, size: int) -> bytes:
        part = self._data[at : at + size]
        if len(part) < size:
            raise TruncatedError("the bytes end inside a value")
        return part

    def _number(self, form: str, at: int) -> tuple[int | float, int]:
        size = struct.calcsize(form)
        return struct.unpack(form, self._slice(at, size))[0], at + size

    def _sized(self, kind: str, size: int, at: int) -> tuple[object, int]:
        if kind == "list":
            return self._list(size, at)
        if kind == "dict":
            items, end = self._list(2 * size, at)
            return dict(zip(items[::2], items[1::2], strict=True)), end
        if kind == "ext":
            code = struct.unpack(">b", self._slice(at, 1))[0]
            return self._ext_hook(code, self._slice(at + 1, size)), at + 1 + size
        part = self._slice(at, size)
        return (part if kind == "bin" else part.decode("utf-8", "surrogatepass")), at + size

    def _list(self, size: int, at: int) -> tuple[list[Any], int]:  # Any: whatever was packed
        items: list[Any] = []
        for _ in range(size):
            item, at = self.read(at)
            items.append(item)
        return items, at
