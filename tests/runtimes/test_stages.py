"""What a person sees while an environment is made; what a program gets is free of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.terminal import open_terminal
from tests.runtimes.test_jobs_in_runtimes import EVALUATION, build, pythons

if TYPE_CHECKING:
    from tests.conftest import Swcli

pytestmark = pytest.mark.needs_venv
WIPED = "\r\x1b[K"


def watched(placed: Swcli, *words: str) -> str:
    with open_terminal([*swcli_command(), *words], env=placed.env, cwd=placed.cwd) as terminal:
        code = terminal.wait()
        assert code == 0, terminal.said
        return terminal.said


def test_a_terminal_shows_what_is_being_done(tmp_path: Path, call: Callable[..., str], placed: Swcli) -> None:
    minor = pythons()[-1]
    path = tmp_path / "r.yaml"
    path.write_text(f"name: r\nenvironment: {{python: '{minor}'}}\ndependencies: [{{pip: ['tiny==1.0', starwhale]}}]\n")
    said = watched(placed, "runtime", "build", "--yaml", str(path))
    assert "resolving the requirements …" in said
    assert f"{WIPED}left out starwhale: this program" in said, "a line that stays is no part of the one that is wiped"
    said = watched(placed, "runtime", "restore", "r")
    assert f"installing 2 packages for Python {minor}" in said
    assert said.rindex(WIPED) < said.index("ready: ")
    assert "installing" not in watched(placed, "runtime", "restore", "r"), "nothing is made a second time"
    done = placed("runtime", "restore", "r", "--force")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_job_on_a_terminal_shows_it_before_its_steps(tmp_path: Path, call: Callable[..., str], placed: Swcli) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    assert placed("dataset", "build", "--csv", "rows.csv", "--name", "numbers").returncode == 0
    build(tmp_path, call, pythons()[-1])
    said = watched(placed, "model", "run", str(tmp_path / "work"), "-d", "numbers", "-r", "r")
    assert "installing 2 packages" in said
    assert said.rindex("installing 2 packages") < said.index("tiny")
