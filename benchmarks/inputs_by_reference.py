"""Count what jobs add to the disk whose rows are large: inputs are logged by reference, not copied.

    python benchmarks/inputs_by_reference.py                  # 1 GB of images, ten runs
    python benchmarks/inputs_by_reference.py --images 50 --runs 3

The same run evaluates once with a predict that returns a copy of its input, which is what logging by value costs; every input of the last
job is then read back under its old name, `input/image`, and compared with what was put into the dataset.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT_MB = 20
"""What ten runs over 1 GB may add."""


def make_image(number: int, size: int) -> bytes:
    """Return bytes that do not compress, the same in every run."""
    return random.Random(number).randbytes(size)


def bytes_below(folder: Path) -> int:
    """Return how much disk the files of a folder take."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def added(folder: Path, do: Callable[[], object]) -> int:
    """Return by how much a folder grows."""
    before = bytes_below(folder)
    do()
    return bytes_below(folder) - before


def build(images: int, size: int) -> None:
    """Make the dataset `images`."""
    from starwhale import Image, dataset

    with dataset("images") as opened:
        for number in range(images):
            opened[number] = {"image": Image(make_image(number, size)), "label": number % 10}
        opened.commit()


def look(row: Any) -> int:  # Any: a row of the dataset
    """Predict from the image's bytes."""
    return int(row["image"].to_bytes()[0])


def copy(row: Any) -> Any:
    """Return the image itself, as a new value."""
    from starwhale import Image

    return Image(row["image"].to_bytes())


def read_back(size: int) -> int:
    """Compare the inputs of the last job that looked with what was put into the dataset, and return their number."""
    from starwhale import Job

    count = 0
    rows: Iterator[Any] = iter(Job.get("looked").get_table_rows("results"))
    for row in rows:
        if row["input/image"].to_bytes() != make_image(row["_index"], size):
            message = f"row {row['_index']} came back with other bytes"
            raise SystemExit(message)
        count += 1
    return count


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=1000)
    options.add_argument("--bytes", type=int, default=1_000_000, help="of one image")
    options.add_argument("--runs", type=int, default=10)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="by-reference-") as place:
        os.environ |= {"SW_LOCAL_STORAGE": f"{place}/root", "SW_CLI_CONFIG": f"{place}/config.yaml"}
        os.environ["DISABLE_PROGRESS_BAR"] = "1"
        from starwhale import Job, evaluation

        root = Path(place) / "root"
        root.mkdir()
        evaluation.predict(log_mode="plain")(look)
        evaluation.predict(log_mode="plain")(copy)
        data = added(root, lambda: build(given.images, given.bytes))
        began = time.perf_counter()
        runs = added(root, lambda: [Job.run(look, datasets="images", name="looked") for _ in range(given.runs)])
        seconds = (time.perf_counter() - began) / given.runs
        by_value = added(root, lambda: Job.run(copy, datasets="images"))
        count = read_back(given.bytes)
    mega = 1_000_000
    print("| what | MB |")
    print("|---|---|")
    print(f"| dataset of {given.images} images | {data / mega:.1f} |")
    print(f"| added by {given.runs} runs, inputs by reference | {runs / mega:.2f} |")
    print(f"| added by one run that copies its inputs | {by_value / mega:.1f} |")
    print(f"\n{by_value * given.runs / max(runs, 1):.0f} times less than {given.runs} copies; {seconds:.2f} s per run")
    print(f"{count} inputs read back under `input/image`, byte for byte")
    allowed = LIMIT_MB * mega
    if given.images * given.bytes >= 1_000_000_000 and runs > allowed:
        message = f"ten runs added {runs / mega:.1f} MB; {LIMIT_MB} are allowed"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
