"""What a worker elsewhere is told, and what it says when that is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from blake3 import blake3

from starwhale.domain.job import HandlerRecord, RunRequest, Step, Task, TaskError, TaskUpdate
from starwhale.domain.machine import Demand
from starwhale.domain.status import Status
from starwhale.errors import UsageError, VersionMismatchError
from starwhale.execution.network.model_files import fetch_model
from starwhale.execution.network.remote_worker import renewed_where_lost
from starwhale.execution.network.spec import WorkerSpec, read_spec
from starwhale.settings import TaskToken

STEP = Step(name="s", record=HandlerRecord(name="s", kind="predict"))
REQUEST = RunRequest(workdir="", modules=())
DEMAND = Demand(cpu=2.0, custom=(("tpu", 1.0),), labels=(("zone", "west"),))
TASK = Task(id="j/0/0", job_id="j", step=STEP, index=0, total=1, attempt=1, request=REQUEST, demand=DEMAND)
SPEC = WorkerSpec(server="http://127.0.0.1:9", task=TASK, modules=("m",), token="secret", workdir="/")


def test_what_a_worker_is_told_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "task.json"
    file.write_text(json.dumps(SPEC.to_json(with_secrets=True)))
    with pytest.raises(UsageError, match="others may read it"):
        read_spec(str(file))
    file.chmod(0o600)
    assert read_spec(str(file)) == SPEC
    assert "secret" not in repr(SPEC)
    file.write_text(json.dumps(SPEC.to_json(with_secrets=False)))
    assert "secret" not in file.read_text()
    file.chmod(0o644)  # nothing in it is secret
    with pytest.raises(UsageError, match="no token"):
        read_spec(str(file), TaskToken())
    token = tmp_path / "token"
    token.write_text("other\n")
    assert read_spec(str(file), TaskToken(path=token)) == dataclasses.replace(SPEC, token="other")


def test_a_task_of_another_version_is_refused_and_both_are_named() -> None:
    data = SPEC.to_json(with_secrets=True) | {"protocol": 99, "version": "9.9.9"}
    with pytest.raises(VersionMismatchError, match=r"9\.9\.9 \(protocol 99\), and this worker of"):
        WorkerSpec.from_json(data)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"protocol": 1}', '{"protocol": 1, "task": 5, "modules": 3}'])
def test_what_is_no_task_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "task.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="task"):
        read_spec(str(file))


def test_the_program_says_what_is_wrong_with_its_task(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "starwhale.execution.worker", "--task", str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == UsageError.exit_code
    assert done.stderr.startswith("Error: the task in")
    assert "Traceback" not in done.stderr


def test_an_attempt_that_lost_its_lease_is_begun_anew() -> None:
    error = TaskError(message="the lease has ended", exception="LeaseLostError: the lease has ended")
    update = TaskUpdate(task_id="j/0/0", attempt=1, status=Status.INTERRUPTED, error=error)
    found = renewed_where_lost(update)
    assert (found.status, found.worker_died, found.is_renewal) == (Status.FAILED, True, True)
    other = dataclasses.replace(update, error=TaskError(message="full", exception="NoSpaceError: full"))
    assert renewed_where_lost(other) is other


class _Client:
    """Answers what a server would of a model with one file."""

    key = "j/0/0#1"

    def __init__(self, entry: Mapping[str, object], piece: tuple[str, bytes]) -> None:
        self._answers = {"files": ([entry], []), "file": (piece[0], [memoryview(piece[1])])}

    def call(self, operation: str, *_: object) -> object:
        return self._answers[operation]


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", ""])
def test_a_file_of_a_model_stays_in_its_folder(tmp_path: Path, path: str) -> None:
    client = _Client({"path": path, "kind": "file", "digest": "d" * 64, "size": 1, "is_executable": False}, ("", b"x"))
    with pytest.raises(Exception, match="a file named"):
        fetch_model(client, tmp_path / "cache", tmp_path / "model")  # type: ignore[arg-type]  # all that is called of one
    assert not (tmp_path / "model").exists()


def test_a_file_that_came_otherwise_than_it_was_sent_is_refused(tmp_path: Path) -> None:
    entry = {"path": "a.py", "kind": "file", "digest": "d" * 64, "size": 1, "is_executable": False}
    with pytest.raises(Exception, match=r"'a\.py' came otherwise"):
        fetch_model(_Client(entry, ("0" * 64, b"x")), tmp_path / "cache", tmp_path / "model")  # type: ignore[arg-type]  # as above
    assert not (tmp_path / "model").exists()
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


def test_a_content_that_was_damaged_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    digest = blake3(b"x").hexdigest()
    entry = {"path": "a.py", "kind": "file", "digest": digest, "size": 1, "is_executable": False}
    client = _Client(entry, (hashlib.sha256(b"x").hexdigest(), b"x"))
    fetch_model(client, tmp_path / "cache", tmp_path / "first")  # type: ignore[arg-type]  # as above
    (tmp_path / "cache" / digest[:2] / digest).write_bytes(b"y")
    fetch_model(client, tmp_path / "cache", tmp_path / "second")  # type: ignore[arg-type]  # as above
    assert (tmp_path / "second" / "a.py").read_bytes() == b"x"
