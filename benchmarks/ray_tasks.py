"""What Ray costs against processes of this machine: time to start, rows per second, and bytes per second through the carrier, of the same jobs.

    python benchmarks/ray_tasks.py [--rows 20000] [--megabytes 64] [--replicas 2]

Prints wall and CPU seconds (of everything that was started) of a job with one row, of one with many, and of one whose rows are large, and the ratios; each is the
least of three. Each job on Ray starts a Ray of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent

ROUNDS = 3
_SOURCE = """
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain", log_dataset_features=["number"])
    def predict(data):
        return data["number"] * 2
"""
_BUILD = """
    from starwhale import dataset
    for name, count, size in (("one", 1, 0), ("many", {rows}, 0), ("large", {megabytes} * 8, 128 << 10)):
        with dataset(name, create="empty") as ds:
            ds.extend([{{"number": k, "bytes": bytes([k % 256]) * size}} for k in range(count)])
            ds.commit()
"""
EXECUTORS = {"process": ("--executor", "process"), "ray": ("--executor", "ray", "--address", "local")}


def main() -> None:
    """Measure both executors on an instance of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--replicas", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SW_LOCAL_STORAGE": f"{folder}/root", "SW_CLI_CONFIG": f"{folder}/config.yaml"}
        work = Path(folder, "work")
        work.mkdir()
        (work / "evaluation.py").write_text(dedent(_SOURCE), encoding="utf-8")
        build = dedent(_BUILD).format(rows=given.rows, megabytes=given.megabytes)
        subprocess.run([sys.executable, "-c", build], env=env, check=True)
        spent: dict[tuple[str, str], tuple[float, float]] = {}
        for name in ("one", "many", "large"):
            for executor, words in EXECUTORS.items():
                command = (str(work / "evaluation.py"), "-d", name, "--replicas", str(given.replicas), *words)
                spent[executor, name] = min(_run(env, command) for _ in range(ROUNDS))
    for executor in EXECUTORS:
        (one, cpu), (many, cpu_many), (large, _) = (spent[executor, name] for name in ("one", "many", "large"))
        rate = (given.rows - 1) / max(many - one, 1e-9)
        flow = given.megabytes / max(large - one, 1e-9)
        print(
            f"{executor:8} {one:.2f} s ({cpu:.2f} s of CPU) for one row; {many:.2f} s ({cpu_many:.2f}) for {given.rows}"
        )
        print(f"{'':8} beyond the start: {rate:,.0f} rows/s, {flow:,.0f} MB/s of large rows")
    for name in ("one", "many", "large"):
        wall, cpu = (spent["ray", name][at] / spent["process", name][at] for at in (0, 1))
        print(f"ray / process, {name}: {wall:.2f} of the time, {cpu:.2f} of the CPU")


def _run(env: dict[str, str], words: tuple[str, ...]) -> tuple[float, float]:
    began, before = time.monotonic(), _cpu()
    command = [sys.executable, "-m", "starwhale.cli", "model", "run", *words]
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.monotonic() - began, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
