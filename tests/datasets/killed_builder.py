"""Builds and commits version after version of one dataset until somebody kills it, and says on stdout where it is.

`build N` before the changes of version N, `commit N` before its commit, `done N` after it. `change` is what version N makes of the one before,
for the dataset and for the plain dictionary that the test compares it with.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from starwhale.datasets.dataset import Dataset
from starwhale.instances import open_instance
from starwhale.media import Image
from starwhale.settings import Settings
from starwhale.storage.dataset_rows.limits import Limits

ROWS = 30
"""Rows that each version appends."""
Writable = Any
"""A Dataset or a plain dict."""


def picture(number: int) -> bytes:
    return random.Random(number).randbytes(5000)


def change(rows: Writable, version: int, wrap: Any = Image) -> None:
    """Append rows, write single columns of old ones, delete one."""
    for key in range(version * ROWS, version * ROWS + ROWS):
        row: dict[str, Any] = {"x": key, "text": f"{key} " * (2000 if key % 7 == 0 else 1)}
        if key % 5 == 0:
            row["image"] = wrap(picture(key))
        rows[key] = row
    for key in range(0, version * ROWS, ROWS // 2):
        rows[key] = {"changed": version if version % 2 else f"by {version}"}
    del rows[version * ROWS + 3]


SMALL = Limits(free_layer_rows=8, max_layers=2, max_small=2, block_rows=16, pack_bytes=40_000)


def open_at(root: Path) -> Any:
    return open_instance(Settings(config_path=root / "c.yaml", root=None, default_root=root / "root"))


def main(root: Path, name: str) -> None:
    with open_at(root) as instance:
        instance.stores.datasets.limits = SMALL
        while True:
            dataset = instance.datasets.open(name, Dataset)
            version = len(dataset.history())
            say(f"build {version}")
            change(dataset, version)
            say(f"commit {version}")
            dataset.commit()
            say(f"done {version}")


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
