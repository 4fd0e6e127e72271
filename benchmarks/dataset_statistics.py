"""What the statistics of a version cost, against pandas' `describe` and DuckDB's `SUMMARIZE` of the same rows as Parquet.

    python benchmarks/dataset_statistics.py [rows]

Each runs in a process of its own, the best of three. CPU seconds of all threads, without imports and without building; memory is the highest of
the process less what it had after its imports. Statistics tell more than both: histograms, lengths, frequent values, balance.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from starwhale.datasets.ecosystem.files import to_parquet
from starwhale.storage.dataset_rows.dataset_store import LocalDatasetStore
from starwhale.storage.protocols import DatasetReader

WHO = ("statistics", "pandas", "duckdb")


def build(root: Path, rows: int) -> DatasetReader:
    """Build rows of six columns: different integers, floats and texts, and few labels, bools and small integers."""
    chance = random.Random(0)
    writer = LocalDatasetStore(root).begin("d", None)
    step = 10_000
    for start in range(0, rows, step):
        keys = range(start, min(rows, start + step))
        columns: dict[str, list[Any]] = {
            "id": [chance.getrandbits(60) for _ in keys],
            "score": [chance.gauss(0, 1) for _ in keys],
            "text": [f"sentence number {key}" for key in keys],
            "label": [chance.choice("abcdefghij") for _ in keys],
            "is_new": [key % 3 == 0 for key in keys],
            "age": [chance.randrange(100) for _ in keys],
        }
        writer.put_columns(keys, columns)
    return LocalDatasetStore(root).open_version("d", writer.commit().manifest_digest)


def work_of(who: str, folder: Path, digest: str) -> Callable[[], object]:
    """Import what one of them needs, and return what it does."""
    parquet = str(folder / "rows.parquet")
    if who == "pandas":
        import pandas as pd

        return lambda: pd.read_parquet(parquet).describe(include="all")
    if who == "duckdb":
        import duckdb

        query = f"SUMMARIZE SELECT * FROM '{parquet}'"  # noqa: S608 - a path of our own
        return lambda: duckdb.connect().execute(query).fetchall()
    import_module("pyarrow.acero")  # Arrow imports it when it is first used

    from starwhale.datasets.statistics.compute import compute_statistics

    return lambda: compute_statistics(LocalDatasetStore(folder / "root").open_version("d", digest))


def measure(who: str, folder: Path, digest: str) -> None:
    """Do the work once, and print CPU seconds and MB as JSON."""
    work = work_of(who, folder, digest)
    before_mb, before_s = memory_mb("VmRSS"), time.process_time()
    work()
    cpu_s = time.process_time() - before_s
    print(json.dumps([cpu_s, memory_mb("VmHWM") - before_mb]))


def memory_mb(which: str) -> float:
    """Memory of this process, now (VmRSS) or at its highest (VmHWM): `getrusage` counts what the parent had before it as well."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Build, measure all of them, and print the ratios."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reader = build(folder / "root", rows)
        to_parquet(reader, folder / "rows.parquet", drop_index=True)
        digest = getattr(reader, "digest", "")
        found: dict[str, list[float]] = {}
        for _ in range(3):
            for who in WHO:
                command = [sys.executable, __file__, "--measure", who, name, digest]
                out = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                found[who] = min(out, found.get(who, out))
        ours_s, ours_mb = found["statistics"]
        print(f"{rows} rows, 6 columns: statistics {ours_s:.2f} CPU s, {ours_mb:.0f} MB")
        for who in WHO[1:]:
            cpu_s, highest_mb = found[who]
            print(f"  {who}: {cpu_s:.2f} CPU s (ours is {ours_s / cpu_s:.2f} of it), {highest_mb:.0f} MB")


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main()
