"""How many rows a second workers commit through one server on loopback, beside workers that are processes of the driver.

    python benchmarks/network_commits.py [ROWS] [TASKS]

Every row is predicted by a function that does next to nothing, so that what is measured is leasing, reading, encoding, sending and committing. The
speed is that from the first commit of a job to its last: imports do not count. The server runs with its door, as for other machines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent
from typing import Any

from starwhale.instances import open_instance
from starwhale.settings import read_settings

CODE = """
    from starwhale import evaluation

    @evaluation.predict(replicas={tasks}, batch_size=500, log_mode="plain")
    def double(data):
        return [row["number"] * 2 for row in data]
"""


def main() -> None:
    """Print rows a second for both executors, and their ratio."""
    rows, tasks = (int(each) for each in [*sys.argv[1:3], *("400000", "4")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SW_")}
        env = kept | {
            "HOME": folder,
            "SW_CLI_CONFIG": str(home / "config.yaml"),
            "SW_LOCAL_STORAGE": str(home / "storage"),
        }
        (home / "double.py").write_text(dedent(CODE).format(tasks=tasks), encoding="utf-8")
        numbers = home / "numbers.jsonl"
        numbers.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(rows)), encoding="utf-8")
        _swcli(env, home, "dataset", "build", "--json", str(numbers), "--name", "numbers")
        server = subprocess.Popen(
            [sys.executable, "-m", "starwhale.server", "--login", "--say-json", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        try:
            assert server.stdout is not None
            server.stdout.readline()
            speeds = {name: _speed(env, home, name, rows) for name in ("process", "network", "process", "network")}
        finally:
            server.terminate()
            server.wait()
    print(f"{rows:,} rows, {tasks} tasks, {os.cpu_count()} processors")
    for name, (speed, commits) in speeds.items():
        print(f"{name:8} {speed:10,.0f} rows/s in {commits} commits")
    print(f"network is {speeds['network'][0] / speeds['process'][0]:.2f} of process")


def _speed(env: dict[str, str], home: Path, executor: str, rows: int) -> tuple[float, int]:
    found: Any = json.loads(
        _swcli(env, home, "-o", "json", "model", "run", "double.py", "-d", "numbers", "--executor", executor)
    )
    with open_instance(read_settings(env)) as instance:
        parts = instance.catalog.parts.visible(found["manifest"]["version"])
    times = [each.created_at for each in parts]
    return rows / max(max(times) - min(times), 1e-9), len(parts)


def _swcli(env: dict[str, str], cwd: Path, *words: str) -> str:
    command = [str(Path(sys.executable).parent / "swcli"), *words]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    return done.stdout


if __name__ == "__main__":
    main()
