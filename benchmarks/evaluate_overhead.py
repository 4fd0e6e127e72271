"""What the platform costs per row of an evaluation whose predict costs nothing, beside a bare loop over columns in the same run.

The bare loop does the work itself: read a batch of columns from Parquet, call a Python function per row, write an fsynced Parquet part,
commit to SQLite, and evaluate over the outputs read back. From both the CPU of their imports is taken off: from ours that of the
same job over one row, from the loop's that of importing pyarrow. Figures of a shared machine are worth only as ratios within one run.

    python benchmarks/evaluate_overhead.py [--executor thread] [10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

MODEL = """
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain")
    def predict(data):
        return data["i"] % 10

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        n = total = 0
        for row in results:
            n += 1
            total += row["output"]
        evaluation.log_summary({"n": n, "total": total})
"""
BUILD = """
    import sys
    from starwhale import dataset
    for count in map(int, sys.argv[1:]):
        with dataset(f"rows{count}", create="empty") as made:
            made.extend({"i": i, "f": i * 0.5, "t": f"text {i}"} for i in range(count))
            made.commit()
"""
LOOP = """
    import os, sqlite3, sys, time
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, parts = int(sys.argv[1]), 0
    for first in range(0, count, 65536):
        numbers = range(first, min(first + 65536, count))
        columns = {"i": list(numbers), "f": [i * 0.5 for i in numbers], "t": [f"text {i}" for i in numbers]}
        pq.write_table(pa.table(columns), f"source{parts}.parquet")
        parts += 1
    began = time.process_time()
    database = sqlite3.connect("parts.db", isolation_level=None)
    database.executescript("pragma journal_mode=wal; pragma synchronous=full; create table part (name text)")

    def predict(data):
        return data["i"] % 10

    for number in range(parts):
        rows = pq.read_table(f"source{number}.parquet").to_pydict()
        names = list(rows)
        outputs = [predict(dict(zip(names, values))) for values in zip(*rows.values())]
        with open(f"part{number}.parquet", "wb") as file:
            pq.write_table(pa.table({"output": outputs}), file)
            file.flush()
            os.fsync(file.fileno())
        database.execute("insert into part values (?)", (f"part{number}.parquet",))
    total = 0
    for (name,) in database.execute("select name from part").fetchall():
        for output in pq.read_table(name).column("output").to_pylist():
            total += output
    taken = time.process_time() - began
    assert total == sum(i % 10 for i in range(count))
    print(taken)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command and its children took."""

    cpu_s: float
    """Seconds of CPU, all processes together."""
    driver_mib: int
    """Peak memory of the command itself."""
    worker_mib: int
    """Largest peak memory of a child."""


def main() -> None:
    """Build the rows, run both, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--executor", default="thread")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        env = {**os.environ, "SW_CLI_CONFIG": f"{folder}/config.yaml", "SW_LOCAL_STORAGE": f"{folder}/storage"}
        (folder / "model.py").write_text(dedent(MODEL), encoding="utf-8")
        build = [sys.executable, "-c", dedent(BUILD), "1", *map(str, given.counts)]
        subprocess.run(build, env=env, cwd=folder, check=True)
        fixed = evaluate(folder, env, 1, given.executor)
        print(f"one row, imports and all: {fixed.cpu_s:.2f} s of CPU; taken off below")
        print(
            f"{'rows':>9} {'CPU s':>7} {'µs/row':>7} {'loop µs/row':>12} {'ratio':>6} {'driver MiB':>11} {'worker MiB':>11}"
        )
        for count in given.counts:
            cost = evaluate(folder, env, count, given.executor)
            own = (cost.cpu_s - fixed.cpu_s) / count * 1e6
            bare = bare_loop(folder, count) / count * 1e6
            figures = f"{own:>7.1f} {bare:>12.1f} {own / bare:>6.1f} {cost.driver_mib:>11} {cost.worker_mib:>11}"
            print(f"{count:>9} {cost.cpu_s:>7.2f} {figures}", flush=True)


def evaluate(folder: Path, env: dict[str, str], count: int, executor: str) -> Cost:
    """Run one evaluation in processes of its own."""
    options = ["-m", "model", "-h", "model:evaluate", "-d", f"rows{count}", "--executor", executor]
    command = [sys.executable, "-m", "starwhale.cli", "model", "run", "-w", str(folder), *options]
    child = subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.DEVNULL)
    workers: dict[int, int] = {}
    is_over = threading.Event()
    watcher = threading.Thread(target=watch, args=(child.pid, workers, is_over))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    is_over.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the evaluation of {count} rows failed")
    driver = workers.pop(child.pid, 0)
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(cpu_s=cpu_s, driver_mib=driver, worker_mib=max(workers.values(), default=0))


def watch(pid: int, peaks: dict[int, int], is_over: threading.Event) -> None:
    """Note the peak memory of a process and its children while they live; Linux only, elsewhere nothing is noted."""
    while not is_over.wait(0.05):
        pids = [pid]
        for each in pids:
            try:
                pids += map(int, Path(f"/proc/{each}/task/{each}/children").read_text(encoding="ascii").split())
                status = Path(f"/proc/{each}/status").read_text(encoding="utf-8")
            except OSError:
                continue
            found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
            peaks[each] = int(found[0]) // 1024 if found else peaks.get(each, 0)


def bare_loop(folder: Path, count: int) -> float:
    """Return the CPU seconds of the loop, its imports left out."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, "-c", dedent(LOOP), str(count)]
        return float(subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
