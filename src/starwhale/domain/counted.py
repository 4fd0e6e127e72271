"""How many of something there are, in words."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """Write a number with what it counts, in the plural where it is not 1.

    Example:
        >>> counted(1, "row"), counted(1200, "row"), counted(0, "class")
        ('1 row', '1,200 rows', '0 classes')
    """
    if count == 1:
        return f"1 {what}"
    return f"{count:,} {what}{'es' if what.endswith(('s', 'sh', 'ch', 'x')) else 's'}"
