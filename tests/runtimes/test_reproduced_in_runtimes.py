"""A job that ran in a runtime is reproduced in that runtime, here and from its archive on a second, empty root."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.runtimes.test_jobs_in_runtimes import EVALUATION, build, manifest, pythons

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv


@pytest.fixture
def work(tmp_path: Path, placed: Swcli, call: Callable[..., str]) -> Path:
    """A folder with an evaluation, and a dataset and a runtime `r` in the instance."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    did(placed, "dataset", "build", "--csv", str(tmp_path / "rows.csv"), "--name", "numbers")
    build(tmp_path, call, pythons()[-1])
    return folder


@pytest.fixture
def other(tmp_path: Path, placed: Swcli) -> Swcli:
    """The same program on another machine: an empty root."""
    own = {"SW_LOCAL_STORAGE": str(tmp_path / "other"), "SW_CLI_CONFIG": str(tmp_path / "other.yaml")}
    return dataclasses.replace(placed, env={**placed.env, **own})


def did(swcli: Swcli, *words: str) -> str:
    done = swcli(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reproduce(swcli: Swcli, **more: str) -> tuple[int, dict[str, Any]]:
    done = swcli("job", "reproduce", "latest", "-o", "json", env=more)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_job_is_reproduced_from_one_file_on_another_root(
    tmp_path: Path, work: Path, placed: Swcli, other: Swcli
) -> None:
    did(placed, "model", "build", str(work), "-n", "m", "--runtime", "r", "--no-package-runtime")
    did(placed, "model", "run", "--uri", "m", "-d", "numbers", "--runtime", "r")
    archive = str(tmp_path / "job.swjob")
    did(placed, "job", "export", "latest", archive, "--with-model", "--with-datasets")
    did(other, "job", "import", archive)
    code, said = reproduce(other)
    assert (code, "that job" in said["error"]["message"], "--with-runtime" in said["error"]["hint"]) == (3, True, True)
    did(placed, "job", "export", "latest", archive, "--with-model", "--with-datasets", "--with-runtime", "-f")
    assert "imported local/project/self/runtime/r/version/" in did(other, "job", "import", archive)
    code, said = reproduce(other)
    assert (code, said["verdict"], said["rows"]["identical"]) == (0, "identical", 3)
    found = manifest(other)
    assert found["report"]["summary"] == {"rows": 3, "tiny": "1.0", "python": pythons()[-1]}
    assert found["manifest"]["runtime"] == manifest(placed)["manifest"]["runtime"]


def test_a_model_that_carries_its_runtime_brings_it_along(
    tmp_path: Path, work: Path, placed: Swcli, other: Swcli
) -> None:
    did(placed, "model", "build", str(work), "-n", "m", "--runtime", "r")
    did(placed, "model", "run", "--uri", "m", "-d", "numbers")
    archive = str(tmp_path / "job.swjob")
    did(placed, "job", "export", "latest", archive, "--with-datasets", "--with-runtime")
    assert did(other, "job", "import", archive).count("imported local/project/self/model/m/") == 1
    code, said = reproduce(other)
    assert (code, said["verdict"]) == (0, "identical")


def test_what_is_missing_of_a_runtime_is_said_and_nobody_can_tell(work: Path, placed: Swcli) -> None:
    did(placed, "model", "run", str(work), "-d", "numbers", "--runtime", "r")
    assert reproduce(placed, SW_ACTIVATED_RUNTIME_URI_IN_SUBPROCESS="local/project/self/runtime/gone")[0] == 0
    did(placed, "runtime", "remove", "r", "-y")
    code, said = reproduce(placed)
    assert (code, "swcli runtime recover local/project/self/runtime/r/version/" in said["error"]["hint"]) == (3, True)
    did(placed, "runtime", "recover", "r")
    version = json.loads(did(placed, "-o", "json", "runtime", "list"))[0]["version"]
    did(placed, "runtime", "restore", f"r/version/{version}")
    code, said = reproduce(placed, SW_RUNTIME_INSTALLER="none-such")
    assert (code, "cannot be made here: SW_RUNTIME_INSTALLER" in said["error"]["message"]) == (3, True)


def test_a_job_without_a_runtime_stays_without_one(work: Path, placed: Swcli, tmp_path: Path) -> None:
    (work / "evaluation.py").write_text(EVALUATION.replace("import tiny\n", "").replace("tiny.VERSION", "'none'"))
    did(placed, "model", "run", str(work), "-d", "numbers")
    assert "ran in no runtime" in placed("job", "export", "latest", str(tmp_path / "x"), "--with-runtime").stderr
    words = ("runtime", "run", "r", "--", "swcli", "-o", "json", "job", "reproduce", "latest")
    assert json.loads(did(placed, *words))["verdict"] == "identical"
    assert "runtime" not in manifest(placed)["manifest"]
