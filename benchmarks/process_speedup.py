"""What more worker processes bring for a predict that computes in Python, and what starting costs: loads and the first row.

    nice python benchmarks/process_speedup.py [rows] [milliseconds] [--processes 2 4 8] [--rounds 3]

The same job runs with one process and with several, in turn. Each worker notes when its model was loaded, when its first and
last rows began and ended, and how long its thread stood in the queue for a processor, which the kernel counts: on a shared machine that
time belongs to whoever else computes. "By the clock" is to be quoted on a quiet machine. "Without the queue" leaves that time out, but not what
a worker waits for a driver that is in the queue itself; "by CPU" is how evenly the rows were shared, and nothing else. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

MODEL = """
    import json, os, time
    from pathlib import Path
    from starwhale import evaluation

    STEPS = int(os.environ["STEPS"])
    IMPORTED = time.monotonic()
    with open("imports", "a") as file:
        file.write(f"{os.getpid()}\\n")

    def queued_s():
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9

    class Model:
        def __enter__(self):
            with open("loads", "a") as file:
                file.write(f"{os.getpid()}\\n")
            self.rows, self.began = 0, None
            self.loaded, self.queued = time.monotonic(), queued_s()
            return self

        @evaluation.predict(log_mode="plain")
        def predict(self, data):
            if self.began is None:
                self.began, self.first_queued = time.monotonic(), queued_s()
                self.cpu = time.thread_time()
            total = 0
            for number in range(STEPS):
                total += number & 7
            self.rows += 1
            self.ended = time.monotonic()
            return total

        def __exit__(self, *_):
            if not self.rows:
                return
            facts = {
                "rows": self.rows, "began": self.began, "ended": self.ended, "cpu_s": time.thread_time() - self.cpu,
                "queued_s": queued_s() - self.first_queued, "first_s": self.began - self.loaded,
                "first_queued_s": self.first_queued - self.queued,
            }
            Path(f"worker-{os.getpid()}.json").write_text(json.dumps(facts))
"""
BUILD = """
    import sys
    from starwhale import dataset
    with dataset("rows", create="empty") as made:
        made.extend({"i": i} for i in range(int(sys.argv[1])))
        made.commit()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the workers of one job have noted."""

    wall_s: float
    """From the first row of any to the last."""
    own_s: float
    """The longest span of a worker, without its time in the queue for a processor."""
    cpu_s: float
    """CPU of all threads that called predict."""
    most_cpu_s: float
    """The same of the worker that had most: what as many processors of their own would take."""
    first_s: float
    """The longest from a loaded model to its first row, without time in the queue."""
    imports: int
    """Processes that imported the module."""
    loads: int
    """Models that were loaded."""
    workers: int
    """Processes that had rows."""


def main() -> None:
    """Run the jobs and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=2000)
    parser.add_argument("milliseconds", nargs="?", type=float, default=5.0)
    parser.add_argument("--processes", nargs="+", type=int, default=[2], help="how many, beside one alone")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        env = {
            **os.environ,
            "SW_CLI_CONFIG": f"{folder}/config.yaml",
            "SW_LOCAL_STORAGE": f"{folder}/storage",
            "STEPS": str(_calibrate(given.milliseconds)),
        }
        (folder / "model.py").write_text(dedent(MODEL), encoding="utf-8")
        subprocess.run([sys.executable, "-c", dedent(BUILD), str(given.rows)], env=env, cwd=folder, check=True)
        print(f"{given.rows} rows of {given.milliseconds:g} ms")
        print("processes  wall s  own s  CPU s  first row s  imports  loads  workers with rows", flush=True)
        ratios: dict[int, list[tuple[float, float, float]]] = {count: [] for count in given.processes}
        for _ in range(given.rounds):
            one = _shown(_run(folder, env, 1), 1)
            for count in given.processes:
                more = _shown(_run(folder, env, count), count)
                ratios[count].append((one.wall_s / more.wall_s, one.own_s / more.own_s, one.cpu_s / more.most_cpu_s))
        print("times one, median: by the clock, without the queue, by CPU")
        for count, found in ratios.items():
            print("{:>9} {:>7.2f} {:>6.2f} {:>6.2f}".format(count, *_medians(found)))


def _shown(run: Run, count: int) -> Run:
    """Print what a job took."""
    print(
        f"{count:>9} {run.wall_s:>7.2f} {run.own_s:>6.2f} {run.cpu_s:>6.2f} {run.first_s:>12.3f}"
        f" {run.imports:>8} {run.loads:>6} {run.workers:>8}",
        flush=True,
    )
    return run


def _medians(ratios: list[tuple[float, float, float]]) -> list[float]:
    return [statistics.median(each) for each in zip(*ratios, strict=True)]


def _calibrate(milliseconds: float) -> int:
    """Return how many turns of the loop take so long."""
    turns = 200_000
    best = float("inf")
    for _ in range(5):
        began, total = time.thread_time(), 0
        for number in range(turns):
            total += number & 7
        best = min(best, time.thread_time() - began)
    return int(turns * milliseconds / 1000 / best)


def _run(folder: Path, env: dict[str, str], processes: int) -> Run:
    for path in [*folder.glob("worker-*.json"), folder / "imports", folder / "loads"]:
        path.unlink(missing_ok=True)
    options = ["-h", "model:Model.predict", "-d", "rows", "--executor", "process", "--replicas", str(processes)]
    command = [sys.executable, "-m", "starwhale.cli", "model", "run", str(folder / "model.py"), *options]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in folder.glob("worker-*.json")]
    return Run(
        wall_s=max(each["ended"] for each in found) - min(each["began"] for each in found),
        own_s=max(each["ended"] - each["began"] - each["queued_s"] for each in found),
        cpu_s=sum(each["cpu_s"] for each in found),
        most_cpu_s=max(each["cpu_s"] for each in found),
        first_s=max(each["first_s"] - each["first_queued_s"] for each in found),
        imports=len((folder / "imports").read_text().split()),
        loads=len((folder / "loads").read_text().split()),
        workers=len(found),
    )


if __name__ == "__main__":
    main()
