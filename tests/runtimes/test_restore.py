"""Locks and environments with real installers, against an index on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtimes.conftest import INSTALLERS, variables
from tests.runtimes.index import make_wheel

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def write(folder: Path, text: str) -> Path:
    path = folder / "runtime.yaml"
    path.write_text(f"name: r\nenvironment: {{python: '{MINOR}'}}\n{text}")
    return path


def environments(tmp_path: Path) -> list[Path]:
    found = (tmp_path / "storage" / "runtimes" / "environments").glob("*")
    return sorted(each for each in found if each.is_dir())


def test_a_runtime_is_locked_restored_and_run(each: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "req.txt").write_text("starwhale>=0.6\nsmall\n")
    write(tmp_path, "dependencies:\n  - pip: ['tiny<2']\n  - req.txt\n")
    said = each("build")
    assert "left out starwhale>=0.6: this program" in said
    lock = each("info", "r", "-of", "lock")
    assert "tiny==1.0" in lock
    assert "small==3.1" in lock
    assert "127.0.0.1" not in lock
    code = "import json, tiny, small, starwhale, sys; print(json.dumps([tiny.VERSION, small.__file__, starwhale.__file__]))"
    version, place, ours = json.loads(each("run", "r", "--", "python", "-c", code))
    (environment,) = environments(tmp_path)
    assert (version, Path(place).is_relative_to(environment)) == ("1.0", True)
    assert Path(ours).resolve() == Path(__import__("starwhale").__file__)
    assert each("run", "r", "say-tiny") == "1.0\n"
    assert each("run", "r", "--", "python", "-c", "import sys; sys.exit(7)", code=7) == ""


def test_equal_locks_share_an_environment_and_files(each: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0']\n")
    each("build")
    each("build", "--name", "again")
    each("restore", "r")
    each("restore", "again")
    assert len(environments(tmp_path)) == 1
    write(tmp_path, "dependencies:\n  - pip: ['small', 'tiny==1.0', 'wants-original']\n")
    each("build", "--name", "other")
    each("restore", "other")
    assert len(environments(tmp_path)) == 2
    first, second = (next(place.rglob("tiny.py")) for place in environments(tmp_path))
    assert first.samefile(second)


def test_what_would_bring_in_the_original_takes_ours(call: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path, "dependencies:\n  - pip: [wants-original]\n")
    call("build")
    assert "starwhale==" not in call("info", "r", "-of", "lock")
    code = "import wants_original, starwhale; print(hasattr(starwhale, 'ORIGINAL'))"
    assert call("run", "r", "--", "python", "-c", code) == "False\n"


def test_damage_is_noticed_named_and_mended(each: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0']\n")
    each("build")
    each("restore", "r")
    (environment,) = environments(tmp_path)
    tiny = next(environment.rglob("tiny.py"))
    whole = tiny.read_text()
    tiny.write_text("VERSION = 'mine'\n")  # through the hard link, so the cache is damaged too
    said = each("run", "r", "--", "python", "-c", "import tiny; print(tiny.VERSION)")
    assert "is damaged (" in said
    assert "tiny.py has changed" in said
    assert said.endswith("1.0\n")
    assert tiny.read_text() == whole
    next(environment.rglob("small.py")).unlink()
    assert "small.py is missing" in each("run", "r", "say-tiny")
    stat = tiny.stat()
    tiny.write_bytes(whole.replace("1.0", "1.1").encode())
    os.utime(tiny, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # what no quick look can see
    assert "damaged: " in each("restore", "r", "--verify")
    assert tiny.read_text() == whole


def test_a_killed_restore_is_never_taken_for_whole(call: Callable[..., str], tmp_path: Path, swcli: Swcli) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0']\n")
    call("build")
    call("restore", "r")
    (environment,) = environments(tmp_path)
    (environment / "starwhale-environment.json").unlink()
    assert "starwhale-environment.json is missing" in call("run", "r", "say-tiny")


def test_wheels_and_native_files_come_along(each: Callable[..., str], tmp_path: Path) -> None:
    make_wheel(tmp_path / "dist", "mine", "0.1", needs=("small",))
    (tmp_path / "data.txt").write_text("native\n")
    write(
        tmp_path,
        "dependencies:\n  - wheels: [dist/mine-0.1-py3-none-any.whl]\n  - files: [{src: data.txt, dest: etc/data.txt}]\n"
        "  - commands: ['echo ran > commanded.txt']\n",
    )
    each("build")
    assert "mine==0.1" in each("info", "r", "-of", "lock")
    code = (
        "import mine, small, sys, pathlib; print(mine.VERSION, (pathlib.Path(sys.prefix) / 'etc/data.txt').read_text())"
    )
    said = each("run", "r", "--", "python", "-c", code)
    assert "the commands of this runtime are left out" in said
    assert said.endswith("0.1 native\n\n")
    code = "import sys, pathlib; print((pathlib.Path(sys.prefix) / 'commanded.txt').read_text())"
    assert "ran\n" in each("run", "r", "--", "python", "-c", code, SW_RUNTIME_FORCE_RUN_COMMAND="1")


def test_an_environment_is_locked_as_it_stands(
    call: Callable[..., str], tmp_path: Path, index: tuple[Path, str]
) -> None:
    prefix = tmp_path / "mine"
    subprocess.run([sys.executable, "-m", "venv", str(prefix)], check=True)
    wheel = make_wheel(tmp_path / "dist", "local-one", "0.2")
    install = [str(prefix / "bin" / "python"), "-m", "pip", "install", "-q", "--index-url", index[1], "--isolated"]
    subprocess.run([*install, "tiny==1.0", str(wheel)], check=True)
    said = call("build", "--venv", str(prefix), code=2)
    assert "local-one 0.2 was installed from a local file" in said
    assert "--include-local-wheel" in said
    call("build", "--venv", str(prefix), "--include-local-wheel", "-n", "frozen")
    lock = call("info", "frozen", "-of", "lock")
    assert "tiny==1.0" in lock
    assert "local-one==0.2" in lock
    code = "import tiny, local_one; print(tiny.VERSION, local_one.VERSION)"
    assert call("run", "frozen", "--", "python", "-c", code).endswith("1.0 0.2\n")


def test_what_cannot_be_resolved_is_said_by_the_resolver(each: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==9']\n")
    said = each("build", code=1)
    assert "the requirements cannot be resolved" in said
    assert "tiny==9" in said


def test_a_runtime_that_is_not_locked_is_resolved_when_it_is_used(call: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "req.txt").write_text("small\n")
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0', starwhale]\n  - req.txt\n")
    call("build", "--disable-env-lock", SW_PYPI_INDEX_URL="http://127.0.0.1:9/simple")
    assert call("run", "r", "--", "python", "-c", "import tiny, small; print(tiny.VERSION)").endswith("1.0\n")


def test_collecting_garbage_takes_environments_that_nobody_needs(
    call: Callable[..., str], tmp_path: Path, swcli: Swcli
) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0']\n")
    call("build")
    call("restore", "r")
    assert swcli("gc", "--yes").returncode == 0
    assert len(environments(tmp_path)) == 1
    call("remove", "r", "-y")
    done = swcli("gc", "--yes")
    assert done.returncode == 0, done.stderr
    assert "environments" in done.stdout
    assert environments(tmp_path) == []


@pytest.mark.needs_kills
def test_restores_killed_at_any_moment_leave_no_half_environment(
    call: Callable[..., str], tmp_path: Path, swcli: Swcli, index: tuple[Path, str]
) -> None:
    write(tmp_path, "dependencies:\n  - pip: ['tiny==1.0']\n")
    call("build")
    for number in range(12):
        child = subprocess.Popen(
            [str(Path(sys.executable).parent / "swcli"), "runtime", "restore", "r", "-f"],
            env={**swcli.env, "SW_PYPI_INDEX_URL": index[1]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(0.1 + 0.1 * number)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert call("run", "r", "say-tiny").endswith("1.0\n")


@pytest.mark.parametrize("installer", INSTALLERS)
def test_packages_that_are_kept_need_no_network_elsewhere(
    installer: str, index: tuple[Path, str], swcli: Swcli, tmp_path: Path
) -> None:
    (tmp_path / "runtime.yaml").write_text("name: r\ndependencies: [{pip: [tiny]}]\n")
    done = swcli("runtime", "build", "--download-all-deps", env=variables(installer, index))
    assert (done.returncode, "keeping 2 packages in the runtime" in done.stdout + done.stderr) == (0, True), done.stderr
    assert swcli("runtime", "export", "r", "r.swruntime").returncode == 0
    there = {
        **variables(installer, (index[0], "http://127.0.0.1:9/simple")),
        "SW_LOCAL_STORAGE": str(tmp_path / "there"),
    }
    assert swcli("runtime", "import", "r.swruntime", env=there).returncode == 0
    words = ("python", "-c", "import tiny, small; print(tiny.VERSION)")
    done = swcli("runtime", "run", "r", "--", *words, env=there)
    assert (done.returncode, done.stdout) == (0, "2.0\n"), done.stderr


def test_packages_are_kept_of_what_is_pinned_alone(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "runtime.yaml").write_text("name: r\ndependencies: [{pip: [tiny]}]\n")
    for words in (("-del",), ("--docker", "image", "-n", "r")):
        done = swcli("runtime", "build", "-dad", *words)
        assert (done.returncode, "leave --download-all-deps out" in done.stderr) == (2, True)
