"""How much of a dataset is written, folded and held open at a time. Whatever the limits, what is read is the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where writers and readers of datasets stop to gather; measured for rows of a few hundred bytes, and for pictures."""

    block_rows: int = 8192
    """Rows that wait as Python values before they are encoded."""
    overlay_rows: int = 100_000
    """Changed rows that wait in memory."""
    fragment_rows: int = 131_072
    """Rows of a fragment, at most."""
    group_rows: int = 4096
    """Rows of a row group, at most."""
    beside_wide_rows: int = 16_384
    """The same in a fragment with wide columns, which holds fewer rows."""
    many_bytes: int = 64 << 10
    """Fewer bytes of a column are not worth an index: its row groups are large enough."""
    wide_bytes: int = 256
    """Values that have more bytes than this on average are wide; they are media mostly, which are compressed already."""
    batch_rows: int = 4096
    """Rows that are folded at once."""
    max_layers: int = 8
    """More layers of about the same size are folded into one."""
    free_layer_rows: int = 10_000
    """Layers with fewer rows are never folded into the run."""
    max_small: int = 8
    """More small fragments of about the same size at the end of the run are joined."""
    pack_bytes: int = 64 << 20
    """A pack is closed when it has reached this size."""
    max_mapped: int = 64
    """Packs of one dataset that are open at the same time: each may hold a file descriptor."""
    max_open: int = 16
    """Fragments of one dataset that are open at the same time: each may hold a file descriptor."""


LIMITS = Limits()
"""Those of every store that is given no others."""

__all__ = ["LIMITS", "Limits"]
