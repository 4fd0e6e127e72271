"""A job on three nodes while a node is killed, workers are killed, and a node is cut off for a while: every row exactly once, the same summary."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest
from tests.conftest import Swcli, swcli_command
from tests.execution.ray_nodes import Lab, lab

pytestmark = [pytest.mark.needs_ray, pytest.mark.needs_netns, pytest.mark.soak]

MODEL = """
    import hashlib
    import os
    import time
    from starwhale import evaluation

    @evaluation.predict(replicas=3, batch_size=10, log_mode="plain", env=["PER_BATCH_S"])
    def predict(rows):
        time.sleep(float(os.environ["PER_BATCH_S"]))
        return [row["number"] / 7 for row in rows]

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        count, total, digest = 0, 0.0, hashlib.sha256()
        for row in results:
            count += 1
            total += row["output"] * 1.1
            digest.update(repr((row["id"], row["output"])).encode())
        evaluation.log_summary(count=count, total=total, digest=digest.hexdigest())
"""
BUILD = """
    import sys
    from starwhale import dataset
    with dataset("numbers", create="empty") as made:
        made.extend({"number": n} for n in range(int(sys.argv[1])))
        made.commit()
"""
READ = """
    import json, sys
    from collections import Counter
    from starwhale import Job
    job = Job.get("latest")
    rows = list(job.get_table_rows("results"))
    ids = Counter(str(row["id"]) for row in rows)
    json.dump({"summary": dict(job.summary), "rows": len(rows), "distinct": len(ids), "status": str(job.status)}, sys.stdout)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_once_whatever_is_killed_or_cut_off(tmp_path: Path, swcli: Swcli, seed: int) -> None:
    rows = 30_000
    env = dict(swcli.env)
    model = tmp_path / "model" / "chaos.py"
    model.parent.mkdir()
    model.write_text(dedent(MODEL))
    _python(BUILD, env, tmp_path, str(rows))
    words = [*swcli_command(), "model", "run", str(model), "-d", "numbers", "--executor"]
    subprocess.run([*words, "thread"], env={**env, "PER_BATCH_S": "0"}, cwd=tmp_path, check=True, capture_output=True)
    expected = _read(env, tmp_path)
    assert (expected["rows"], expected["distinct"]) == (rows, rows)
    with lab(tmp_path / "lab", 3, env=env) as nodes:
        run = nodes.inside(0, [*words, "ray", "--address", nodes.address])
        happened: list[str] = []
        chaos = threading.Thread(target=_disturb, args=(nodes, random.Random(seed), happened), daemon=True)
        process = subprocess.Popen(
            run, env={**nodes.env, "PER_BATCH_S": "0.1"}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        chaos.start()
        output, _ = process.communicate(timeout=900)
        chaos.join(120)
    assert process.returncode == 0, output
    assert set(happened) == {"node killed", "node back", "cut off", "joined again", "worker killed"}
    assert _read(env, tmp_path) == expected


def _disturb(nodes: Lab, dice: random.Random, happened: list[str]) -> None:
    """Kill a worker every few seconds; a node after 20 s, which comes back after 50; cut another off from 60 to 80; tells what has happened."""
    began = time.monotonic()
    events = [
        (20.0, "node killed", lambda: nodes.kill(2)),
        (50.0, "node back", lambda: nodes.start(2)),
        (60.0, "cut off", lambda: nodes.link(1, "down")),
        (80.0, "joined again", lambda: nodes.link(1, "up")),
    ]
    while not nodes.workers():
        time.sleep(0.2)
        if time.monotonic() - began > 60:
            return
    began = time.monotonic()
    while events or time.monotonic() - began < 100:
        time.sleep(dice.uniform(3, 6))
        while events and time.monotonic() - began > events[0][0]:
            _, name, do = events.pop(0)
            do()
            happened.append(name)
        if nodes.kill_worker(dice):
            happened.append("worker killed")
        elif not events:
            return


def _python(code: str, env: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", dedent(code), *arguments],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _read(env: dict[str, str], folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(_python(READ, env, folder))
    return found
