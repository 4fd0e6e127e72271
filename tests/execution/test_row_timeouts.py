"""Calls of predict that take too long: in a process of their own they are ended, in a thread they are refused when they return."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.conftest import swcli_command

from starwhale.errors import UsageError
from starwhale.handlers.calls.row_clock import RowClock, RowTimeoutError
from starwhale.handlers.decorators import check_timeout

HANDLERS = """
    import threading
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain", timeout_s=0.5, fail_on_error=FAILS, retries=5, retry_on=TimeoutError)
    def predict(data):
        evaluation.log("seen", data["number"], {"is": True})
        if data["number"] == 4:
            print("stuck on", data["number"])
            threading.Event().wait(WAIT)
        return data["number"]
"""


class Place:
    """A root with one dataset of eight rows, of which the fifth does not end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "HOME": str(folder),
            "SW_CLI_CONFIG": str(folder / "config.yaml"),
            "SW_LOCAL_STORAGE": str(folder / "storage"),
        }
        rows = folder / "numbers.jsonl"
        rows.write_text("".join(json.dumps({"number": k}) + "\n" for k in range(8)), encoding="utf-8")
        assert self.call("dataset", "build", "--json", str(rows), "--name", "numbers").returncode == 0

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*swcli_command(), *words],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, *words: str, wait_s: str = "", fails: bool = False) -> subprocess.CompletedProcess[str]:
        source = dedent(HANDLERS).replace("WAIT", wait_s).replace("FAILS", str(fails))
        (self.folder / "slow.py").write_text(source, encoding="utf-8")
        return self.call("model", "run", "slow.py", "-d", "numbers", *words)

    def rows(self, *words: str) -> list[dict[str, Any]]:
        done = self.call("job", "results", "latest", *words, "-n", "100", "-o", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found if isinstance(found, list) else found["rows"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("timeouts"))


@pytest.mark.needs_time
def test_a_call_that_never_ends_is_ended_with_its_process_and_the_rest_goes_on(place: Place) -> None:
    done = place.run("--executor", "process")
    assert done.returncode == 0, done.stderr
    assert [row["output"] for row in place.rows()] == [0, 1, 2, 3, 5, 6, 7]
    (late,) = place.rows("--failed")
    assert late["_index"] == 4
    assert late["exception"] == "RowTimeoutError: predict took longer than timeout_s=0.5"
    assert "slow.py:10 in predict" in late["frame"], "where it is stuck"
    assert late["output"] == "stuck on 4"
    assert (late["tries"], late["attempt"]) == (1, 1), "it is not tried again"
    assert len(place.rows("--table", "seen")) == 8, "each row has logged once"


@pytest.mark.needs_time
def test_without_leave_to_fail_it_ends_the_job(place: Place) -> None:
    done = place.run("--executor", "process", fails=True)
    assert done.returncode == 1
    assert "numbers: 4" in done.stderr
    assert "longer than timeout_s=0.5" in done.stderr
    assert [row["output"] for row in place.rows()] == [0, 1, 2, 3], "what was done is kept"
    (late,) = place.rows("--failed")
    assert late["_index" if "_index" in late else "id"] in {4, "self/numbers_#@#_4"}


@pytest.mark.needs_time
def test_in_a_thread_a_late_call_is_refused_when_it_returns(place: Place) -> None:
    done = place.run("--executor", "thread", wait_s="0.8")
    assert done.returncode == 0, done.stderr
    assert [row["output"] for row in place.rows()] == [0, 1, 2, 3, 5, 6, 7]
    (late,) = place.rows("--failed")
    assert (late["_index"], late["tries"]) == (4, 1)
    assert late["exception"].startswith("RowTimeoutError")


def test_a_call_in_time_is_not_touched_and_its_errors_are_its_own() -> None:
    clock = RowClock(1000.0)
    assert clock.wrap(lambda data: data + 1)(1) == 2
    with pytest.raises(ZeroDivisionError):
        clock.wrap(lambda data: data / 0)(1)
    late = RowClock(1e-9)
    with pytest.raises(RowTimeoutError):
        late.wrap(lambda data: sum(range(1000)) + data)(1)


@pytest.mark.parametrize("timeout_s", [0, -1, True, "1", float("inf"), float("nan")])
def test_a_limit_that_means_nothing_is_refused(timeout_s: object) -> None:
    with pytest.raises(UsageError, match="timeout_s is"):
        check_timeout(timeout_s)
