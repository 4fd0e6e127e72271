"""Jobs that are submitted to a server whose tasks run in containers, or in Pods of a cluster whose API is a stub."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.end_to_end.project import COUNTING, Project, assert_one_clear_message
from tests.kubernetes_stub import serve
from tests.podman import IMAGE
from tests.podman_kubelet import PodmanKubelet

import starwhale

pytestmark = [pytest.mark.needs_podman, pytest.mark.needs_kubernetes]

ROWS = 60
PLACE = "cloud://lab/project/self"
SUMMARY = {"count": ROWS, "total": ROWS * (ROWS - 1)}
TEMPLATE = """
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
def project(project: Project, podman_variables: dict[str, str]) -> Project:
    """A user's folder with handlers and rows."""
    swcli = dataclasses.replace(project.swcli, cwd=project.folder, env={**project.swcli.env, **podman_variables})
    made = dataclasses.replace(project, swcli=swcli)
    made.write("evaluation.py", COUNTING)
    made.make_numbers(ROWS)
    return made


@contextmanager
def serving(project: Project, folder: Path, executor: str, env: Mapping[str, str]) -> Generator[Project]:
    """Start a server of its own root whose tasks run so, log in to it, and bring the rows there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    own = {"SW_LOCAL_STORAGE": str(folder / "storage"), "SW_CLI_CONFIG": str(folder / "config.yaml")}
    own |= {"SW_SERVER_EXECUTOR": executor, "SW_KUBERNETES_SERVER": address, **env}
    server = dataclasses.replace(project.swcli, env={**project.swcli.env, **own})
    started = server("-o", "json", "server", "start", "--port", str(port), "--background")
    assert started.returncode == 0, started.stderr
    try:
        token = json.loads(started.stdout)["token"]
        for words in (("instance", "login", address, "--alias", "lab", "--token", token), ("dataset", "copy", "numbers", PLACE)):  # fmt: skip
            done = project.swcli(*words)
            assert done.returncode == 0, done.stderr
        yield dataclasses.replace(project, swcli=server)
    finally:
        assert server("server", "stop").returncode == 0


def submit(project: Project, *words: str) -> str:
    """Submit the job and wait for its end; returns its id."""
    run = ("-o", "json", "model", "run", "evaluation.py", "-d", "numbers", "--run-project", PLACE)
    submitted = project.swcli(*run, *words)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    said = json.loads(submitted.stdout)
    assert project.swcli("job", "logs", "--follow", said["uri"]).returncode == 0
    return said["job"]["id"]


@pytest.mark.soak
def test_a_server_runs_submitted_jobs_in_containers(project: Project, tmp_path: Path) -> None:
    with serving(project, tmp_path / "server", "container", {}) as server:
        run = ("model", "run", "evaluation.py", "-d", "numbers", "--run-project", PLACE)
        assert_one_clear_message(project.swcli(*run), "no image is named", "add --image NAME", exit_code=2)
        wrong = project.swcli(*run, "--executor", "thread", "--image", IMAGE)
        assert_one_clear_message(wrong, "is for containers", exit_code=2)
        submit(project, "--image", IMAGE)
        found = server.info()
        assert (found["manifest"]["status"], found["report"]["summary"]) == ("success", SUMMARY), found
        assert found["manifest"]["container"]["image"] == IMAGE
        assert found["manifest"]["container"]["image_id"]


@pytest.fixture
def kubelet(tmp_path: Path, podman_variables: dict[str, str]) -> Iterator[PodmanKubelet]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with serve(folder) as stub:
        found = PodmanKubelet(stub, folder, podman_variables)
        yield found
        found.close()


@pytest.mark.soak
def test_a_server_runs_submitted_jobs_in_pods(project: Project, tmp_path: Path, kubelet: PodmanKubelet) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.format(program=Path(starwhale.__file__).parent), encoding="utf-8")
    env = {
        "KUBECONFIG": str(tmp_path / "cluster" / "kubeconfig"),
        "SW_KUBERNETES_IMAGE": IMAGE,
        "SW_KUBERNETES_TEMPLATE": str(template),
    }
    with serving(project, tmp_path / "server", "kubernetes", env) as server:
        submit(project)
        found = server.info()
        assert (found["manifest"]["status"], found["report"]["summary"]) == ("success", SUMMARY), found
        assert found["manifest"]["container"] == {"engine": "kubernetes", "image": IMAGE}
    assert len(kubelet.played) == 4, "three Pods for predict, and one for evaluate"
