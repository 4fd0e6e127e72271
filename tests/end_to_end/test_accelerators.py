"""Accelerators, processors and numbers of tasks as a user has them. A script stands for nvidia-smi: machines that run the tests have none."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message

MODEL = """
    import os
    from starwhale import Context, evaluation

    @evaluation.predict(replicas=2, resources={"nvidia.com/gpu": 1})
    def predict(data):
        return {"seen": os.environ["CUDA_VISIBLE_DEVICES"], "pid": os.getpid(),
                "own": list(Context.get_runtime_context().accelerators)}

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        rows = list(results)
        tasks = {(row["output"]["pid"], row["output"]["seen"]) for row in rows}
        evaluation.log_summary(
            processes=len({pid for pid, _ in tasks}), pairs=len(tasks), seen=sorted({seen for _, seen in tasks}),
            own=sorted({str(row["output"]["own"]) for row in rows}), evaluated_on=os.environ.get("CUDA_VISIBLE_DEVICES"),
        )
"""


@pytest.fixture
def two(project: Project) -> dict[str, str]:
    """The environment of a machine with two accelerators."""
    script = "printf 'GPU %s: NVIDIA L4 (UUID: GPU-%s)\\n' 0 aa 1 bb"
    program = project.write("bin/nvidia-smi", f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    project.write("gpu.py", MODEL)
    project.make_numbers(400)
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def _summary(project: Project) -> dict[str, Any]:  # Any: what the model logs
    return project.info()["report"]["summary"]


@pytest.mark.needs_time
def test_each_process_sees_its_own_accelerator(project: Project, two: dict[str, str]) -> None:
    done = project.swcli(
        "model", "run", str(project.folder / "gpu.py"), "-d", "numbers", "--executor", "process", env=two
    )
    assert done.returncode == 0, done.stderr
    found = _summary(project)
    assert found["processes"] == found["pairs"], "a process keeps what it was started with"
    assert set(found["seen"]) <= {"0", "1"}
    assert found["own"] == ["[0]"], "in a process of its own it is the first one"
    assert found["evaluated_on"] in {"0", "1"}, "the step without needs goes on in a worker that is there"
    outer = {**two, "CUDA_VISIBLE_DEVICES": "1"}
    done = project.swcli(
        "model", "run", str(project.folder / "gpu.py"), "-d", "numbers", "--executor", "process", env=outer
    )
    assert done.returncode == 0, done.stderr
    assert _summary(project)["seen"] == ["1"], "what the user takes away is not there"
    assert "Warning: predict has 2 tasks, of which 1 can run at a time (1 accelerator)" in done.stderr


@pytest.mark.needs_time
def test_threads_see_all_accelerators_and_are_told_their_own(project: Project, two: dict[str, str]) -> None:
    outer = {**two, "CUDA_VISIBLE_DEVICES": "0,1"}
    done = project.swcli("model", "run", str(project.folder / "gpu.py"), "-d", "numbers", env=outer)
    assert done.returncode == 0, done.stderr
    found = _summary(project)
    assert (found["processes"], found["seen"]) == (1, ["0,1"])
    assert set(found["own"]) <= {"[0]", "[1]"}


def test_asking_for_more_than_there_is_fails_at_once(project: Project) -> None:
    project.write("gpu.py", MODEL)
    project.make_numbers(3)
    done = project.swcli("model", "run", str(project.folder / "gpu.py"), "-d", "numbers")
    told = ("asks for 1 accelerator, and there are", "no accelerators", "'request': 0")
    assert_one_clear_message(done, *told, exit_code=2)
    assert project.jobs() == [], "nothing has begun"


@pytest.mark.needs_time
def test_as_many_tasks_as_fit_are_chosen_and_told(project: Project, two: dict[str, str]) -> None:
    words = ["model", "run", str(project.folder / "gpu.py"), "-d", "numbers", "--executor", "process", "--replicas"]
    done = project.swcli(*words, "auto", env=two)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("predict: 2 tasks (2 accelerators)\n")
    assert json.loads(project.swcli("-o", "json", "job", "info", "latest").stdout)["steps"][0]["tasks"] == 2
    assert_one_clear_message(project.swcli(*words, "many", env=two), "no number of tasks", exit_code=2)


def test_an_unknown_executor_is_answered_with_those_that_are_there(project: Project) -> None:
    project.write("gpu.py", MODEL)
    words = ["model", "run", str(project.folder / "gpu.py"), "-d", "numbers", "--executor"]
    told = (
        "there are container, kubernetes, network, process, ray, thread",
        "did you mean 'process'",
        "entry points of the group 'starwhale.executor'",
    )
    assert_one_clear_message(project.swcli(*words, "proces"), *told, exit_code=2)
