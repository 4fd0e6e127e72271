"""Other ways to a lock and to an environment: editable sources, the shell, a folder, and an environment that is active."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.terminal import open_terminal
from tests.runtimes.test_jobs_in_runtimes import EVALUATION, build, manifest, pythons

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv
BACKEND = """
import hashlib, pathlib, zipfile, base64, os

def _wheel(folder, files):
    pathlib.Path("build-left-this").touch()
    name = "mine-0.3-py3-none-any.whl"
    info = "mine-0.3.dist-info"
    files = {**files, f"{info}/METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 0.3\\nRequires-Dist: small\\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    def record(path, text):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        return f"{path},sha256={digest},{len(text)}"
    lines = [record(*each) for each in files.items()]
    files[f"{info}/RECORD"] = "\\n".join([*lines, f"{info}/RECORD,,"]) + "\\n"
    year = 1980 if "SOURCE_DATE_EPOCH" in os.environ else 2024
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as out:
        for path, text in files.items():
            out.writestr(zipfile.ZipInfo(path, (year, 1, 1, 0, 0, 0)), text)
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    if pathlib.Path("broken").exists():
        raise SystemExit("the build has its own reason")
    return _wheel(folder, {"mine.py": pathlib.Path("mine.py").read_text()})

def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"mine.pth": os.getcwd() + "\\n"})
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "mine"
version = "0.3"
"""


@pytest.fixture
def prefix(tmp_path: Path, index: tuple[Path, str]) -> Path:
    """An environment with one package of an index, and one that is installed as editable."""
    source = tmp_path / "source"
    (source / ".venv").mkdir(parents=True)
    (source / ".venv" / "pyvenv.cfg").touch()
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "backend.py").write_text(BACKEND)
    (source / "mine.py").write_text("VERSION = '0.3'\n")
    made = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    install = [str(made / "bin" / "python"), "-m", "pip", "install", "-q", "--index-url", index[1], "--isolated"]
    subprocess.run([*install, "tiny==1.0", "-e", str(source)], check=True)
    (source / "build-left-this").unlink()
    return made


def test_editable_sources_are_packed_as_wheels_and_left_as_they_are(
    each: Callable[..., str], tmp_path: Path, prefix: Path
) -> None:
    before = sorted(path.name for path in (tmp_path / "source").iterdir())
    said = each("build", "--venv", str(prefix), code=2)
    assert "mine 0.3 is installed as editable, which no other machine has" in said
    assert "--include-editable" in said
    for name in ("first", "second"):
        each("build", "--venv", str(prefix), "-ie", "-n", name)
    assert sorted(path.name for path in (tmp_path / "source").iterdir() if path.name != "__pycache__") == before
    locks = [json.loads(each("-o", "json", "info", name))["lock"] for name in ("first", "second")]
    assert locks[0] == locks[1], "equal sources give equal locks"
    assert "mine==0.3" in locks[0]["requirements-sw-lock.txt"]
    code = "import mine, tiny, small, sys; print(mine.__file__.startswith(sys.prefix), mine.VERSION, tiny.VERSION)"
    assert each("run", "first", "--", "python", "-c", code) == "True 0.3 1.0\n"
    (tmp_path / "source" / "broken").touch()
    said = each("build", "--venv", str(prefix), "-ie", "-n", "third", code=1)
    assert f"no wheel can be built of {tmp_path / 'source'}" in said
    assert "the build has its own reason" in said


def test_the_shell_is_locked_as_it_is(call: Callable[..., str], tmp_path: Path, prefix: Path) -> None:
    active = {"VIRTUAL_ENV": str(prefix), "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "project").mkdir()
    call("build", "--shell", "-ie", "-n", "shell", **active)
    lock = json.loads(call("-o", "json", "info", "shell"))["lock"]["requirements-sw-lock.txt"]
    assert [name for name in ("mine==0.3", "tiny==1.0", "small==3.1") if name in lock] == [
        "mine==0.3",
        "tiny==1.0",
        "small==3.1",
    ]
    assert "is an environment of conda" in call(
        "build", "-s", code=2, VIRTUAL_ENV="", CONDA_PREFIX=str(conda(tmp_path))
    )


def conda(tmp_path: Path) -> Path:
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    return tmp_path / "conda"


def test_a_lock_is_written_into_a_folder_and_no_version_is_kept(
    call: Callable[..., str], tmp_path: Path, prefix: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    assert f"there is no {folder / 'runtime.yaml'}" in call("lock", str(folder), code=2)
    (folder / "runtime.yaml").write_text("dependencies: [{pip: ['tiny<2']}]\n")
    path = folder / ".starwhale" / "lock" / "requirements-sw-lock.txt"
    assert f"locked in {path}" in call("lock", str(folder))
    text = path.read_text()
    assert "tiny==1.0" in text
    assert "--hash=sha256:" in text
    shown = call("lock", str(folder), "--stdout")
    assert shown.endswith(text)
    call("lock", str(folder), "-p", str(prefix), "-ie")
    assert "mine==0.3" in path.read_text()
    call("lock", str(tmp_path / "new"), "-f", str(folder / "runtime.yaml"))
    assert (tmp_path / "new" / ".starwhale" / "lock" / path.name).read_text() == text
    assert json.loads(call("-o", "json", "list")) == []


def test_versions_have_a_history_and_tags(call: Callable[..., str], tmp_path: Path) -> None:
    build(tmp_path, call, pythons()[-1])
    assert call("tag", "r", "good") != ""
    build(tmp_path, call, pythons()[-1])
    newest, oldest = json.loads(call("-o", "json", "history", "r", "--fullname"))
    assert (newest["tags"], oldest["tags"]) == (["latest", "v1"], ["good", "v0"])
    assert len(newest["version"]) == 40
    call("tag", "r", "good")
    assert call("tag", "r/version/v0") == "v0\n"
    assert call("tag", "r/version/good") == "good,latest,v1\n"
    assert "copied to local/project/self/runtime/other/version/" in call("copy", "r", "other")
    assert "nothing to copy, it is there already" in call("copy", "r", "other")
    assert call("tag", "other") == "good,latest,v0\n"
    call("tag", "r", "-r", "good")
    assert "is reserved" in call("tag", "r", "v9", code=2)
    assert "has no tag 'nope'" in call("tag", "r", "-r", "nope", code=1)
    call("remove", "r", "-y")
    assert [each["version"] for each in json.loads(call("-o", "json", "history", "r", "--fullname"))] == [
        oldest["version"]
    ]


def test_an_environment_is_activated_in_a_shell_and_used_by_what_is_built_there(
    tmp_path: Path, call: Callable[..., str], placed: Swcli
) -> None:
    minor = pythons()[-1]
    build(tmp_path, call, minor)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    assert placed("dataset", "build", "--csv", "rows.csv", "--name", "numbers").returncode == 0
    command = call("activate", "r").strip()
    assert command == json.loads(call("activate", "r", "-o", "json"))["command"]
    swcli = swcli_command()[0]
    script = (
        f"{command} && python -c 'import tiny; print(tiny.VERSION)' && {swcli} model build work -n m"
        f" && {swcli} model run work -d numbers && deactivate && {swcli} model history m"
    )
    done = subprocess.run(
        ["bash", "-c", script], env=dict(placed.env), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1.0\n")
    assert "r/version/" in done.stdout.splitlines()[-1], "the model carries the runtime that was active"
    assert manifest(placed)["manifest"]["runtime"]["uri"].startswith("local/project/self/runtime/r/version/")


def test_activate_opens_a_shell_on_a_terminal(tmp_path: Path, call: Callable[..., str], placed: Swcli) -> None:
    build(tmp_path, call, pythons()[-1])
    env = {**placed.env, "SHELL": "/bin/bash"}
    with open_terminal([*swcli_command(), "runtime", "activate", "r"], env=env, cwd=tmp_path) as terminal:
        terminal.read_until("leave with: exit")
        terminal.answer(
            "python -c 'import tiny, starwhale; print(\"tiny\", tiny.VERSION)'; echo $SW_ACTIVATED_RUNTIME_MODE_IN_SHELL"
        )
        terminal.read_until("tiny 1.0\nvenv\n")
        terminal.answer("swcli --version && exit 3")
        assert terminal.wait() == 3


@pytest.mark.needs_shells
@pytest.mark.parametrize(("shell", "prompt"), [("zsh", "(r) "), ("fish", "(r) ")])
def test_other_shells_have_the_name_of_the_runtime_in_their_prompt(
    shell: str, prompt: str, tmp_path: Path, call: Callable[..., str], placed: Swcli
) -> None:
    build(tmp_path, call, pythons()[-1])
    program = shutil.which(shell) or ""
    assert (
        placed("runtime", "activate", "r", env={"SHELL": program})
        .stdout.strip()
        .endswith("bin/activate.fish" if shell == "fish" else "bin/activate")
    )
    env = {**placed.env, "SHELL": program, "HOME": str(tmp_path)}
    with open_terminal([*swcli_command(), "runtime", "activate", "r"], env=env, cwd=tmp_path) as terminal:
        terminal.read_until(prompt)
        terminal.answer("python -c 'import tiny; print(10 ** 3 + 7, tiny.VERSION)'")
        terminal.read_until("1007 1.0")
        terminal.answer("exit 3")
        assert terminal.wait() == 3
