"""How often each value occurs, and how many there are: exact up to a bound, beyond it within a known error, in bounded memory.

Beyond `EXACT_VALUES` different values (or `EXACT_BYTES` of them) frequent values are kept by the merging form of Misra and Gries' counters:
merge, subtract the count after the last that is kept, drop what falls to zero. A count is then at most `error` too low, and `error` is at
most cells / COUNTERS. The number of different values is estimated from the smallest hashes: with the k smallest of evenly spread 64-bit
hashes, the largest of them at u of the range, it is (k - 1) / u, with a relative standard error of 1 / sqrt(k - 2).

Sources: Agarwal et al. 2012, "Mergeable summaries"; Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"; Beyer et al.
2007, "On synopses for distinct-value estimation under multiset operations". Mixing: Steele et al. 2014 (SplitMix64).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import pyarrow as pa
from blake3 import blake3

from starwhale.datasets.statistics.facts import Balance, Distinct, TopValues, ValueCount
from starwhale.storage.columns import arrays

compute: Any = import_module("pyarrow.compute")  # its functions are made at run time

EXACT_VALUES = 131_072
"""Different values up to which counting is exact."""
EXACT_BYTES = 32 << 20
"""Bytes of different values up to which counting is exact."""
COUNTERS = 4096
"""Values that are counted beyond."""
HASHES = 16_384
"""Smallest hashes that are kept to estimate the number of different values."""
TOP = 20
"""Frequent values that are told."""
CLASSES = 100
"""Different values up to which they are taken for classes."""
_PENDING = 65_536
_VECTOR_BYTES = 128
_WORD = pa.uint64()


class Sketch:
    """Estimates the number of different values from their smallest hashes."""

    def __init__(self, size: int = HASHES) -> None:
        self._size = size
        self._hashes: Any = pa.nulls(0, _WORD)

    def add(self, values: Any) -> None:
        """Take in an Arrow array of integers, floats, texts or bytes, without missing ones."""
        found = hash_values(values)
        if len(self._hashes) == self._size:
            found = found.filter(compute.less(found, self._hashes[-1]))
        self._hashes = compute.unique(pa.concat_arrays([self._hashes, found])).sort().slice(0, self._size)

    def distinct(self) -> Distinct:
        """Return the estimate; before the sketch is full it is the number of hashes."""
        if len(self._hashes) < self._size:
            return Distinct(count=len(self._hashes))
        highest = self._hashes[-1].as_py()
        estimate = (self._size - 1) * 2**64 / (highest + 1)
        return Distinct(count=round(estimate), error=1 / math.sqrt(self._size - 2))


class ValueCounts:
    """Counts values of one type.

    Args:
        exact_values: Different values up to which counting is exact.
        counters: Values that are counted beyond.
    """

    def __init__(self, *, exact_values: int = EXACT_VALUES, counters: int = COUNTERS) -> None:
        self._exact_values = exact_values
        self._counters = counters
        self._values: Any = None
        self._counts: Any = None
        self._pending: list[tuple[Any, Any]] = []
        self._pending_values = 0
        self._pending_bytes = 0
        self._sketch: Sketch | None = None
        self._error = 0
        self.total = 0
        """Values that were counted."""

    def add(self, values: Any) -> None:
        """Count the values of an Arrow array without missing ones."""
        counted = compute.value_counts(values)
        self.add_counts(counted.field(0), counted.field(1))

    def add_counts(self, values: Any, counts: Any) -> None:
        """Count different values that occur so often each (int64)."""
        if not len(values):
            return
        self.total += compute.sum(counts).as_py()
        if self._sketch is not None:
            self._sketch.add(values)
            self._add_beyond(values, counts)
            return
        self._pending.append((values, counts))
        self._pending_values += len(values)
        self._pending_bytes += values.nbytes
        # Merging costs what is held: waiting until as much is new makes the whole linear.
        enough = max(_PENDING, 0 if self._values is None else len(self._values))
        if self._pending_values >= enough or self._pending_bytes > EXACT_BYTES:
            self._merge()

    def exact(self) -> tuple[Any, Any] | None:
        """Return all values and their counts as Arrow arrays; None beyond the bound, or without a value."""
        self._merge()
        return None if self._sketch is not None or self._values is None else (self._values, self._counts)

    @property
    def is_exact(self) -> bool:
        """Whether every value is counted."""
        self._merge()
        return self._sketch is None

    def distinct(self) -> Distinct:
        """Return how many different values there are."""
        self._merge()
        if self._sketch is not None:
            return self._sketch.distinct()
        return Distinct(count=0 if self._values is None else len(self._values))

    def top(self, limit: int = TOP) -> TopValues:
        """Return the most frequent values; beyond the bound only those that stand out of the error."""
        self._merge()
        if self._values is None:
            return TopValues(values=())
        order = _by_count(self._values, self._counts, limit)
        pairs = zip(self._values.take(order).to_pylist(), self._counts.take(order).to_pylist(), strict=True)
        found = [
            ValueCount(value=value, count=count, share=count / self.total)
            for value, count in pairs
            if count > self._error
        ]
        return TopValues(values=tuple(found), error=self._error)

    def _merge(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        self._pending_values = self._pending_bytes = 0
        self._join(pending)
        if len(self._values) > self._exact_values or self._values.nbytes > EXACT_BYTES:
            self._sketch = Sketch()
            self._sketch.add(self._values)
            self._cut()

    def _join(self, new: list[tuple[Any, Any]]) -> None:
        """Add counts to those that are held."""
        held = [] if self._values is None else [(self._values, self._counts)]
        values, counts = zip(*held, *new, strict=True)
        table = pa.table([pa.chunked_array(values), pa.chunked_array(counts)], names=["value", "count"])
        grouped = table.group_by("value", use_threads=False).aggregate([("count", "sum")]).combine_chunks()
        self._values = _joined(grouped.column("value"))
        self._counts = _joined(grouped.column("count_sum"))

    def _add_beyond(self, values: Any, counts: Any) -> None:
        """Do the same beyond the bound; values that are new and occur once are not grouped, most of them would go at once."""
        is_met = compute.or_(compute.greater(counts, 1), compute.is_in(values, value_set=self._values))
        self._join([(values.filter(is_met), counts.filter(is_met))])
        once = values.filter(compute.invert(is_met))
        if len(self._values) + len(once) <= self._counters:
            self._values = pa.concat_arrays([self._values, once])
            self._counts = pa.concat_arrays([self._counts, arrays.ints([1] * len(once))])
        elif len(self._values) > self._counters:
            self._cut()
        else:
            self._subtract(1)

    def _cut(self) -> None:
        """Keep the counters that are highest, each less the highest that goes."""
        if len(self._values) > self._counters:
            order = compute.select_k_unstable(
                pa.table([self._counts], names=["count"]), k=self._counters + 1, sort_keys=[("count", "descending")]
            )
            self._subtract(self._counts[order[-1].as_py()].as_py())

    def _subtract(self, count: int) -> None:
        self._error += count
        stay = compute.greater(self._counts, count)
        self._values = self._values.filter(stay)
        self._counts = compute.subtract(self._counts.filter(stay), count)


def count_pairs(counts: dict[Any, int], limit: int = TOP) -> tuple[ValueCount, ...]:
    """Return the most frequent of counted values, with shares of all."""
    total = sum(counts.values())
    found = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:limit]
    return tuple(ValueCount(value=value, count=count, share=count / total) for value, count in found)


def balance_of(classes: tuple[ValueCount, ...]) -> Balance | None:
    """Return how even classes are; None without one."""
    if len(classes) == 0:
        return None
    entropy = -sum(each.share * math.log(each.share) for each in classes)
    evenness = entropy / math.log(len(classes)) if len(classes) > 1 else 1.0
    ratio = classes[0].count / classes[-1].count
    return Balance(classes=classes, evenness=min(1.0, max(0.0, evenness)), ratio=ratio)


def hash_values(values: Any) -> Any:
    """Hash an Arrow array without missing values to uint64, the same in every process and whatever else is in the array.

    Args:
        values: int64, double, string or binary.
    """
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return _mix(values.view(_WORD))
    values = values.view(pa.binary())
    sizes = compute.binary_length(values)
    if (compute.max(sizes).as_py() or 0) <= _VECTOR_BYTES:
        return _hash_short(values, sizes)
    is_short = compute.less_equal(sizes, _VECTOR_BYTES)
    short = values.filter(is_short)
    long = values.filter(compute.invert(is_short)).to_pylist()
    digests = pa.py_buffer(b"".join(blake3(each).digest(length=8) for each in long))
    return pa.concat_arrays(
        [
            _hash_short(short, sizes.filter(is_short)),
            pa.Array.from_buffers(_WORD, len(long), [None, digests]),
        ]
    )


def _hash_short(values: Any, sizes: Any) -> Any:
    """Hash binary values word by word; each word changes those that reach so far."""
    hashed = _mix(sizes.cast(_WORD))
    for start in range(0, compute.max(sizes).as_py() or 0, 8):
        part = compute.binary_slice(values, start, start + 8).view(pa.string())
        word = compute.ascii_rpad(part, 8, "\0").view(pa.binary()).cast(pa.binary(8)).view(_WORD)
        mixed = _mix(compute.bit_wise_xor(hashed, word))
        hashed = compute.if_else(compute.greater(sizes, start), mixed, hashed)
    return hashed


def _mix(words: Any) -> Any:
    words = compute.add(words, _constant(0x9E3779B97F4A7C15))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words = compute.bit_wise_xor(words, compute.shift_right(words, _constant(shift)))
        words = compute.multiply(words, _constant(factor))
    return compute.bit_wise_xor(words, compute.shift_right(words, _constant(31)))


def _constant(value: int) -> Any:
    return pa.scalar(value, _WORD)


def _by_count(values: Any, counts: Any, limit: int) -> Any:
    """Return the places of the highest counts; of equal ones the smallest values."""
    table = pa.table([counts, values], names=["count", "value"])
    if len(values) > 8 * limit:  # sorting all of them would cost more than finding which count the last one has
        highest = compute.select_k_unstable(table, k=limit, sort_keys=[("count", "descending")])
        least = counts[highest[-1].as_py()].as_py()
        places = compute.indices_nonzero(compute.greater_equal(counts, least))
        keys = [("count", "descending"), ("value", "ascending")]
        return places.take(compute.select_k_unstable(table.take(places), k=limit, sort_keys=keys))
    return compute.sort_indices(table, sort_keys=[("count", "descending"), ("value", "ascending")]).slice(0, limit)


def _joined(column: Any) -> Any:
    if not column.num_chunks:
        return pa.nulls(0, column.type)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def counted_array(values: list[str], counts: list[int]) -> tuple[Any, Any]:
    """Return texts and their counts as Arrow arrays."""
    return arrays.texts(values), arrays.ints(counts)


__all__ = ["CLASSES", "TOP", "Sketch", "ValueCounts", "balance_of", "count_pairs", "counted_array", "hash_values"]
