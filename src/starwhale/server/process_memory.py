"""Keep the server's process small: memory that threads leave behind goes back, and nothing is loaded that no page needs."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

ARENA_MAX = -8
"""What glibc's `mallopt` calls the number of places that threads take memory from (malloc.h)."""


def keep_small() -> None:
    """Have threads share two arenas, and Arrow not load pandas; to be called before anything else runs.

    Every request runs in a thread of a pool. glibc gives each an arena of its own and keeps what was freed there: 27 MB after a look at
    1,000,000 rows. `pyarrow.array` imports pandas, where that is installed, to ask whether it was given something of pandas: 45 MB and 0.25 CPU
    seconds. No page shows anything of pandas; code of users runs in other processes.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(ARENA_MAX, 2)
    if "pandas" in sys.modules:
        return
    refusal = _NoPandas()
    sys.meta_path.insert(0, refusal)
    try:
        import pyarrow as pa

        pa.array([0])  # Arrow asks once
    finally:
        sys.meta_path.remove(refusal)


class _NoPandas(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raise ImportError for pandas; of all others nothing is known."""
        _ = path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("no page needs pandas", name=fullname)
