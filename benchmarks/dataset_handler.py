"""What it costs that a handler of a dataset runs in a process of its own: CPU time beside the same rows read in this process.

python benchmarks/dataset_handler.py [ROWS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starwhale.datasets.build import build_version
from starwhale.datasets.dataset import Dataset
from starwhale.execution.handler_rows.rows_elsewhere import HandlerPlace, read_elsewhere
from starwhale.handlers.dataset_rows import rows_of
from starwhale.instances import Instance, open_instance
from starwhale.settings import read_settings

HANDLER = """
from starwhale import Image

def start():
    yield {"x": 1}

def short():
    for number in range(ROWS):
        yield number, {"id": number, "text": f"a short review, number {number}", "label": "good", "score": number / 7}

def images():
    pixels = bytes(range(256)) * 16
    for number in range(ROWS // 10):
        yield number, {"image": Image(pixels), "label": number % 10}
"""


def cpu_s() -> float:
    """Return the CPU time of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def build(instance: Instance, name: str, rows: Iterator[Any]) -> tuple[int, float]:
    """Return how many rows were built, and in how much CPU time."""
    before = cpu_s()
    with instance.datasets.open(name, Dataset) as made:
        count = build_version(made, rows, mode="overwrite")
    del rows
    return count, cpu_s() - before


def both(instance: Instance, place: HandlerPlace) -> tuple[int, float, float]:
    """Return how many rows a handler has, and the CPU time of a build in this process and in one of its own."""
    count, here = build(instance, "bench", rows_of(place.handler, place.workdir))
    _, apart = build(instance, "bench", read_elsewhere(place))
    return count, here, apart


def main(row_count: int) -> None:
    """Build each data set both ways, twice, and print the second."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.py").write_text(f"ROWS = {row_count}\n{HANDLER}")
        with open_instance(read_settings({"SW_LOCAL_STORAGE": f"{folder}/root", "HOME": folder})) as instance:
            start = 0.0
            for name in ("start", "short", "images"):
                place = HandlerPlace(handler=f"bench:{name}", workdir=folder)
                _, here, apart = both(instance, place)
                count, here, apart = both(instance, place)
                if name == "start":
                    start = apart - here
                    print(f"start of the process       {start:6.2f} s")
                    continue
                more = (apart - here - start) / count * 1e6
                print(
                    f"{name:8} {count:8} rows   here {here:6.2f} s   apart {apart:6.2f} s   ratio {apart / here:4.2f}   {more:5.1f} µs more per row"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
