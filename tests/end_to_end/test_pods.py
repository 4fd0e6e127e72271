"""The very Pod template of a job under `podman kube play`: predict, a kill, another lease, commit. Only the API of the cluster is a stub."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.project import Project, assert_one_clear_message
from tests.kubernetes_stub import Stub, serve
from tests.podman import IMAGE
from tests.podman_kubelet import PodmanKubelet

import starwhale
from starwhale.execution.executors.kubernetes_manifests import ATTEMPT_LABEL

pytestmark = [pytest.mark.needs_podman, pytest.mark.needs_kubernetes]

_ROWS = 60
_SLOW = """
    import os
    import time
    from starwhale import evaluation

    @evaluation.predict(resources={"memory": "256Mi", "cpu": {"request": 0.1, "limit": 1}}, log_mode="plain")
    def predict(data):
        time.sleep(0.05)
        return data["number"] * 2

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        outputs = [row["output"] for row in results]
        evaluation.log_summary(count=len(outputs), total=sum(outputs), user=os.getuid())
"""
_TEMPLATE = """
spec:
  template:
    spec:
      hostNetwork: true
      containers:
        - name: task
          imagePullPolicy: Never
          env: [{{name: PYTHONPATH, value: /opt/program}}]
          volumeMounts: [{{name: program, mountPath: /opt/program/starwhale, readOnly: true}}]
      volumes: [{{name: program, hostPath: {{path: {program}, type: Directory}}}}]
"""


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with serve(folder) as found:
        yield found


@pytest.fixture
def kubelet(stub: Stub, tmp_path: Path, podman_variables: dict[str, str]) -> Iterator[PodmanKubelet]:
    found = PodmanKubelet(stub, tmp_path / "cluster", podman_variables)
    yield found
    found.close()


@pytest.fixture
def project(project: Project, stub: Stub, tmp_path: Path) -> Iterator[Project]:
    """A user's folder on an instance that a server serves, with the cluster of the stub."""
    del stub
    template = tmp_path / "template.yaml"
    template.write_text(_TEMPLATE.format(program=Path(starwhale.__file__).parent), encoding="utf-8")
    env = {
        **project.swcli.env,
        "KUBECONFIG": str(tmp_path / "cluster" / "kubeconfig"),
        "SW_KUBERNETES_IMAGE": IMAGE,
        "SW_KUBERNETES_TEMPLATE": str(template),
    }
    server = dataclasses.replace(project.swcli, cwd=project.folder, env=env)
    started = server("-o", "json", "server", "start", "--port", "0", "--background")
    assert started.returncode == 0, started.stderr
    address = json.loads(started.stdout)["address"]
    yield dataclasses.replace(project, swcli=dataclasses.replace(server, env={**env, "SW_KUBERNETES_SERVER": address}))
    stopped = server("server", "stop")
    assert stopped.returncode == 0, stopped.stderr


def test_a_job_in_pods_outlives_a_kill_and_has_every_row_once(
    project: Project, stub: Stub, kubelet: PodmanKubelet
) -> None:
    project.write("slow.py", _SLOW)
    project.make_numbers(_ROWS)
    assert project.swcli("model", "build", ".", "--name", "slow", "-m", "slow").returncode == 0
    words = ["model", "run", "--uri", "slow", "-d", "numbers", "--executor", "kubernetes"]
    with subprocess.Popen(
        [*swcli_command(), *words],
        cwd=project.folder,
        env=dict(project.swcli.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        first = stub.wait_for(lambda: next((x for x, pod in stub.pods.items() if _runs(pod)), ""))
        while not project.jobs() or not project.info()["steps"][0]["done"]:
            assert driver.poll() is None, (driver.communicate(), stub.logs)
        kubelet.kill(first)
        said, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, said + errors
    assert "was killed by SIGKILL" in errors
    assert project.info()["report"]["summary"] == {"count": _ROWS, "total": _ROWS * (_ROWS - 1), "user": 65532}
    assert sorted(row["output"] for row in project.rows()) == [2 * number for number in range(_ROWS)]
    attempts = [each["metadata"]["labels"][ATTEMPT_LABEL][-6:] for each in kubelet.played]
    assert attempts == ["-0-0-1", "-0-0-2", "-1-0-1"]
    assert not any("swt_" in json.dumps(each) for each in kubelet.played), "the token stands in the Secret alone"


def _runs(pod: dict[str, Any]) -> bool:
    return pod["status"]["phase"] == "Running"


def test_what_is_wrong_is_told_before_anything_runs(project: Project, stub: Stub) -> None:
    project.write("slow.py", _SLOW)
    project.make_numbers(1)
    words = ["model", "run", "slow.py", "-d", "numbers", "--executor", "kubernetes"]
    assert_one_clear_message(project.swcli(*words), "runs a packaged model", "swcli model build", exit_code=2)
    loopback = {"SW_KUBERNETES_SERVER": ""}
    assert_one_clear_message(project.swcli(*words, env=loopback), "which Pods cannot reach", exit_code=2)
    assert stub.asked == []
