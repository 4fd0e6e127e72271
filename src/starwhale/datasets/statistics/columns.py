"""One column whatever it holds: its missing cells, and the part that gathers the others; structs and mixed columns are made of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa

from starwhale.datasets.statistics.counting import count_pairs
from starwhale.datasets.statistics.facts import ColumnStatistics
from starwhale.datasets.statistics.media import Media
from starwhale.datasets.statistics.parts import (
    Bools,
    Bytes,
    Facts,
    Floats,
    Integers,
    Lists,
    Nothing,
    Part,
    Texts,
    content_sizes,
)
from starwhale.storage.columns import arrays
from starwhale.storage.columns.arrow_columns import stored_type
from starwhale.storage.columns.cells import SourceOf
from starwhale.storage.columns.encode import decode_column, encode_column

_GATHERED = ("bool", "int", "float", "str", "bytes", "list")
"""Types of which more is told than how many there are."""
_DECODED_BYTES = 4 << 20
"""Bytes of mixed values that are Python values at one time, about; as such they take many times as much."""


class ColumnGatherer:
    """Gathers one column, or one field of a struct.

    Args:
        name: Its name.
        kind: Its kind in the whole version; batches of it may have others.
        source_of: Opens long values.
    """

    def __init__(self, name: str, kind: str, source_of: SourceOf) -> None:
        self.name = name
        """Its name."""
        self.kind = kind
        """Its kind."""
        self._part = make_part(kind, source_of)
        self._rows = 0
        self._count = 0

    def add(self, array: Any, kind: str) -> None:
        """Take in a batch of the first pass; `null` is a kind as well."""
        self._rows += len(array)
        present = _present(array, kind)
        if present is not None:
            self._count += len(present)
            self._part.add(present, kind)

    def needs_bins(self) -> bool:
        """Whether a second pass is needed."""
        return self._count > 0 and self._part.needs_bins()

    def add_to_bins(self, array: Any, kind: str) -> None:
        """Take in a batch of the second pass."""
        present = _present(array, kind)
        if present is not None:
            self._part.add_to_bins(present, kind)

    def statistics(self) -> ColumnStatistics:
        """Return what was gathered."""
        known = self._part.facts()
        return ColumnStatistics(
            name=self.name, kind=self.kind, count=self._count, missing=self._rows - self._count, **known
        )


def make_part(kind: str, source_of: SourceOf) -> Part:
    """Return what gathers values of a kind."""
    if kind.startswith("media:"):
        return Media()
    if _type_name(kind) == "list":
        return Lists()
    made: dict[str, Callable[[], Part]] = {
        "bool": Bools,
        "int": Integers,
        "float": Floats,
        "str": lambda: Texts(source_of),
        "bytes": Bytes,
        "null": Nothing,
    }
    if kind in made:
        return made[kind]()
    return Structs(source_of) if kind.startswith("struct<") else Mixed(source_of)


class Structs:
    """Structs, field by field."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of
        self._rows = 0
        self._fields: dict[str, ColumnGatherer] = {}
        self._again: set[str] = set()

    def add(self, values: Any, kind: str) -> None:
        for name, array, field_kind in _fields_of(values):
            known = self._fields.get(name)
            if known is None or known.kind == "null":  # the first rows may have nothing in a field
                known = self._fields[name] = ColumnGatherer(name, field_kind, self._source_of)
                known.add(pa.nulls(self._rows), "null")
            known.add(array, field_kind if field_kind != "null" else "null")
        self._rows += len(values)

    def needs_bins(self) -> bool:
        self._again = {name for name, each in self._fields.items() if each.needs_bins()}
        return bool(self._again)

    def add_to_bins(self, values: Any, kind: str) -> None:
        for name, array, field_kind in _fields_of(values):
            if name in self._again:
                self._fields[name].add_to_bins(array, field_kind)

    def facts(self) -> Facts:
        """Tell every field."""
        return {"fields": tuple(each.statistics() for each in self._fields.values())}


