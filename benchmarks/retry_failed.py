"""What it costs to try failed rows again that lie scattered over a dataset, against the run in which they failed.

    python benchmarks/retry_failed.py [--rows 20000] [--every 10] [--executor thread]

Every tenth row of the first run raises; `job resume --failed` then tries those alone. Wall time depends on how dear a sync of the disk is;
the number of commits does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

HANDLERS = """
from pathlib import Path
from starwhale import evaluation

@evaluation.predict(replicas=2, batch_size=BATCH, fail_on_error=False, log_mode="plain")
def predict(data):
    rows = data if isinstance(data, list) else [data]
    if BROKEN.exists() and any(row["number"] % EVERY == 3 for row in rows):
        raise ValueError("broken")
    outputs = [row["number"] / 7 for row in rows]
    return outputs if isinstance(data, list) else outputs[0]

@evaluation.evaluate(needs=[predict])
def evaluate(results):
    evaluation.log_summary({"count": sum(1 for _ in results)})
"""


def main() -> None:
    """Run the job with rows that fail, then try them again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--executor", default="thread")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {**os.environ, "SW_CLI_CONFIG": str(folder / "config.yaml"), "SW_LOCAL_STORAGE": str(folder / "root")}
        numbers = folder / "numbers.jsonl"
        numbers.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(chosen.rows)), encoding="utf-8")
        work = folder / "work"
        work.mkdir()
        broken = folder / "broken"
        source = HANDLERS.replace("BATCH", str(chosen.batch)).replace("EVERY", str(chosen.every))
        (work / "thirds.py").write_text(source.replace("BROKEN", f"Path({str(broken)!r})"), encoding="utf-8")
        swcli(env, "dataset", "build", "--json", str(numbers), "--name", "numbers")
        broken.touch()
        tell(
            folder,
            "run",
            *timed(
                env,
                "model",
                "run",
                "--workdir",
                str(work),
                "-m",
                "thirds",
                "--dataset",
                "numbers",
                "--executor",
                chosen.executor,
            ),
        )
        broken.unlink()
        tell(folder, "resume --failed", *timed(env, "job", "resume", "latest", "--failed"))


def swcli(env: dict[str, str], *arguments: str) -> None:
    """Run a command, which must succeed."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "swcli"), *arguments], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def timed(env: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Run a command; returns its seconds by the clock and of CPU, its children's with it."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    swcli(env, *arguments)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tell(folder: Path, what: str, wall_s: float, cpu_s: float) -> None:
    """Say what a command took, and how many rows of the job are failed then."""
    with closing(sqlite3.connect(folder / "root" / "catalog.db")) as database:
        ranges, failed = database.execute("select count(*), sum(rows_failed) from ranges").fetchone()
    print(f"{what:16} {wall_s:6.2f} s, CPU {cpu_s:6.2f} s; {failed} rows are failed, in {ranges} ranges")


if __name__ == "__main__":
    main()
