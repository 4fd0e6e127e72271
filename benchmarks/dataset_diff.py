"""What comparing two versions costs when ten rows of many changed, against reading both versions whole.

    python benchmarks/dataset_diff.py [rows]

CPU seconds of one process, the best of three; the ratio is what to quote.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from starwhale.datasets.compare import compare_rows
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of the best of three calls."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


def main() -> None:
    """Build two versions, compare them in both ways, and print the ratio."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writer = LocalDatasetStore(root).begin("d", None)
        step = 10_000
        for start in range(0, rows, step):
            keys = range(start, min(rows, start + step))
            writer.put_columns(keys, {"n": list(keys), "t": [f"text {key}" for key in keys]})
        first = writer.commit().manifest_digest
        writer = LocalDatasetStore(root).begin("d", first)
        for key in range(0, rows, rows // 10):
            writer.put(key, {"n": -1})
        second = writer.commit().manifest_digest

        def compare() -> int:
            store = LocalDatasetStore(root)  # a fresh one: nothing is in memory
            return len(list(compare_rows(store.open_version("d", first), store.open_version("d", second))))

        def read() -> int:
            store = LocalDatasetStore(root)
            versions = (store.open_version("d", digest) for digest in (first, second))
            return sum(len(batch) for version in versions for batch in version.iter_batches())

        assert compare() == 10
        diff_s, read_s = cpu_s(compare), cpu_s(read)
        print(
            f"{rows} rows, 10 changed: diff {diff_s:.4f} CPU s, reading both {read_s:.3f} CPU s: 1/{read_s / diff_s:.0f}"
        )


if __name__ == "__main__":
    main()