class Mixed:
    """Values of several kinds: counted by their types, and each of the usual types gathered by itself."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of
        self._types: Counter[str] = Counter()
        self._columns: dict[str, ColumnGatherer] = {}
        self._again: set[str] = set()

    def add(self, values: Any, kind: str) -> None:
        for name, array, made in self._by_type(values, kind):
            self._types[name] += len(array)
            if name in _GATHERED:
                if name not in self._columns:
                    self._columns[name] = ColumnGatherer(name, name, self._source_of)
                self._columns[name].add(array, made)

    def needs_bins(self) -> bool:
        self._again = {name for name, each in self._columns.items() if each.needs_bins()}
        return bool(self._again)

    def add_to_bins(self, values: Any, kind: str) -> None:
        for name, array, made in self._by_type(values, kind):
            if name in self._again:
                self._columns[name].add_to_bins(array, made)

    def facts(self) -> Facts:
        """Tell the types, and what was gathered of each."""
        fields = tuple(self._columns[name].statistics() for name in _GATHERED if name in self._columns)
        return {"kinds": count_pairs(self._types, len(self._types)), "fields": fields}

    def _by_type(self, values: Any, kind: str) -> Iterator[tuple[str, Any, str]]:
        """Return type, values and kind of what belongs together; values that are only counted may be of any kind."""
        if kind != "variant":
            yield _type_name(kind), values, kind
            return
        for piece in _pieces(values):
            found: dict[str, list[Any]] = {}
            for cell in decode_column(piece, "variant", self._source_of):
                found.setdefault(_name_type(cell), []).append(cell)
            for name, cells in found.items():
                yield name, *_encoded(name, cells)


def _present(array: Any, kind: str) -> Any:
    if kind == "null" or array.null_count == len(array):
        return None
    return array.drop_null() if array.null_count else array


def _fields_of(values: Any) -> list[tuple[str, Any, str]]:
    """Return name, cells and kind of each field of a struct array."""
    found: list[tuple[str, Any, str]] = []
    for field, array in zip(values.type, values.flatten(), strict=True):
        known = stored_type(field.type)
        assert known is not None  # noqa: S101 - it was stored
        found.append((field.name, array, known[1]))
    return found


def _pieces(values: Any) -> Iterator[Any]:
    """Cut mixed values where those that lie in packs become too much."""
    if not pa.types.is_struct(values.type):
        yield values
        return
    data, refs = values.flatten()
    start, held = 0, 0
    for place, size in enumerate(content_sizes(data, refs).to_pylist()):
        if held and held + size > _DECODED_BYTES:
            yield values.slice(start, place - start)
            start, held = place, 0
        held += size
    yield values.slice(start)


def _encoded(name: str, cells: list[Any]) -> tuple[Any, str]:
    """Make an Arrow array of values of one type; of lists their lengths alone, and of what is only counted the number."""
    if name == "list":
        ends = arrays.offsets([0, *accumulate(map(len, cells))])
        return pa.ListArray.from_arrays(ends, pa.nulls(ends[-1].as_py())), "list<null>"
    return encode_column(cells) if name in _GATHERED else (pa.nulls(len(cells)), "null")


def _name_type(cell: Any) -> str:
    if type(cell) is int and not -(2**63) <= cell < 2**63:
        return "int over 64 bits"
    if type(cell) is str and not cell.isascii():
        try:
            cell.encode()
        except UnicodeEncodeError:
            return "str with lone surrogates"
    return type(cell).__name__


def _type_name(kind: str) -> str:
    """Name the Python type of a kind, as cells of mixed batches are named."""
    if kind.startswith("media:"):
        return kind.removeprefix("media:")
    return "list" if kind.startswith("list<") else "dict" if kind.startswith("struct<") else kind


__all__ = ["ColumnGatherer", "make_part"]
