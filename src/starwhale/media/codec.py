"""Any storable value to bytes and back, faithfully: tagged canonical msgpack.

What msgpack has natively stays native: None, bool, int of 64 bits, float (always 64 bits), str, bytes, list, and dict in its order with
keys of these types. The rest is tagged:

    1 int of more than 64 bits    2 tuple        3 NumPy array     4 NumPy scalar
    5 media value                 6 date, time, datetime, timedelta

The bytes are part of the file format: the same value has the same bytes, with the C package and without it.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, cast

from starwhale.errors import CorruptedError, UnsupportedValueError
from starwhale.media import packing
from starwhale.media.artifact import BaseArtifact
from starwhale.media.optional import loaded, require
from starwhale.media.registry import MEDIA, media_name
from starwhale.media.source import BytesSource, Source
from starwhale.media.value import MediaValue

BIG_INT, TUPLE, ARRAY, SCALAR, MEDIA_VALUE, TIME = 1, 2, 3, 4, 5, 6

SourceOf = Callable[[dict[str, Any]], Source]
"""Finds content again from the reference that `pack` was given for it."""
Placer = Callable[[BaseArtifact], "dict[str, Any] | None"]
"""Keeps a value's content elsewhere and returns a reference to it, or returns None to have it inline."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def pack(value: object, *, place: Placer | None = None, exact: bool = False, pure: bool = False) -> bytes:
    """Return the bytes of a value.

    Args:
        value: What to write.
        place: Where the content of media values goes; inline when None.
        exact: Refuse what would come back as another type (a dict subclass, a named tuple, a bytearray) in place of writing the
            plain value.
        pure: Write without the C package, which gives the same bytes.

    Raises:
        UnsupportedValueError: The value, or one inside it, cannot be stored; the message names its type.
    """
    if exact:
        _check_exact(value)
    try:
        return _Packer(None if pure else _c_package(), place).write(value)
    except (RecursionError, ValueError, OverflowError) as error:
        if isinstance(error, UnsupportedValueError):
            raise
        raise UnsupportedValueError(f"cannot store a value of type {type(value).__name__!r}: {error}") from error


def unpack(data: bytes, source_of: SourceOf | None = None, *, pure: bool = False) -> object:
    """Return the value that `pack` wrote.

    Args:
        data: The bytes.
        source_of: Finds the content of media values that was placed elsewhere.
        pure: Read without the C package.

    Raises:
        CorruptedError: The bytes are not what `pack` writes.
        MissingDependencyError: A NumPy value is inside and NumPy is not installed.
    """
    try:
        return _Unpacker(None if pure else _c_package(), source_of).read(data)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise CorruptedError(f"stored value of {len(data)} bytes cannot be read: {error}") from error


class _Packer:
    """Writes values with one engine; functions that refer to each other would keep what `place` belongs to until cycles are looked for."""

    __slots__ = ("_engine", "_place")

    def __init__(self, engine: Any, place: Placer | None) -> None:  # Any: the C package has no types
        self._engine = engine
        self._place = place

    def write(self, part: object) -> bytes:
        if self._engine is None:
            return packing.packb(part, self._default)
        return self._engine.packb(part, default=self._default, strict_types=True, unicode_errors="surrogatepass")

    def _default(self, part: object) -> Any:  # Any: the engine's own class of tagged values
        tagged = _tag(part, self.write, self._place)
        if self._engine is None or not isinstance(tagged, packing.Ext):
            return tagged
        return self._engine.ExtType(tagged.code, tagged.data)


class _Unpacker:
    """Reads values with one engine."""

    __slots__ = ("_engine", "_source_of")

    def __init__(self, engine: Any, source_of: SourceOf | None) -> None:  # Any: as above
        self._engine = engine
        self._source_of = source_of

    def read(self, part: bytes) -> Any:  # Any: whatever was packed
        if self._engine is None:
            return packing.unpackb(part, self._hook)
        return self._engine.unpackb(part, ext_hook=self._hook, strict_map_key=False, unicode_errors="surrogatepass")

    def _hook(self, code: int, part: bytes) -> object:
        return _untag(code, part, self.read, self._source_of)


