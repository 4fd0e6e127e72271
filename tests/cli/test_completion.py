"""`swcli completion`: what a real shell offers after Tab."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.conftest import swcli_command

from starwhale.cli.completion import SHELLS, make_script, write_script
from starwhale.cli.root import run

ASK = """
{script}
swcli() {{ {command} "$@"; }}
ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=(); _swcli_completion {program}; echo "${{COMPREPLY[*]}}"; }}
ask swcli jo
ask swcli model run --deb
ask swcli model run -d num
ask swcli -o ""
ask swcli dataset info ""
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="install bash")
def test_bash_offers_commands_options_and_names(
    instance_root: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    (tmp_path / "rows.json").write_text('[{"x": 1}]', encoding="utf-8")
    assert run(["dataset", "build", "--json", str(tmp_path / "rows.json"), "--name", "numbers"]) == 0
    program = tmp_path / "swcli"
    program.write_text(f'#!/bin/sh\nexec {" ".join(swcli_command())} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = make_script("bash").replace("nosort", "default")  # the option is newer than some shells
    text = ASK.format(script=script, command=program, program=program)
    asked = subprocess.run(
        ["bash", "-c", text], env=dict(instance_root), capture_output=True, text=True, timeout=60, check=False
    )
    assert asked.stdout.splitlines() == ["job", "--debug", "numbers", "json", "numbers"], asked.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_an_installation_changes_nothing_the_second_time(shell: str, tmp_path: Path) -> None:
    startup = tmp_path / f".{shell}rc"
    if shell != "fish":
        startup.write_text("export MINE=1", encoding="utf-8")
    changed = write_script(shell, tmp_path, tmp_path / "config")
    assert all(path.exists() for path in changed)
    assert make_script(shell) in [path.read_text(encoding="utf-8") for path in changed]
    if shell != "fish":
        mine, added = startup.read_text(encoding="utf-8").splitlines()
        assert mine == "export MINE=1"
        assert str(tmp_path / "config" / f"completion.{shell}") in added
    assert write_script(shell, tmp_path, tmp_path / "config") == []


def test_a_shell_that_nobody_knows_is_named(
    instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", instance_root["HOME"])
    assert run(["completion", "show", "tcsh"]) == 2
    assert "bash, zsh, fish" in capfd.readouterr().err
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run(["completion", "show"]) == 0
    assert capfd.readouterr().out.strip() == make_script("fish").strip()
