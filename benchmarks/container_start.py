"""What a container costs against a process: time to start, and rows per second, of the same jobs.

    python benchmarks/container_start.py IMAGE [--rows 20000]

The image needs Python 3.11 or newer as its python3. Prints wall seconds of a job with one row and of one with many, and the ratios; each is the least of three.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent

ROUNDS = 3
_SOURCE = """
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain")
    def predict(data):
        return data["number"] * 2
"""
_BUILD = """
    from starwhale import dataset
    for name, count in (("one", 1), ("many", {rows})):
        with dataset(name, create="empty") as ds:
            ds.extend([{{"number": k}} for k in range(count)])
            ds.commit()
"""


def main() -> None:
    """Measure both executors on an instance of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SW_LOCAL_STORAGE": f"{folder}/root", "SW_CLI_CONFIG": f"{folder}/config.yaml"}
        Path(folder, "evaluation.py").write_text(dedent(_SOURCE), encoding="utf-8")
        subprocess.run([sys.executable, "-c", dedent(_BUILD).format(rows=given.rows)], env=env, check=True)
        inside = ("--executor", "container", "--image", given.image)
        spent = {
            (executor, name): min(_run(folder, env, name, words) for _ in range(ROUNDS))
            for executor, words in (("process", ("--executor", "process")), ("container", inside))
            for name in ("one", "many")
        }
    for executor in ("process", "container"):
        one, many = spent[executor, "one"], spent[executor, "many"]
        rate = (given.rows - 1) / max(many - one, 1e-9)
        print(
            f"{executor:9}  {one:.2f} s for one row, {many:.2f} s for {given.rows}: {rate:,.0f} rows/s beyond the start"
        )
    print(f"container / process, one row:  {spent['container', 'one'] / spent['process', 'one']:.2f}")
    print(f"container / process, all rows: {spent['container', 'many'] / spent['process', 'many']:.2f}")


def _run(folder: str, env: dict[str, str], name: str, words: tuple[str, ...]) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "starwhale.cli", "model", "run", f"{folder}/evaluation.py", "-d", name, *words]
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