def pack_media(value: MediaValue) -> tuple[str, dict[str, object], bytes | None]:
    """Return stored name, state and content of a media value; the content is None where it has none of its own."""
    name = media_name(value)
    if name is None:
        raise unsupported(value)
    content = value.stored_bytes() if isinstance(value, BaseArtifact) and value.carried_source is not None else None
    return name, value.stored_state(), content


def unpack_media(name: str, state: Mapping[str, Any], source: Source | None = None) -> MediaValue:
    """Make the media value with a stored name and state; its content is read from `source` when it is asked for."""
    return MEDIA[name].from_state(state, source)


_AS_TEXT = frozenset({"decimal.Decimal", "fractions.Fraction", "uuid.UUID"})
"""Types whose text says everything."""


def unsupported(value: object) -> UnsupportedValueError:
    """Return the error that names a value's type and what to store in its place."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, Enum):
        hint = "store its .value or its .name"
    elif isinstance(value, set | frozenset):
        hint = "store sorted(…), a list"
    elif isinstance(value, complex):
        hint = "store [value.real, value.imag], or numpy.complex128(value)"
    elif isinstance(value, range | map | filter | zip):
        hint = "store list(…)"
    elif isinstance(value, dt.datetime):
        hint = "store .to_pydatetime(), or .isoformat()"
    elif name in _AS_TEXT or isinstance(value, os.PathLike):
        hint = (
            "store str(…); for the content of a file, Binary(path)"
            if isinstance(value, os.PathLike)
            else "store str(…)"
        )
    elif is_dataclass(value):
        hint = "store dataclasses.asdict(…), a dict"
    elif hasattr(value, "detach"):
        hint = "store .detach().cpu().numpy()"
    elif hasattr(value, "tolist"):
        hint = "store .tolist()"
    elif hasattr(value, "numpy"):
        hint = "store .numpy()"
    else:
        hint = "store a number, text, bytes, a list, a dict or a media value"
    return UnsupportedValueError(f"cannot store a value of type {name!r}", hint=hint)


@functools.cache
def _c_package() -> Any | None:  # Any: it may be missing
    try:
        return importlib.import_module("msgpack")
    except ImportError:
        return None


def _tag(value: Any, write: Callable[[object], bytes], place: Placer | None) -> object:  # Any: any user value
    """Return a tagged value, or the plain value that an instance of a subclass stands for."""
    kind = cast("type[Any]", type(value))
    if kind is tuple:
        return packing.Ext(TUPLE, write(list(value)))
    if kind is int:
        return packing.Ext(BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, MediaValue):
        return packing.Ext(MEDIA_VALUE, _write_media(value, write, place))
    numpy = loaded("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _tag_numpy(value, write, numpy)
    if kind in _TIMES:
        return packing.Ext(TIME, write(_time_parts(value)))
    for base in _BASES:
        if isinstance(value, base) and not isinstance(value, Enum):
            plain = base(value)
            # The C package asks once: what it does not know itself has to leave here tagged.
            native = base is not tuple and not (base is int and not -(2**63) <= plain < 2**64)
            return plain if native else _tag(plain, write, place)
    raise unsupported(value)


_BASES: tuple[Any, ...] = (dict, list, tuple, str, int, float, bytes)  # Any: seven constructors with one argument


def _write_media(value: MediaValue, write: Callable[[object], bytes], place: Placer | None) -> bytes:
    if place is not None and isinstance(value, BaseArtifact) and value.carried_source is not None:
        reference = place(value)
        if reference is not None:
            name = media_name(value)
            return write([name, value.stored_state(), reference])
    return write(list(pack_media(value)))


def _tag_numpy(value: Any, write: Callable[[object], bytes], numpy: Any) -> packing.Ext:  # Any: NumPy is optional
    if value.dtype.hasobject or isinstance(value, numpy.ma.MaskedArray):
        raise unsupported(value)
    dtype = [list(field) for field in value.dtype.descr] if value.dtype.names else value.dtype.str
    if isinstance(value, numpy.ndarray):
        return packing.Ext(ARRAY, write([dtype, list(value.shape), value.tobytes()]))
    if isinstance(value, numpy.str_ | numpy.bytes_):
        return packing.Ext(SCALAR, write([dtype, value.item()]))
    return packing.Ext(SCALAR, write([dtype, value.tobytes()]))


def _untag(code: int, data: bytes, read: Callable[[bytes], Any], source_of: SourceOf | None) -> object:
    if code == TUPLE:
        return tuple(read(data))
    if code == BIG_INT:
        return int.from_bytes(data, "big", signed=True)
    if code == MEDIA_VALUE:
        name, state, content = read(data)
        return unpack_media(name, state, _source(content, source_of))
    if code in {ARRAY, SCALAR}:
        return _read_numpy(code, read(data))
    if code == TIME:
        return _read_time(*read(data))
    raise ValueError(f"unknown tag {code}")


def _source(content: object, source_of: SourceOf | None) -> Source | None:
    if content is None or isinstance(content, bytes):
        return None if content is None else BytesSource(content)
    if source_of is None:
        raise ValueError("the content of a media value lies elsewhere, and nobody said how to find it")
    return source_of(cast("dict[str, Any]", content))


def _read_numpy(code: int, parts: list[Any]) -> Any:  # Any: NumPy is optional
    numpy = require("numpy", purpose="reading a stored NumPy value")
    stored = parts[0]
    dtype = numpy.dtype([_field(field) for field in stored] if isinstance(stored, list) else stored)
    if code == ARRAY:
        shape, content = parts[1], parts[2]
        # A bytearray makes the array writable, as the one was that was stored.
        return numpy.ndarray(shape, dtype, bytearray(content)) if content else numpy.empty(shape, dtype)
    if isinstance(parts[1], str):
        return numpy.str_(parts[1])
    if dtype.kind == "S":
        return numpy.bytes_(parts[1])
    return numpy.ndarray((), dtype, bytearray(parts[1]))[()]


def _field(field: list[Any]) -> tuple[Any, ...]:  # Any: name, dtype or fields, shape
    name, dtype, *shape = field
    return (name, [_field(inner) for inner in dtype] if isinstance(dtype, list) else dtype, *shape)


_TIMES = frozenset({dt.datetime, dt.date, dt.time, dt.timedelta})


def _time_parts(value: Any) -> list[object]:  # Any: one of the four types
    if isinstance(value, dt.timedelta):
        return ["timedelta", value.days, value.seconds, value.microseconds]
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not dt.timezone:
        raise UnsupportedValueError(
            f"cannot store a time in the zone {zone}: its rules may change",
            hint="use .astimezone(datetime.timezone.utc)",
        )
    return [type(value).__name__, value.isoformat(), getattr(value, "fold", 0)]


def _read_time(kind: str, *parts: Any) -> object:  # Any: text or numbers
    if kind == "timedelta":
        return dt.timedelta(*parts)
    text, fold = parts
    if kind == "date":
        return dt.date.fromisoformat(text)
    if kind == "time":
        return dt.time.fromisoformat(text).replace(fold=fold)
    return dt.datetime.fromisoformat(text).replace(fold=fold)


def _check_exact(value: Any) -> None:  # Any: any user value
    kind = cast("type[Any]", type(value))
    if kind in _PLAIN:
        return
    if kind is list or kind is tuple:
        for item in value:
            _check_exact(item)
    elif kind is dict:
        for key, item in value.items():
            _check_exact(key)
            _check_exact(item)
    elif isinstance(value, dict | list | tuple | str | int | float | bytes | bytearray | memoryview):
        numpy = loaded("numpy")
        if numpy is None or not isinstance(value, numpy.generic):
            raise unsupported(value)
    elif isinstance(value, MediaValue) and MEDIA.get(kind.__name__) is not kind:
        raise unsupported(value)
