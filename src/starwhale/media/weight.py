"""How many bytes of memory a value takes, about: for what has to stay bounded while nobody knows what user code returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starwhale.media.artifact import BaseArtifact

LIGHT = frozenset({type(None), bool, int, float})
"""Types whose values weigh next to nothing."""
PART_BYTES = 32 << 20
"""What may wait in memory for a commit, about: a part that grows beyond it is committed early."""


def weigh(value: Any) -> int:  # Any: any value of a user's
    """Estimate the bytes of a value, the content of media included; of a list, only the ends are looked at."""
    kind = type(value)
    if kind in LIGHT:
        return 16
    if kind is str or kind is bytes:
        return 32 + len(value)
    if isinstance(value, Mapping):
        return 64 + sum(map(weigh, value.values()))
    if isinstance(value, list | tuple):
        return 64 + (len(value) * (weigh(value[0]) + weigh(value[-1])) // 2 if value else 0)
    if isinstance(value, BaseArtifact):
        source = value.source
        return 256 + ((source.size or 0) if source is not None else 0)
    size = getattr(value, "nbytes", None)  # arrays of NumPy, PyTorch and others
    return 256 + size if isinstance(size, int) else 256
