"""The index of a pack: where each value lies, its BLAKE3, and since format 4 a sum that is quick to verify.

The index lies beside the closed pack, and the manifest names it with a BLAKE3 of its own, so that the sums in it are covered too. A BLAKE3
says which value it is, whoever holds it, and costs several times what reading a value costs; the sum (XXH3, 64 bits) says only that a disk
gave back what was written, and costs nearly nothing. Decision record 0039.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from starwhale.storage.columns.cells import PackRef
from starwhale.storage.dataset_rows.manifest import Pack

_SUMMED = struct.Struct("<32sQQQ")
_UNSUMMED = struct.Struct("<32sQQ")
_WORDS = _SUMMED.size // 8
_OFFSET_WORD, _SUM_WORD = 4, 6


def refs_of(pack: Pack, content: bytes) -> Iterator[PackRef]:
    """Read where every value of a pack lies, as they follow in it.

    Args:
        pack: Which pack.
        content: Its index, verified.
    """
    entry = _SUMMED if pack.is_summed else _UNSUMMED
    for digest, offset, size, *_ in entry.iter_unpack(content):
        yield PackRef(pack=pack.name, offset=offset, size=size, digest=digest)


class PackSums:
    """The sums of the values of one pack: 16 bytes of memory for each."""

    def __init__(self, content: bytes) -> None:
        words = array("Q", content)
        self._offsets, self._sums = words[_OFFSET_WORD::_WORDS], words[_SUM_WORD::_WORDS]
        self._sum_of = quick_sum()

    def is_intact(self, offset: int, content: bytes | memoryview) -> bool:
        """Whether a value is what was written at its place; False also where no value begins there."""
        place = bisect_left(self._offsets, offset)
        if place == len(self._offsets) or self._offsets[place] != offset:
            return False
        return self._sum_of(content) == self._sums[place]


def quick_sum() -> Callable[[bytes | memoryview], int]:
    """Return what makes sums; imported late, so that workers in an environment without it read values by their BLAKE3."""
    from xxhash import xxh3_64_intdigest

    return xxh3_64_intdigest


def streamed_sum() -> Any:  # Any: a hasher of another package
    """Begin a sum of pieces."""
    from xxhash import xxh3_64

    return xxh3_64()


def index_entry(digest: bytes, offset: int, size: int, value_sum: int) -> bytes:
    """Make the entry of one value."""
    return _SUMMED.pack(digest, offset, size, value_sum)


def index_size(pack: Pack) -> int:
    """Bytes that the index of a pack has."""
    return pack.items * (_SUMMED if pack.is_summed else _UNSUMMED).size


__all__ = ["PackSums", "index_entry", "index_size", "quick_sum", "refs_of", "streamed_sum"]
