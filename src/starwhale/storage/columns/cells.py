"""Single cells that need more than an Arrow type: media values, variants, and values that lie in a pack.

While rows wait in a writer they are held in the small shapes below: whatever a user changes later in a list or an array that
was put is not seen, and large content is on disk already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Protocol, TypedDict, cast, overload

import msgpack

from starwhale.errors import StarwhaleError, UnsupportedValueError
from starwhale.media import codec
from starwhale.media.artifact import BaseArtifact, StateKey
from starwhale.media.registry import MEDIA
from starwhale.media.source import Source

LONG_BYTES = 4096
"""Content above this lies in a pack, not in the row."""
STREAMED_BYTES = 1 << 20
"""Content of files and stores above this goes into a pack piece by piece."""
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_PLAIN = frozenset({bool, float, type(None)})
_MEDIA_TYPES = frozenset(MEDIA.values())
_META_CACHE = 4096
_AT_ONCE = 16


class PackRef(TypedDict):
    """Where a long value lies, and what it must be."""

    pack: str
    offset: int
    size: int
    digest: bytes


class Sink(Protocol):
    """Takes the bytes of long values."""

    @property
    def limit(self) -> int:
        """Content above this many bytes is to be put."""
        ...

    def put(self, content: bytes) -> PackRef:
        """Keep the bytes and say where."""
        ...

    def put_source(self, source: Source) -> PackRef:
        """Keep the content of a source, read in pieces, and say where."""
        ...

    def adopt(self, source: Source) -> PackRef | None:
        """Say where the content of a source lies if it is kept already."""
        ...

    def source(self, ref: Mapping[str, Any]) -> Source:
        """Open what was put."""
        ...


SourceOf = Callable[[Mapping[str, Any]], Source]
"""Turns a reference into lazily read content."""


def name_cell(error: StarwhaleError, column: object, key: object) -> None:
    """Say in an error which cell it is about; its type and facts stay."""
    error.message = f"column {column!r} of row {key!r}: {error.message}"
    error.args = (error.message,)


@dataclass(slots=True)
class Packed:
    """A variant: msgpack inline, or in a pack."""

    data: bytes | None
    """The bytes; None where they lie in a pack."""
    ref: PackRef | None = None
    """Where they lie in a pack; None for what is inline."""


@dataclass(slots=True)
class LongStr:
    """A text in a pack."""

    ref: PackRef
    """Where it lies."""


@dataclass(slots=True)
class LongBytes:
    """Bytes in a pack."""

    ref: PackRef
    """Where they lie."""


@dataclass(slots=True)
class MediaCell:
    """A media value: its state, and its content inline, in a pack, or none."""

    name: str
    """Name of the data type in `media.registry.MEDIA`."""
    meta: bytes
    """State of the value: everything but its content, as msgpack."""
    data: bytes | None
    """Content that is inline; None where it lies in a pack, or there is none."""
    ref: PackRef | None
    """Where the content lies in a pack."""


class AlikeCells(Sequence[MediaCell]):
    """Cells of one media type that differ in nothing but their short content.

    Args:
        name: The data type.
        meta: The state of each.
        contents: Their bytes.
    """

    __slots__ = ("contents", "meta", "name")

    def __init__(self, name: str, meta: bytes, contents: Sequence[bytes]) -> None:
        self.name, self.meta, self.contents = name, meta, contents

    def __len__(self) -> int:
        return len(self.contents)

    @overload
    def __getitem__(self, index: int) -> MediaCell: ...
    @overload
    def __getitem__(self, index: slice) -> AlikeCells: ...
    def __getitem__(self, index: int | slice) -> MediaCell | AlikeCells:
        if isinstance(index, slice):
            return AlikeCells(self.name, self.meta, self.contents[index])
        return MediaCell(self.name, self.meta, self.contents[index], None)


def freeze(value: Any, sink: Sink) -> Any:
    """Take a copy of a value that nobody can change, its long content put into a pack; plain values stay as they are.

    Raises:
        UnsupportedValueError: The value cannot be stored faithfully.
    """
    kind: type = type(value)
    if kind in _PLAIN:
        return value
    if kind in _MEDIA_TYPES:
        return media_cell(value, sink)
    if kind is str:
        if value.isascii() and len(value) <= sink.limit:
            return value
        content = _encode_text(value)
        if content is not None:
            return LongStr(sink.put(content)) if len(content) > sink.limit else value
    if kind is bytes:
        return LongBytes(sink.put(value)) if len(value) > sink.limit else value
    if kind is int and _INT_MIN <= value <= _INT_MAX:
        return value
    if kind is MediaCell or kind is Packed or kind is LongStr or kind is LongBytes:
        return value  # it was frozen before
    if kind is list or kind is dict:
        copy = _copy_plain(value)
        if copy is not None:
            return copy
    return pack_value(value, sink)


def thaw(cell: Any, source_of: SourceOf) -> Any:
    """Undo `freeze`."""
    kind: type = type(cell)
    if kind is LongStr:
        return source_of(cell.ref).read().decode()
    if kind is LongBytes:
        return source_of(cell.ref).read()
    if kind is Packed:
        return codec.unpack(cell.data if cell.ref is None else source_of(cell.ref).read(), source_of)
    if kind is MediaCell:
        return media_maker(cell.name)(cell.meta, cell.data if cell.ref is None else source_of(cell.ref))
    if kind is list or kind is dict:
        return _copy_plain(cell)
    return cell


def weigh(cell: Any) -> int:
    """Guess the bytes that a waiting cell holds."""
    if type(cell) is MediaCell:
        return 64 + len(cell.data or b"")  # most cells share their state
    if isinstance(cell, str | bytes):
        return len(cell)
    if isinstance(cell, Packed):
        return len(cell.data or b"")
    if isinstance(cell, list):
        return sum(map(weigh, cast("list[Any]", cell))) + 16
    if isinstance(cell, dict):
        return sum(map(weigh, cast("dict[str, Any]", cell).values())) + 16
    return 8


def _encode_text(value: str) -> bytes | None:
    """Encode a text; None for one with lone surrogates, which only a variant holds."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return None


