"""Rows that kill the process that tries them: real ones, by a real segmentation fault and by `os._exit`."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.conftest import swcli_command

HANDLERS = """
    import ctypes
    import os
    from starwhale import evaluation

    class Guarded:
        @evaluation.predict(replicas=2, batch_size=BATCH, fail_on_error=FAILS, log_mode="plain")
        def predict(self, data):
            rows = data if isinstance(data, list) else [data]
            for row in rows:
                print("row", row["number"])
                if row["number"] == 5:
                    ctypes.string_at(0)
                if row["number"] == 12:
                    os._exit(7)
            return [row["number"] * 2 for row in rows] if isinstance(data, list) else data["number"] * 2
"""
ROWS = 16


class Place:
    """A root with one dataset, and a folder with the handlers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "HOME": str(folder),
            "SW_CLI_CONFIG": str(folder / "config.yaml"),
            "SW_LOCAL_STORAGE": str(folder / "storage"),
        }
        numbers = folder / "numbers.jsonl"
        numbers.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(ROWS)), encoding="utf-8")
        assert self.call("dataset", "build", "--json", str(numbers), "--name", "numbers").returncode == 0

    def write(self, *, fails: bool, batch: int = 1) -> None:
        source = dedent(HANDLERS).replace("FAILS", str(fails)).replace("BATCH", str(batch))
        (self.folder / "deadly.py").write_text(source, encoding="utf-8")

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*swcli_command(), *words],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.call("model", "run", "deadly.py", "-d", "numbers", *words)

    def rows(self, *words: str) -> list[dict[str, Any]]:
        done = self.call("job", "results", "latest", *words, "-n", "100", "-o", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found if isinstance(found, list) else found["rows"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("executor", "batch"),
    [
        ("thread", 1),
        pytest.param("process", 1, marks=pytest.mark.needs_kills),
        pytest.param("thread", 4, marks=pytest.mark.needs_kills),
        pytest.param("process", 4, marks=pytest.mark.needs_kills),
    ],
)
def test_rows_that_kill_their_worker_are_recorded_and_the_rest_goes_on(place: Place, executor: str, batch: int) -> None:
    place.write(fails=False, batch=batch)
    done = place.run("--executor", executor)
    assert done.returncode == 0, done.stderr
    assert [row["output"] for row in place.rows()] == [k * 2 for k in range(ROWS) if k not in {5, 12}]
    first, second = place.rows("--failed")
    assert (first["_index"], second["_index"]) == (5, 12)
    assert (first["signal"], first.get("exit_code")) == ("SIGSEGV", None)
    assert (second.get("signal"), second["exit_code"]) == (None, 7)
    assert first["exception"].startswith("WorkerDiedError: row 5 of numbers killed the worker process 2 times")
    assert re.search(r"^row 5$", first["output"], re.MULTILINE), first["output"]
    assert re.search(r'File ".*deadly\.py", line 13 in predict', first["output"]), "faulthandler names the line"
    assert re.search(r"^row 12$", second["output"], re.MULTILINE), second["output"]
    assert re.fullmatch(r"/.*deadly\.py:13 in predict", first["frame"])
    assert "Thread 0x" not in first["output"], "the stack of the thread that crashed says enough"
    assert first["step"] == "deadly:Guarded.predict"
    assert first["tries"] == second["tries"] == 2
    assert first["attempt"] > 1


@pytest.mark.needs_kills
def test_without_leave_to_fail_the_job_names_the_row_and_resume_tries_it_once(place: Place) -> None:
    place.write(fails=True)
    done = place.run("--executor", "process")
    assert done.returncode == 1
    assert "killed the worker process 2 times" in done.stderr
    assert re.search(r"row (5|12) of numbers", done.stderr), done.stderr
    deaths = []
    for expected in (3, 4):
        again = place.call("job", "resume", "latest", "--executor", "process", "--replicas", "1")
        assert again.returncode == 1
        assert f"killed the worker process {expected} times" in again.stderr, again.stderr
        deaths.append(again.stderr)
    (ending,) = place.rows("--failed")
    assert ending["tries"] == 4
