"""Rows that fail are data: what is kept of them, how many a job puts up with, and errors that pass."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.conftest import swcli_command

HANDLERS = """
    from pathlib import Path
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain", retries=2, retry_on=(TimeoutError, ConnectionError), backoff_s=0.01)
    def predict(data):
        number = data["number"]
        if number in (3, 8):
            print("about to fail on", number)
            raise ValueError(f"cannot take {number}")
        with open("calls.txt", "a") as calls:
            calls.write(f"{number}\\n")
        called = Path("calls.txt").read_text().split().count(str(number))
        if number == 6 and called < 3:
            raise ConnectionResetError("busy")
        if number == 9:
            raise TimeoutError("never there")
        return number

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary(n=sum(1 for _ in results))
"""


class Place:
    """A root with one dataset of ten rows, and the handlers above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "HOME": str(folder),
            "SW_CLI_CONFIG": str(folder / "config.yaml"),
            "SW_LOCAL_STORAGE": str(folder / "storage"),
        }
        (folder / "flaky.py").write_text(dedent(HANDLERS), encoding="utf-8")
        rows = folder / "numbers.jsonl"
        rows.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(10)), encoding="utf-8")
        assert self.call("dataset", "build", "--json", str(rows), "--name", "numbers").returncode == 0

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

    def rows(self, *words: str) -> list[dict[str, Any]]:
        done = self.call("job", "results", "latest", *words, "-n", "100", "-o", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found if isinstance(found, list) else found["rows"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("errors"))


@pytest.mark.needs_time
def test_a_budget_records_what_fails_and_resume_may_raise_it(place: Place) -> None:
    (place.folder / "calls.txt").unlink(missing_ok=True)
    done = place.call("model", "run", "flaky.py", "-d", "numbers", "--max-errors", "2")
    assert done.returncode == 1
    assert "3 of 10 rows of step 'flaky:predict' failed, and --max-errors is 2" in done.stderr, done.stderr
    assert "--failed" in done.stderr
    again = place.call("job", "resume", "latest")
    assert again.returncode == 1, "the same rows have failed"
    raised = place.call("job", "resume", "latest", "--max-errors", "30%")
    assert raised.returncode == 0, raised.stderr
    rows = place.rows()
    assert [row["output"] for row in rows] == [0, 1, 2, 4, 5, 6, 7]
    assert [row.get("tries") for row in rows] == [None] * 5 + [3, None], "the third try was taken"
    first, second, third = place.rows("--failed")
    assert [each["_index"] for each in (first, second, third)] == [3, 8, 9]
    assert first["exception"] == "ValueError: cannot take 3"
    assert first["message"] == "cannot take 3"
    assert "flaky.py:10 in predict" in first["frame"]
    assert first["output"].endswith("about to fail on 3")
    assert (first["step"], first["task"], first["attempt"], first["tries"]) == ("flaky:predict", 0, 1, 1)
    assert (third["exception"], third["tries"]) == ("TimeoutError: never there", 3)


@pytest.mark.needs_time
def test_without_a_budget_the_first_error_ends_the_job_and_tells_as_much(place: Place) -> None:
    done = place.call("model", "run", "flaky.py", "-d", "numbers", "--executor", "process")
    assert done.returncode == 1
    assert "cannot take 3" in done.stderr
    (ending,) = place.rows("--failed")
    assert (ending["step"], ending["task"], ending["attempt"], ending["tries"]) == ("flaky:predict", 0, 1, 1)
    assert ending["output"] == "about to fail on 3"


def test_a_budget_that_is_none_is_refused_before_anything_runs(place: Place) -> None:
    done = place.call("model", "run", "flaky.py", "-d", "numbers", "--max-errors", "many")
    assert done.returncode == 2
    assert "max_errors is 'many'" in done.stderr
