"""Which pieces to join when there are many of about the same size, so that each is written again a few times only, however many come."""

from __future__ import annotations

from collections.abc import Sequence


def first_to_join(sizes: Sequence[int], most: int) -> int:
    """Say from where on pieces, oldest first, are to be joined to one; their number when none are.

    Those of a size class, each `most` times as large as the one before, are joined when there are more than `most` of them at the end. So
    each row is written again about once per class: joining everything each time would write a store that grows with the square of the
    number of commits, and never joining would make reading slower and slower.
    """
    first, lower, largest, step = len(sizes), 0, max(sizes, default=0), max(2, most)
    while lower <= largest:
        upper = max(1, lower) * step
        begin = len(sizes)
        while begin > 0 and sizes[begin - 1] < upper:
            begin -= 1
        joined = first < len(sizes) and lower <= sum(sizes[first:]) < upper
        alike = sum(size >= lower for size in sizes[begin:first])
        if alike + joined > most:
            first = begin
        lower = upper
    return first


__all__ = ["first_to_join"]