def pack_value(value: object, sink: Sink | None) -> Packed:
    """Make a variant; a long one, and large media inside it, lie in a pack.

    Raises:
        UnsupportedValueError: It cannot be stored.
    """

    def place(media: BaseArtifact) -> dict[str, Any] | None:
        cell = media_cell(media, sink)
        return None if cell.ref is None else {**cell.ref}

    content = codec.pack(value, place=None if sink is None else place)
    if sink is not None and len(content) > sink.limit:
        return Packed(None, sink.put(content))
    return Packed(content)


def is_media_type(kind: type) -> bool:
    """Whether values of this very type are stored as media cells; those of users' own subclasses become variants."""
    return kind in _MEDIA_TYPES


def media_cell(value: Any, sink: Sink | None) -> MediaCell:
    """Take apart a media value; the content of a path or an open file is read now.

    Raises:
        UnsupportedValueError: Its state cannot be stored.
    """
    if type(value) is MediaCell:
        return value
    if not isinstance(value, BaseArtifact):
        return MediaCell(type(value).__name__, _pack_state(value), None, None)
    state_key = value.state_key()
    meta = _pack_state(value) if state_key is None else _pack_plain_state(state_key)
    name = type(value).__name__
    content = value.held_bytes
    if content is None:
        source = value.carried_source
        if source is None:
            return MediaCell(name, meta, None, None)
        ref = None if sink is None else sink.adopt(source)
        if ref is not None:
            return MediaCell(name, meta, None, ref)
        if sink is not None and (source.size or 0) > max(STREAMED_BYTES, sink.limit):
            return MediaCell(name, meta, None, sink.put_source(source))
        content = value.stored_bytes()
    if sink is not None and len(content) > sink.limit:
        return MediaCell(name, meta, None, sink.put(content))
    return MediaCell(name, meta, content, None)


