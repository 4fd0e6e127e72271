"""Jobs and builds in the environment of a runtime, on every Python of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
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


SCRIPT = """
import json, sys
from starwhale import Job, model

work, runtime = sys.argv[1:]
job = Job.create("self", work, "evaluation:report", datasets=["numbers"], runtime=runtime or None)
model.build(["evaluation"], work, name="carries", runtime=runtime)
model.build(["evaluation"], work, name="bare", runtime=runtime, package_runtime=False)
runs = [Job.run(model=each, datasets="numbers", runtime=runtime).summary for each in ("carries", "bare", work)]
print(json.dumps([job.status, [job.summary, *runs]]))
"""


@pytest.mark.parametrize("way", ["named", "active"])
def test_the_sdk_runs_and_builds_in_a_runtime(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli, way: str
) -> None:
    minor = pythons()[-1]
    build(tmp_path, call, minor)
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, str(tmp_path / "script.py"), str(work), "r" if way == "named" else ""]
    if way == "named":
        done = subprocess.run(words, env=dict(placed.env), capture_output=True, text=True, check=False)
    else:
        done = placed("runtime", "run", "r", "--", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["SUCCESS", 4 * [{"rows": 3, "tiny": "1.0", "python": minor}]]
    done = placed("model", "run", "--uri", "carries", "-d", "numbers")
    assert done.returncode == 0, done.stderr
    assert manifest(placed)["manifest"]["runtime"]["packaged_in_model"] is True
    assert "No module named 'tiny'" in placed("model", "run", "--uri", "bare", "-d", "numbers").stderr


def test_a_model_that_is_built_in_the_runtime_of_another_carries_it_too(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli
) -> None:
    build(tmp_path, call, pythons()[-1])
    assert placed("model", "build", str(work), "-n", "first", "--runtime", "r").returncode == 0
    first = json.loads(placed("-o", "json", "model", "list").stdout)[0]["version"]
    active = {"SW_ACTIVATED_RUNTIME_URI_IN_SUBPROCESS": f"local/project/self/model/first/version/{first}"}
    done = placed("model", "build", str(work), "-n", "second", env=active)
    assert done.returncode == 0, done.stderr
    said = placed("model", "info", "second").stdout
    assert "packaged_runtime: local/project/self/runtime/r/version/" in said
    assert placed("runtime", "remove", "r", "-y").returncode == 0
    done = placed("model", "run", "--uri", "second", "-d", "numbers")
    assert done.returncode == 0, done.stderr


def test_a_runtime_for_functions_of_the_script_is_refused_with_what_to_do(
    tmp_path: Path, work: Path, call: Callable[..., str], placed: Swcli
) -> None:
    build(tmp_path, call, pythons()[-1])
    (tmp_path / "here.py").write_text(
        "from starwhale import Job, evaluation\n@evaluation.predict\ndef mine(row):\n    return 1\n"
        "try:\n    Job.create('self', '.', mine, datasets=['numbers'], runtime='r')\n"
        "except ValueError as error:\n    print(error)\n"
    )
    words = [sys.executable, str(tmp_path / "here.py")]
    done = subprocess.run(words, env=dict(placed.env), capture_output=True, text=True, check=True)
    assert "this job runs in yours; put the functions in a file" in done.stdout
