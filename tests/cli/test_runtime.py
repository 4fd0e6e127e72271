"""What `swcli runtime` says beside its results."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from starwhale.cli.runtime_diff import render
from starwhale.runtimes.diff import diff_runtimes

if TYPE_CHECKING:
    from tests.conftest import Swcli


def test_a_runtime_of_another_project_is_named_whole_in_what_comes_next(swcli: Swcli, tmp_path: Path) -> None:
    (tmp_path / "runtime.yaml").write_text("name: r\ndependencies: []\n")
    assert swcli("project", "create", "other").returncode == 0
    said = swcli("runtime", "build", "--disable-env-lock", "-p", "other").stdout
    assert "next: swcli runtime run local/project/other/runtime/r -- python" in said
    assert "      swcli runtime info local/project/other/runtime/r/version/" in said


def test_what_makes_one_locked_environment_of_another_is_said(swcli: Swcli, tmp_path: Path) -> None:
    def build(name: str, python: str) -> None:
        (tmp_path / "runtime.yaml").write_text(f"name: {name}\nenvironment:\n  python: '{python}'\ndependencies: []\n")
        done = swcli("runtime", "build", "--disable-env-lock")
        assert done.returncode == 0, done.stderr

    build("first", "3.11")
    build("second", "3.12")
    said = swcli("runtime", "diff", "first", "second")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[2:] == ["python: 3.11 → 3.12", "packages: no difference"]
    assert swcli("runtime", "diff", "first", "first").stdout.splitlines()[2:] == ["no difference"]
    told = json.loads(swcli("-o", "json", "runtime", "diff", "first", "second").stdout)
    assert (told["same"], told["facts"]) == (False, {"python": {"old": "3.11", "new": "3.12"}})
    gone = swcli("runtime", "diff", "first", "secnd")
    assert (gone.returncode, "did you mean 'second'" in gone.stderr) == (1, True)


def test_packages_that_differ_are_listed_by_name() -> None:
    def lock(*pins: str) -> str:
        return "".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in pins)

    manifest = {"environment": {"python": "3.11"}}
    found = diff_runtimes(
        ("a", lock("numpy==1.26.4", "rich==13.7", "click==8.1"), manifest),
        ("b", lock("numpy==2.1.0", "click==8.1", "polars==1.9"), manifest),
    )
    written = io.StringIO()
    render(Console(file=written, width=80), found, 2)
    assert written.getvalue().splitlines() == [
        "base:    a",
        "compare: b",
        "packages: 1 added, 1 changed, 1 removed",
        "  ~ numpy 1.26.4 → 2.1.0",
        "  + polars 1.9",
        "  … and 1 more; see more with --limit, or all with -o json",
    ]
