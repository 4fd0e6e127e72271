"""Jobs whose tasks are containers, from the command line, with podman."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

import pytest
from tests import podman
from tests.end_to_end.project import COUNTING, Project, assert_one_clear_message

from starwhale.execution.executors.container_engine import JOB

pytestmark = pytest.mark.needs_podman

_FACTS = """
    import json
    import os
    import socket
    from pathlib import Path

    from starwhale import evaluation, handler

    limit = {"memory": {"request": "16Mi", "limit": "96Mi"}, "cpu": {"request": 0.1, "limit": 0.5}}


    @handler(resources=limit)
    def facts():
        status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
        try:
            Path("mine").touch()
        except OSError as error:
            evaluation.log_summary(refused=error.strerror)
        Path("/tmp/mine").touch()
        places = [Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory.max")]
        evaluation.log_summary(
            user=os.getuid(),
            rights=status["CapEff"],
            gains=status["NoNewPrivs"],
            links=[name for _, name in socket.if_nameindex()],
            outside="OUTSIDE" in os.environ,
            given=os.environ.get("GIVEN"),
            declared=os.environ.get("DECLARED"),
            home=os.environ["HOME"],
            memory=[int(each.read_text()) for each in places if each.exists()],
        )
"""
_ONE_ROW = """
    from starwhale import dataset
    with dataset("one", create="auto") as ds:
        ds[0] = {"number": 1}
        ds.commit()
"""
_STUCK = """
    import ctypes
    from pathlib import Path
    from starwhale import evaluation

    @evaluation.predict
    def predict(data):
        print("begun", flush=True)
        ctypes.PyDLL(None).sleep(600)  # no other thread of Python runs meanwhile
"""


@pytest.fixture
def project(project: Project, podman_variables: dict[str, str]) -> Project:
    """A user's folder on a machine with podman."""
    swcli = dataclasses.replace(project.swcli, cwd=project.folder, env={**project.swcli.env, **podman_variables})
    return dataclasses.replace(project, swcli=swcli)


def test_a_job_in_containers_has_the_results_of_one_in_processes(project: Project) -> None:
    project.write("evaluation.py", COUNTING)
    project.python(
        """
        from starwhale import dataset
        with dataset("numbers", create="auto") as ds:
            for number in range(500):
                ds[number] = {"number": number}
            ds.commit()
        """
    )
    words = ["model", "run", "evaluation.py", "-d", "numbers"]
    done = project.swcli(*words, "--in-container", "--image", podman.IMAGE)
    assert done.returncode == 0, done.stderr
    assert f"container executor, image {podman.IMAGE}" in done.stdout.replace("\n", " ").replace("│", "").replace(
        "  ", " "
    )
    inside = project.info()
    assert project.swcli(*words, "--executor", "process").returncode == 0
    outside = project.info()
    assert inside["report"]["summary"] == outside["report"]["summary"] == {"count": 500, "total": 499 * 500}
    assert inside["manifest"]["container"]["image_id"]
    rows = [project.swcli("-o", "json", "job", "results", which, "-n", "0").stdout for which in ("latest", "latest~1")]
    assert rows[0] == rows[1]


@pytest.mark.soak
def test_a_task_sees_its_image_and_little_else(project: Project) -> None:
    project.write("facts.py", _FACTS)
    project.write("model.yaml", "name: facts\nrun:\n  modules: [facts]\n  envs: [DECLARED]\n")
    assert project.swcli("model", "build", ".").returncode == 0
    env = {"OUTSIDE": "1", "DECLARED": "yes", "GIVEN": "too", "SW_CONTAINER_OPTIONS": "--env GIVEN"}
    done = project.swcli("model", "run", "--uri", "facts", "--in-container", "--image", podman.IMAGE, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.info()["report"]["summary"] == {
        "refused": "Read-only file system",
        "user": 65534 if os.geteuid() == 0 else os.geteuid(),
        "rights": "0" * 16,
        "gains": "1",
        "links": ["lo"],
        "outside": False,
        "given": "too",
        "declared": "yes",
        "home": "/tmp",  # noqa: S108 - in the container
        "memory": [96 * 2**20],
    }


@pytest.mark.soak
def test_the_image_of_a_runtime_is_used_and_one_with_packages_refused(project: Project) -> None:
    project.write("evaluation.py", "from starwhale import handler\n\n@handler\ndef go():\n    print('gone')\n")
    words = ["model", "run", "evaluation.py", "--in-container"]
    assert_one_clear_message(project.swcli(*words), "no image is named", "add --image NAME", exit_code=2)
    assert project.swcli("runtime", "build", "--docker", podman.IMAGE, "-n", "inside").returncode == 0
    done = project.swcli(*words, "--runtime", "inside")
    assert done.returncode == 0, done.stderr
    assert "gone" in project.swcli("job", "logs", "latest").stdout
    project.python("import venv; venv.create('mine')")
    assert project.swcli("runtime", "build", "--venv", "mine", "-n", "outside").returncode == 0
    told = ("runtime 'outside' has packages of its own", "leave --runtime out")
    assert_one_clear_message(project.swcli(*words, "--runtime", "outside", "--image", "x"), *told, exit_code=2)


def test_containers_end_with_a_driver_that_is_killed(project: Project, podman_variables: dict[str, str]) -> None:
    project.write("stuck.py", _STUCK)
    project.python(_ONE_ROW)
    words = ("model", "run", "stuck.py", "-d", "one", "--in-container", "--image", podman.IMAGE, "-v")
    driver = project.swcli.start(*words)
    assert driver.stderr is not None
    for line in driver.stderr:
        if "begun" in line:
            break
    (job,) = json.loads(project.swcli("-o", "json", "job", "list").stdout)
    label = f"{JOB}={job['manifest']['version']}"
    assert podman.containers(podman_variables, label)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    podman.wait_until_gone(podman_variables, label)


def test_what_is_wrong_is_told_before_anything_runs(project: Project) -> None:
    project.write("evaluation.py", "from starwhale import handler\n\n@handler\ndef go():\n    pass\n")
    words = ["model", "run", "evaluation.py"]
    inside = [*words, "--in-container", "--image", podman.IMAGE]
    assert_one_clear_message(project.swcli(*words, "--image", "x"), "--image x is for containers", exit_code=2)
    assert_one_clear_message(project.swcli(*inside, "--executor", "process"), "two places", exit_code=2)
    assert_one_clear_message(project.swcli(*inside, "--debug"), "not with --executor container", exit_code=2)
    nothing = {"PATH": "/nowhere"}
    told = ("nothing here runs containers: looked for podman and docker in PATH", "apt install podman")
    assert_one_clear_message(project.swcli(*inside, env=nothing), *told)
    absent = [*words, "--in-container", "--image", "localhost/there-is-none:1"]
    assert_one_clear_message(project.swcli(*absent), "there is no image 'localhost/there-is-none:1' here")
    assert json.loads(project.swcli("-o", "json", "job", "list").stdout) == []


@pytest.mark.soak
def test_a_job_is_continued_in_containers(project: Project) -> None:
    source = """
        import sys
        from starwhale import evaluation

        @evaluation.predict
        def predict(data):
            if sys.executable == PYTHON:
                raise ValueError("outside")
            return 1
    """
    project.write("evaluation.py", source.replace("PYTHON", repr(sys.executable)))
    project.python(_ONE_ROW)
    assert project.swcli("model", "run", "evaluation.py", "-d", "one").returncode == 1
    resume = ("job", "resume", "latest", "--executor", "container")
    assert_one_clear_message(project.swcli(*resume), "no image is named", exit_code=2)
    done = project.swcli(*resume, "--image", podman.IMAGE)
    assert done.returncode == 0, done.stdout + done.stderr
