"""Read everything that a version consists of, and say what is damaged and which rows and values are lost with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from starwhale.errors import CorruptedError
from starwhale.media.artifact import BaseArtifact
from starwhale.storage.columns import encode as codec
from starwhale.storage.columns.cells import PackRef
from starwhale.storage.dataset_rows.column_cache import ColumnCache
from starwhale.storage.dataset_rows.fragments import FragmentReader
from starwhale.storage.dataset_rows.manifest import load_manifest
from starwhale.storage.dataset_rows.packs import Packs, PackSource
from starwhale.storage.dataset_rows.version_files import check_fragment, damages_of_pack
from starwhale.storage.protocols import Damage, Key

if TYPE_CHECKING:
    from starwhale.storage.dataset_rows.dataset_reader import DatasetFolder, LocalDatasetReader

ValuePlace = tuple[str, int]
"""Pack and offset of a value."""
MAX_SOUGHT = 1000
"""Damaged values whose rows are looked for; of more only the number is said."""


def damages_of(folder: DatasetFolder, reader: LocalDatasetReader, on_bytes: Callable[[int], None]) -> list[Damage]:
    """Read every byte of a version.

    Args:
        folder: Its dataset.
        reader: The version.
        on_bytes: Told after each file how many bytes it has.
    """
    manifest, found = reader.manifest, list[Damage]()
    if reader.digest:
        try:
            load_manifest(folder.places, reader.digest)
        except CorruptedError as error:
            found.append(_damage(error, "the whole version"))
    for part in manifest.fragments():
        try:
            check_fragment(folder, part)
        except CorruptedError as error:
            found.append(_damage(error, f"{part.rows} rows with keys from {part.low!r} to {part.high!r}"))
        on_bytes(part.size)
    values: list[tuple[CorruptedError, PackRef]] = []
    for pack in manifest.packs:
        for damage in damages_of_pack(folder, pack):
            if damage.ref is None:
                found.append(
                    _damage(damage.error, "nothing: equal values are no longer recognised, and reading costs more")
                )
            else:
                values.append((damage.error, damage.ref))
        on_bytes(pack.size)
    sought = {(ref["pack"], ref["offset"]) for _, ref in values[:MAX_SOUGHT]}
    cells = _cells_at(folder, reader, sought) if sought else {}
    for error, ref in values:
        lost = tuple(cells.get((ref["pack"], ref["offset"]), ()))
        found.append(_damage(error, f"one value of {ref['size']} bytes", lost))
    return found


def _damage(error: CorruptedError, lost: str, cells: Sequence[tuple[Key, str]] = ()) -> Damage:
    return Damage(path=error.path, reason=error.message, lost=lost, cells=tuple(cells))


def _cells_at(
    folder: DatasetFolder, reader: LocalDatasetReader, sought: set[ValuePlace]
) -> Mapping[ValuePlace, list[tuple[Key, str]]]:
    """Find the cells whose values lie at some places, be it inside of a list or dict."""
    found: defaultdict[ValuePlace, list[tuple[Key, str]]] = defaultdict(list)
    for part in reader.manifest.fragments():
        fragment = FragmentReader(folder.places, part, ColumnCache(1))
        try:
            for place, row, name in _places_in(fragment, folder.packs, sought):
                key = fragment.keys(row, row + 1)[0]
                if _is_lost(reader, key, name) and (key, name) not in found[place]:
                    found[place].append((key, name))
        except CorruptedError:  # said already
            continue
    return found


def _places_in(
    fragment: FragmentReader, packs: Packs, sought: set[ValuePlace]
) -> Iterator[tuple[ValuePlace, int, str]]:
    for name, kind in fragment.fragment.columns.items():
        row = 0
        stored = codec.escape_name(name)
        if kind == "variant":
            for piece in fragment.pieces(0, fragment.fragment.rows, stored):
                for position in range(len(piece)):
                    for place in sought & _inner_places(piece[position : position + 1], packs):
                        yield place, row + position, name
                row += len(piece)
            continue
        if not fragment.file.is_grouped(stored):
            continue
        for piece in fragment.grouped_pieces(0, fragment.fragment.rows, stored):
            for position, place in enumerate(_refs_of(piece)):
                if place in sought:
                    yield place, row + position, name
            row += len(piece)


def _inner_places(cell: Any, packs: Packs) -> set[ValuePlace]:
    """Say where a variant lies if it is long, and the large media inside of it."""
    found: set[ValuePlace] = set()

    def note(ref: Mapping[str, Any]) -> PackSource:
        found.add((ref["pack"], ref["offset"]))
        return packs.source(ref)

    with suppress(CorruptedError):  # a long one that is damaged: its place is noted, what is in it cannot be known
        codec.decode_column(cell, "variant", note)
    return found


def _refs_of(array: Any) -> list[ValuePlace | None]:
    """Say where the cells of a stored column lie; None for those in the column itself."""
    if not pa.types.is_struct(array.type) or array.type.get_field_index("ref") < 0:
        return []
    refs = array.field("ref")
    if refs.null_count == len(refs) or not pa.types.is_struct(refs.type):
        return []
    return [None if ref is None else (ref["pack"], ref["offset"]) for ref in refs.to_pylist()]


def _is_lost(reader: LocalDatasetReader, key: Key, name: str) -> bool:
    """Whether the version still shows that cell: a later change may have replaced it."""
    rank = reader.rank(key)
    if rank is None:
        return False
    try:
        (value,) = reader.read(rank, rank + 1, [name]).columns.get(name, [None])
        _read_media(value)
    except CorruptedError:
        return True
    return False


def _read_media(value: object) -> None:
    """Read the content of media, also of those in lists and dicts."""
    if isinstance(value, BaseArtifact):
        value.stored_bytes()
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            _read_media(each)
    elif isinstance(value, dict):
        for each in cast("dict[object, object]", value).values():
            _read_media(each)


__all__ = ["damages_of"]
