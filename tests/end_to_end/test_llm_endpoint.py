"""`examples/llm_endpoint` with the official client over real HTTP: its page is true, and no committed row is paid for twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.docs.walkthrough import follow

EXAMPLE = Path(__file__).parents[2] / "examples" / "llm_endpoint"
pytestmark = pytest.mark.needs_openai
ROWS = 200


class Place:
    """A copy of the example, with a root of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder)
        path = f"{Path(sys.executable).parent}:{environment.get('PATH', os.environ['PATH'])}"
        self.env = {**environment, "PATH": path, "STUB_LOG": str(folder / "paid.txt"), "STUB_LIMIT": "64"}

    def call(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env={**self.env, **env}, cwd=self.folder, capture_output=True, text=True, timeout=180, check=False
        )

    def paid(self) -> Counter[str]:
        """Question → how often the service has answered it."""
        log = self.folder / "paid.txt"
        return Counter(log.read_text(encoding="utf-8").splitlines()) if log.exists() else Counter()

    def committed(self) -> list[dict[str, Any]]:
        done = self.call("swcli", "job", "results", "latest", "-n", "1000", "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else []


@pytest.fixture
def place(tmp_path: Path, instance_root: dict[str, str]) -> Place:
    return Place(tmp_path / "example", dict(instance_root))


def test_its_page_is_true(place: Place) -> None:
    place.env["STUB_LIMIT"] = "24"
    assert follow(place.folder / "README.md", place.folder, place.env)
    asked = {line.partition(",")[0] for line in (place.folder / "questions.csv").read_text().splitlines()[1:]}
    assert place.paid() == Counter(dict.fromkeys(asked, 1)), (
        "what is refused is not paid for, and nothing is paid twice"
    )


@pytest.mark.needs_kills
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_no_committed_row_is_paid_for_twice_when_everything_is_killed(place: Place, executor: str) -> None:
    assert place.call("swcli", "dataset", "build", "--csv", "questions.csv", "--name", "sums").returncode == 0
    command = ["swcli", "model", "run", "evaluation.py", "-d", "sums", "--executor", executor, "--concurrency", "10"]
    running = subprocess.Popen(
        [sys.executable, "stub.py", *command],
        env={**place.env, "STUB_DELAY_S": "0.3"},
        cwd=place.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    tick = threading.Event()
    for _ in range(1200):
        if place.paid().total() >= 60 or running.poll() is not None:
            break
        tick.wait(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    tick.wait(0.5)  # nobody is left who could still pay
    paid, committed = place.paid(), place.committed()
    assert 0 < len(committed) < ROWS
    assert 60 <= paid.total() < ROWS, "it was killed in the middle"
    resumed = place.call(sys.executable, "stub.py", "swcli", "job", "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    after = place.paid()
    kept = {row["input/question"] for row in committed}
    assert {question: after[question] for question in kept} == dict.fromkeys(kept, 1)
    again = {question for question, times in after.items() if times > 1}
    assert again <= set(paid) - kept
    assert max(after.values()) == 2
    assert len(again) <= paid.total() - len(kept)
    rows = place.committed()
    assert [row["_index"] for row in rows] == list(range(ROWS))
    assert all(
        row["output/tokens_in"] == 5 and row["duration_seconds"] > 0 and row["output/cost_usd"] > 0 for row in rows
    )
