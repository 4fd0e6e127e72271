"""What is gathered of plain kinds: each part takes in stored batches without missing cells."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from blake3 import blake3

from starwhale.datasets.statistics.counting import CLASSES, ValueCounts, balance_of, count_pairs
from starwhale.datasets.statistics.facts import Distinct
from starwhale.datasets.statistics.numbers import NumberSums
from starwhale.storage.columns import arrays
from starwhale.storage.columns.cells import LONG_BYTES, SourceOf

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time

TEXT_SHOWN = 200
"""Characters of a long text that are kept to tell it by."""
_SEEN = 4096
Facts = dict[str, Any]
"""Attributes of `ColumnStatistics` that a part knows."""


class Part(Protocol):
    """Gathers values of one kind."""

    def add(self, values: Any, kind: str) -> None:
        """Take in an Arrow array without missing cells, as it is stored, with its kind."""
        ...

    def needs_bins(self) -> bool:
        """Whether the values have to be seen once more; asked once, after the first pass."""
        ...

    def add_to_bins(self, values: Any, kind: str) -> None:
        """Take in an array of the second pass."""
        ...

    def facts(self) -> Facts:
        """Return what was gathered."""
        ...


class OnePass:
    """A part that never has to see values again."""

    def needs_bins(self) -> bool:
        """No."""
        return False

    def add_to_bins(self, values: Any, kind: str) -> None:
        """Leave them."""


class Nothing(OnePass):
    """A column without a value."""

    def add(self, values: Any, kind: str) -> None:
        """Never called: there is nothing to add."""

    def facts(self) -> Facts:
        """Know that there is none."""
        return {"distinct": Distinct(count=0)}


class Bools(OnePass):
    """True and False."""

    def __init__(self) -> None:
        self._counts: Counter[bool] = Counter()

    def add(self, values: Any, kind: str) -> None:
        """Count them."""
        found = compute.sum(values).as_py()
        self._counts.update({True: found, False: len(values) - found})

    def facts(self) -> Facts:
        """Tell the shares of both."""
        classes = count_pairs(+self._counts)
        return {"distinct": Distinct(count=len(classes)), "balance": balance_of(classes)}


class Integers:
    """Integers of 64 bits."""

    def __init__(self) -> None:
        self._sums = NumberSums()

    def add(self, values: Any, kind: str) -> None:
        self._sums.add(values)

    def needs_bins(self) -> bool:
        return self._sums.needs_bins()

    def add_to_bins(self, values: Any, kind: str) -> None:
        self._sums.add_to_bins(values)

    def facts(self) -> Facts:
        """Tell range, frequent values, and the balance where they are few."""
        return {"numbers": self._sums.numbers(), **count_facts(self._sums.counts), **class_facts(self._sums.counts)}


class Floats:
    """Floats; what is not finite is counted apart."""

    def __init__(self) -> None:
        self._sums = NumberSums()
        self._special: Counter[str] = Counter()

    def add(self, values: Any, kind: str) -> None:
        finite = _finite(values)
        if len(finite) < len(values):
            positive = compute.sum(compute.equal(values, float("inf"))).as_py() or 0
            negative = compute.sum(compute.equal(values, float("-inf"))).as_py() or 0
            nan = len(values) - len(finite) - positive - negative
            self._special.update(positive_infinity=positive, negative_infinity=negative, nan=nan)
        self._sums.add(finite)

    def needs_bins(self) -> bool:
        return self._sums.needs_bins()

    def add_to_bins(self, values: Any, kind: str) -> None:
        self._sums.add_to_bins(_finite(values))

    def facts(self) -> Facts:
        """Tell the range; NaN and both infinities are one value each among the different ones."""
        found = count_facts(self._sums.counts, others=len(+self._special))
        return {"numbers": self._sums.numbers(), **self._special, **found}


class Sized:
    """What values have that are counted and have a size."""

    unit = ""
    """What a size is."""

    def __init__(self) -> None:
        self.counts = ValueCounts()
        """How often each value occurs."""
        self.sizes = NumberSums()
        """Their sizes."""

    def measure(self, values: Any) -> Any:
        """Return the sizes of stored values, as int64."""
        raise NotImplementedError

    def needs_bins(self) -> bool:
        """Whether there are very many different sizes."""
        return self.sizes.needs_bins()

    def add_to_bins(self, values: Any, kind: str) -> None:
        """Measure them again."""
        self.sizes.add_to_bins(self.measure(values))

    def size_facts(self) -> Facts:
        """Tell the sizes."""
        return {"sizes": self.sizes.numbers(), "size_unit": self.unit, "total_size": self.sizes.total}


class _LongText(NamedTuple):
    """What is kept of a long text."""

    name: str
    """Its beginning and its digest, which only equal texts share."""
    size: int
    """Characters."""


class Texts(Sized):
    """Text, by characters; long text is read for them, one value at a time."""

    unit = "characters"

    def __init__(self, source_of: SourceOf) -> None:
        super().__init__()
        self._source_of = source_of
        self._seen: dict[bytes, _LongText] = {}

    def add(self, values: Any, kind: str) -> None:
        """Count and measure them."""
        short, long = self._split(values)
        self.counts.add(short)
        self.sizes.add(_characters(short))
        if long:
            self.counts.add(arrays.texts([each.name for each in long]))
            self.sizes.add(arrays.ints([each.size for each in long]))

    def measure(self, values: Any) -> Any:
        short, long = self._split(values)
        return pa.concat_arrays([_characters(short), arrays.ints([each.size for each in long])])

    def facts(self) -> Facts:
        """Tell lengths, frequent values, and the balance where they are few."""
        return {**self.size_facts(), **count_facts(self.counts), **class_facts(self.counts)}

    def _split(self, values: Any) -> tuple[Any, list[_LongText]]:
        """Return what is short enough to be counted as it is, and what is known of the rest."""
        if pa.types.is_string(values.type):
            data, long = values.view(pa.binary()), list[_LongText]()
        else:
            data, refs = values.flatten()
            long = [self._look_at(ref) for ref in refs.drop_null().to_pylist()]
            data = data.drop_null()
        is_long = compute.greater(compute.binary_length(data), LONG_BYTES)
        if compute.any(is_long).as_py():  # rows that were encoded again have long text inline
            long += [_long_text(each) for each in data.filter(is_long).to_pylist()]
            data = data.filter(compute.invert(is_long))
        return data.view(pa.string()), long

    def _look_at(self, ref: Any) -> _LongText:
        """Read a long text; the same one again is known by its digest."""
        found = self._seen.get(ref["digest"])
        if found is None:
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            found = self._seen[ref["digest"]] = _long_text(self._source_of(ref).read())
        return found


class Bytes(Sized):
    """Bytes; equal ones are found by their digests, which long ones have already."""

    unit = "bytes"

    def add(self, values: Any, kind: str) -> None:
        """Count and measure them."""
        data, refs = (values, None) if pa.types.is_binary(values.type) else values.flatten()
        self.counts.add(content_digests(data, refs))
        self.sizes.add(self.measure(values))

    def measure(self, values: Any) -> Any:
        if pa.types.is_binary(values.type):
            return compute.binary_length(values).cast(pa.int64())
        data, refs = values.flatten()
        return content_sizes(data, refs)

    def facts(self) -> Facts:
        """Tell sizes and how many are different."""
        return {**self.size_facts(), "distinct": self.counts.distinct()}


class Lists:
    """Lists, by their lengths."""

    def __init__(self) -> None:
        self._sizes = NumberSums()

    def add(self, values: Any, kind: str) -> None:
        self._sizes.add(compute.list_value_length(values).cast(pa.int64()))

    def needs_bins(self) -> bool:
        return self._sizes.needs_bins()

    def add_to_bins(self, values: Any, kind: str) -> None:
        self._sizes.add_to_bins(compute.list_value_length(values).cast(pa.int64()))

    def facts(self) -> Facts:
        """Tell the lengths."""
        return {"sizes": self._sizes.numbers(), "size_unit": "items", "total_size": self._sizes.total}


def count_facts(counts: ValueCounts, *, others: int = 0) -> Facts:
    """Tell how many different values there are, `others` among them, and which are frequent."""
    distinct = counts.distinct()
    if others:
        distinct = type(distinct)(count=distinct.count + others, error=distinct.error)
    top = counts.top()
    shown = type(top)(
        values=tuple(type(each)(value=_shown(each.value), count=each.count, share=each.share) for each in top.values),
        error=top.error,
    )
    return {"distinct": distinct, "top": shown if shown.values or shown.error else None}


def class_facts(counts: ValueCounts) -> Facts:
    """Tell the balance of few values that occur twice on average."""
    distinct = counts.distinct()
    if distinct.error or not 0 < distinct.count <= CLASSES or counts.total < 2 * distinct.count:
        return {}
    classes = tuple(
        type(each)(value=_shown(each.value), count=each.count, share=each.share) for each in counts.top(CLASSES).values
    )
    return {"balance": balance_of(classes)}


def content_sizes(data: Any, refs: Any) -> Any:
    """Return the bytes of each value that lies inline or is referred to."""
    inline = compute.binary_length(data).cast(pa.int64())
    return compute.coalesce(refs.field("size") if refs.null_count == 0 else _child(refs, "size"), inline)


def content_digests(data: Any, refs: Any, otherwise: Any = None) -> Any:
    """Return what equal contents are known by: a digest, or the content itself where it is shorter.

    Args:
        data: Inline content, missing where it lies elsewhere.
        refs: References to packs, which carry digests; None where there are none.
        otherwise: Stands for cells that have no content at all.
    """
    made: list[bytes | None] = [
        None if each is None else each if len(each) < 32 else blake3(each).digest() for each in data.to_pylist()
    ]
    if refs is not None and refs.null_count < len(refs):
        for place, digest in enumerate(_child(refs, "digest").to_pylist()):
            made[place] = digest or made[place]
    if otherwise is not None:
        for place, each in enumerate(otherwise.to_pylist()):
            if made[place] is None:
                made[place] = b"\0" + each
    return arrays.binaries(made)


def _child(values: Any, name: str) -> Any:
    """Return a field of a struct array, missing where the struct is."""
    return values.flatten()[values.type.get_field_index(name)]


def _finite(values: Any) -> Any:
    """Return the finite floats, with one zero."""
    is_finite = compute.is_finite(values)
    found = values if compute.all(is_finite).as_py() else values.filter(is_finite)
    return compute.add(found, 0.0)  # -0.0 becomes 0.0, which it is equal to


def _characters(values: Any) -> Any:
    return compute.utf8_length(values).cast(pa.int64())


def _long_text(content: bytes) -> _LongText:
    text = content.decode()
    return _LongText(f"{text[:TEXT_SHOWN]}…\0{blake3(content).hexdigest()}", len(text))


def _shown(value: Any) -> Any:
    """Cut a text to what is kept of it."""
    if not isinstance(value, str):
        return value
    text, mark, digest = value.rpartition("\0")
    if mark and len(digest) == 64 and text.endswith("…"):
        return text
    return value if len(value) <= TEXT_SHOWN else f"{value[:TEXT_SHOWN]}…"


__all__ = [
    "Bools",
    "Bytes",
    "Facts",
    "Floats",
    "Integers",
    "Lists",
    "Nothing",
    "Part",
    "Sized",
    "Texts",
    "content_digests",
    "content_sizes",
]
