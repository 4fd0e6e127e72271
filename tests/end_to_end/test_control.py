"""Jobs that are controlled from another process: real drivers, met half done by rows that wait for a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message
from tests.end_to_end.test_main_job import SLOW, wait_for_rows

ALL = {"count": 500, "total": 249_500, "mean": 499.0}


def start_slow(project: Project, *options: str) -> subprocess.Popen[str]:
    """Start a job that stops in the middle of its rows, and return its driver."""
    project.write("slow.py", SLOW)
    project.make_numbers(500)
    words = ["--workdir", ".", "--module", "slow", "--handler", "slow:evaluate", "--dataset", "numbers", *options]
    child = project.swcli.start("model", "run", *words, cwd=project.folder)
    wait_for_rows(project, 20)
    return child


def end_of(child: subprocess.Popen[str]) -> str:
    """Wait for a driver that was stopped from elsewhere, and return what it said."""
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "Traceback" not in said
    return said


@pytest.mark.needs_time
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_job_is_paused_from_another_process_and_goes_on_elsewhere(project: Project, executor: str) -> None:
    child = start_slow(project, "--executor", executor)
    job = project.jobs()[0]["version"][:12]
    done = project.swcli("job", "pause", job, "--timeout", "0")
    assert_one_clear_message(done, "still running", exit_code=3)
    project.write("go", "")  # the rows that wait are done; the others come after the wish
    done = project.swcli("job", "pause", job)
    assert (done.returncode, done.stdout) == (0, f"job {job}: paused; go on with: swcli job resume {job}\n")
    assert f"job {job} was paused" in end_of(child)
    assert project.swcli("job", "pause", job).returncode == 0, "the wish is true already"
    info = project.info()
    assert (info["manifest"]["status"], info["steps"][0]["status"]) == ("paused", "paused")
    assert 0 < len(project.rows()) < 500
    other = "process" if executor == "thread" else "thread"
    done = project.swcli("job", "resume", job, "--executor", other, "--replicas", "3")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == ALL
    assert_one_clear_message(project.swcli("job", "pause", job), "ended", "success")
    again = project.swcli("job", "resume", job)
    assert (again.returncode, "has succeeded already" in again.stderr) == (0, True)


@pytest.mark.needs_time
def test_a_job_is_canceled_from_another_process_once_and_again(project: Project) -> None:
    child = start_slow(project)
    assert project.swcli("job", "cancel", "latest", "--timeout", "0").returncode == 3
    project.write("go", "")
    assert project.swcli("job", "cancel", "latest").returncode == 0
    assert "was canceled" in end_of(child)
    done = project.swcli("job", "cancel", "latest")
    assert (done.returncode, project.jobs()[0]["status"]) == (0, "canceled"), done.stderr
    assert_one_clear_message(project.swcli("job", "pause", "latest"), "ended", "canceled")
    assert project.swcli("job", "resume", "latest").returncode == 0
    assert project.info()["report"]["summary"] == ALL


@pytest.mark.needs_time
@pytest.mark.parametrize("executor", ["process", "thread"])
def test_force_does_not_wait_for_the_rows_under_way(project: Project, executor: str) -> None:
    child = start_slow(project, "--executor", executor)
    done = project.swcli("job", "cancel", "latest", "--force")  # nobody lets the rows go on that wait
    assert done.returncode == 0, done.stderr
    assert "was canceled" in end_of(child)
    assert 0 < len(project.rows()) < 500
    project.write("go", "")
    assert project.swcli("job", "resume", "latest").returncode == 0
    assert project.info()["report"]["summary"] == ALL


@pytest.mark.needs_time
def test_force_ends_a_driver_that_does_not_answer(project: Project) -> None:
    child = start_slow(project)
    os.kill(child.pid, signal.SIGSTOP)
    done = project.swcli("job", "cancel", "latest", "--force")
    assert done.returncode == 0, done.stderr
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert project.jobs()[0]["status"] == "canceled"


@pytest.mark.needs_time
def test_a_time_limit_interrupts_the_job_and_resume_takes_another(project: Project) -> None:
    project.write("slow.py", SLOW)
    project.make_numbers(500)
    project.write("go", "")
    limited = project.run("-h", "slow:evaluate", "-d", "numbers", "--time-limit", "2s", module="slow")
    assert_one_clear_message(limited, "time limit of 2 s", "swcli job resume", exit_code=130)
    manifest = project.jobs()[0]
    assert manifest["status"] == "interrupted"
    assert "time limit of 2 s" in manifest["error_message"]
    assert 0 < len(project.rows()) < 500
    assert project.swcli("job", "resume", "latest", "--time-limit", "1h").returncode == 0
    assert project.info()["report"]["summary"] == ALL


@pytest.mark.needs_time
def test_what_a_job_prints_is_followed_from_another_process(project: Project) -> None:
    project.write(
        "slow.py", SLOW.replace("time.sleep(0.02)\n        while", "print('row', data['number'])\n        while")
    )
    project.make_numbers(110)
    words = ["--workdir", ".", "--module", "slow", "--handler", "slow:evaluate", "--dataset", "numbers"]
    child = project.swcli.start("model", "run", *words, cwd=project.folder)
    wait_for_rows(project, 20)
    follower = project.swcli.start("job", "logs", "latest", "--follow", "-n", "0", "-o", "json", "--step", "predict")
    assert follower.stdout is not None
    first = json.loads(follower.stdout.readline())
    assert (first["step"], first["attempt"]) == ("slow:predict", 1)
    project.write("go", "")
    lines = [first["line"], *(json.loads(line)["line"] for line in follower.stdout)]
    assert (follower.communicate(timeout=60)[1], follower.returncode) == ("", 0)
    assert sorted(lines) == sorted(f"row {number}" for number in range(110))
    child.communicate(timeout=60)
    shown = project.swcli("job", "logs", "latest", "--task", "0", "-n", "2")
    assert shown.stdout.startswith("== slow:predict, task 0, attempt 1: success ==\nrow ")
    assert "-n 0 shows all" in shown.stderr