def _pack_state(value: Any) -> bytes:
    try:
        return cast("bytes", msgpack.packb(value.stored_state(), unicode_errors="surrogatepass"))
    except (TypeError, ValueError, OverflowError) as error:
        raise UnsupportedValueError(f"{value!r} cannot be stored: {error}") from error


@lru_cache(maxsize=_META_CACHE)
def _pack_plain_state(state_key: StateKey) -> bytes:
    """Do the same for all values that differ in nothing but their content."""
    return _pack_state(BaseArtifact.from_state_key(state_key))


@cache
def media_maker(name: str) -> Callable[[bytes, bytes | Source | None], Any]:
    """Find how values of a data type are made from state and content.

    Raises:
        UnsupportedValueError: A newer program knows the type, and this one does not.
    """
    made = MEDIA.get(name)
    if made is None:
        raise UnsupportedValueError(f"this program has no data type {name!r}", hint="a newer one wrote it: upgrade")

    def make(meta: bytes, content: bytes | Source | None) -> Any:
        return made.from_state(_unpack_state(meta), cast("Source | None", content))

    return make


def make_media(name: str, metas: Sequence[bytes | None], contents: Sequence[bytes | Source | None]) -> Sequence[Any]:
    """Make the values of a column of media; None where a cell has no state.

    Those of most columns differ in their content alone; of such a column each value is made whenever it is looked at.
    """
    make = media_maker(name)
    if metas and (meta := metas[0]) is not None and metas.count(meta) == len(metas):
        state = _unpack_state(meta)
        return MadeInTurn(
            lambda some: MEDIA[name].all_from_state(state, cast("Sequence[Source | None]", some)), contents
        )
    return [None if meta is None else make(meta, content) for meta, content in zip(metas, contents, strict=True)]


class MadeInTurn(Sequence[Any]):  # Any: media values
    """A column of which each value is made when it is looked at, and forgotten with the row.

    Thousands of values that wait in memory for their turn cost more than making them: the garbage collector goes through all that there is
    each time their number has grown by a quarter, the objects of the libraries of the user included.
    """

    __slots__ = ("_contents", "_make")
    is_full = True
    """No value is absent."""

    def __init__(
        self,
        make: Callable[[Sequence[bytes | Source | None]], Sequence[Any]],
        contents: Sequence[bytes | Source | None],
    ) -> None:
        self._make = make
        self._contents = contents

    def __len__(self) -> int:
        return len(self._contents)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> MadeInTurn: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return MadeInTurn(self._make, self._contents[index])
        return self._make([self._contents[index]])[0]

    def __iter__(self) -> Iterator[Any]:
        for at in range(0, len(self._contents), _AT_ONCE):
            yield from self._make(self._contents[at : at + _AT_ONCE])


def _unpack_state(meta: bytes) -> Any:
    return msgpack.unpackb(meta, strict_map_key=False, unicode_errors="surrogatepass")


def _copy_plain(value: Any) -> Any:
    """Copy lists and dicts of plain values; None where something else is inside."""
    if type(value) is list:
        made: list[Any] = []
        for item in value:
            copy = _copy_leaf(item)
            if copy is None and item is not None:
                return None
            made.append(copy)
        return made
    copied: dict[str, Any] = {}
    for name, item in value.items():
        copy = _copy_leaf(item)
        if type(name) is not str or (copy is None and item is not None) or _encode_text(name) is None:
            return None
        copied[name] = copy
    return copied


def _copy_leaf(item: Any) -> Any:
    kind: type = type(item)
    if kind in _PLAIN or kind is bytes or (kind is int and _INT_MIN <= item <= _INT_MAX):
        return item
    if kind is str:
        return item if item.isascii() or _encode_text(item) is not None else None
    return _copy_plain(item) if kind is list or kind is dict else None


__all__ = [
    "LONG_BYTES",
    "AlikeCells",
    "LongBytes",
    "LongStr",
    "MadeInTurn",
    "MediaCell",
    "PackRef",
    "Packed",
    "Sink",
    "SourceOf",
    "freeze",
    "is_media_type",
    "make_media",
    "media_cell",
    "media_maker",
    "name_cell",
    "pack_value",
    "thaw",
    "weigh",
]
