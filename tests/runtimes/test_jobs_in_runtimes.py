"""Jobs and builds in the environment of a runtime, on every Python of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.errors import RestoreError
from starwhale.runtimes.interpreters import find_interpreter

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv
EVALUATION = """
import os, sys
import tiny
from starwhale import evaluation

@evaluation.predict
def predict(row):
    if os.path.exists("fail"):
        raise ValueError("not yet")
    return [tiny.VERSION, "%d.%d" % sys.version_info[:2]]

@evaluation.evaluate(needs=[predict])
def report(results):
    rows = [row["output"] for row in results]
    evaluation.log_summary(rows=len(rows), tiny=rows[0][0], python=rows[0][1])
"""


def pythons() -> list[str]:
    found: list[str] = []
    for minor in ("3.11", "3.12", "3.13"):
        try:
            found.append(find_interpreter(minor, folders=(Path.home() / ".pyenv" / "versions",)).minor)
        except RestoreError:
            continue
    return found


@pytest.fixture
def work(tmp_path: Path, placed: Swcli) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    assert placed("dataset", "build", "--csv", str(tmp_path / "rows.csv"), "--name", "numbers").returncode == 0
    return folder


def build(tmp_path: Path, call: Callable[..., str], minor: str, name: str = "r") -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(f"name: {name}\nenvironment: {{python: '{minor}'}}\ndependencies: [{{pip: ['tiny==1.0']}}]\n")
    call("build", "--yaml", str(path))


def manifest(placed: Swcli) -> dict[str, Any]:
    return json.loads(placed("-o", "json", "job", "info", "latest").stdout)


def test_a_job_runs_in_the_runtime_on_every_python(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli
) -> None:
    assert "No module named 'tiny'" in placed("model", "run", str(work), "-d", "numbers").stderr
    for minor in pythons():
        build(tmp_path, call, minor, f"r{minor.replace('.', '')}")
        done = placed("model", "run", str(work), "-d", "numbers", "--runtime", f"r{minor.replace('.', '')}")
        assert done.returncode == 0, done.stderr
        found = manifest(placed)
        assert found["report"]["summary"] == {"rows": 3, "tiny": "1.0", "python": minor}
        record = found["manifest"]["runtime"]
        assert record["uri"].startswith(
            f"local/project/self/runtime/r{minor.replace('.', '')}/version/{record['version']}"
        )
        assert found["manifest"]["python_version"].startswith(minor)
        assert {len(record["digest"]), len(record["lock_digest"])} == {64}


def test_a_job_goes_on_in_the_runtime_that_it_began_in(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli
) -> None:
    minor = pythons()[-1]
    build(tmp_path, call, minor)
    (work / "fail").touch()
    assert placed("model", "run", str(work), "-d", "numbers", "-r", "r").returncode == 1
    before = manifest(placed)["manifest"]["runtime"]
    path = tmp_path / "r.yaml"
    path.write_text(path.read_text().replace("tiny==1.0", "tiny==2.0"))
    call("build", "--yaml", str(path))
    (work / "fail").unlink()
    done = placed("job", "resume", "latest")
    assert done.returncode == 0, done.stderr
    found = manifest(placed)
    assert found["report"]["summary"] == {"rows": 3, "tiny": "1.0", "python": minor}
    assert found["manifest"]["runtime"] == before


def test_a_model_carries_its_runtime(tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli) -> None:
    minor = pythons()[-1]
    build(tmp_path, call, minor)
    done = placed("model", "build", str(work), "-n", "m", "--runtime", "r")
    assert done.returncode == 0, done.stderr
    assert placed("runtime", "remove", "r", "-y").returncode == 0
    assert placed("gc", "--yes").returncode == 0
    done = placed("model", "run", "--uri", "m", "-d", "numbers")
    assert done.returncode == 0, done.stderr
    found = manifest(placed)
    assert found["report"]["summary"] == {"rows": 3, "tiny": "1.0", "python": minor}
    assert found["manifest"]["runtime"]["packaged_in_model"] is True
    done = placed("model", "run", "--uri", "m", "-d", "numbers", "--forbid-packaged-runtime")
    assert (done.returncode, "No module named 'tiny'" in done.stderr) == (1, True)
    build(tmp_path, call, minor)
    assert placed("model", "build", str(work), "-n", "bare", "-r", "r", "--no-package-runtime").returncode == 0
    assert placed("model", "run", "--uri", "bare", "-d", "numbers").returncode == 1


def test_a_runtime_that_is_not_there_is_told_with_the_nearest(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli
) -> None:
    build(tmp_path, call, pythons()[-1], "digits")
    for words in (("model", "run", str(work), "-d", "numbers"), ("model", "build", str(work))):
        done = placed(*words, "--runtime", "digts")
        assert (done.returncode, "did you mean 'digits'?" in done.stderr) == (1, True)
