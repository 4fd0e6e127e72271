"""`swcli completion`: what a real shell offers after Tab."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.conftest import swcli_command

from starwhale.cli.completion import OTHER_NAMES, PROGRAM, SHELLS, make_script, write_script
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
    assert changed
    assert all(path.exists() for path in changed)
    assert make_script(shell) in [path.read_text(encoding="utf-8") for path in changed]
    if shell != "fish":
        mine, added = startup.read_text(encoding="utf-8").splitlines()
        assert mine == "export MINE=1"
        assert str(tmp_path / "config" / f"completion.{shell}") in added
    assert write_script(shell, tmp_path, tmp_path / "config") == []


@pytest.mark.needs_shells
def test_zsh_completes_every_name_of_the_program_also_where_completion_was_not_started(tmp_path: Path) -> None:
    write_script("zsh", tmp_path, tmp_path / "config")
    text = f"source {tmp_path}/.zshrc; echo $_comps[swcli] $_comps[sw] $_comps[starwhale]"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    asked = subprocess.run(
        ["zsh", "-f", "-c", text], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (asked.stdout.split(), asked.stderr) == (["_swcli_completion"] * 3, "")


@pytest.mark.needs_shells
@pytest.mark.parametrize("name", ["swcli", "sw", "starwhale"])
def test_fish_completes_every_name_of_the_program(name: str, instance_root: Mapping[str, str], tmp_path: Path) -> None:
    write_script("fish", tmp_path / ".config" / "fish", tmp_path / "config")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "swcli"
    program.write_text(f'#!/bin/sh\nexec {" ".join(swcli_command())} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for other in OTHER_NAMES:  # fish offers nothing for a command that is not there
        (programs / other).symlink_to(program)
    environment = {**instance_root, "HOME": str(tmp_path), "PATH": f"{programs}:/usr/bin:/bin"}
    environment.pop("XDG_CONFIG_HOME", None)
    asked = subprocess.run(
        ["fish", "-c", f"complete -C '{name} mod'"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.stdout.split("\t")[0] == "model", asked.stderr


def test_other_folders_of_the_shells_are_respected(
    instance_root: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SW_CLI_CONFIG", instance_root["SW_CLI_CONFIG"])
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    assert run(["completion", "install", "zsh"]) == 0
    assert run(["completion", "install", "fish"]) == 0
    assert (tmp_path / "ZDOTDIR" / ".zshrc").is_file()
    assert (tmp_path / "XDG_CONFIG_HOME" / "fish" / "completions" / "sw.fish").is_file()


def test_the_program_has_its_three_names() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["scripts"] == dict.fromkeys((PROGRAM, *OTHER_NAMES), "starwhale.cli:main")
    assert {PROGRAM, *OTHER_NAMES} == {"swcli", "sw", "starwhale"}


def test_a_shell_that_nobody_knows_is_named(
    instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", instance_root["HOME"])
    assert run(["completion", "show", "tcsh"]) == 2
    assert "bash, zsh, fish" in capfd.readouterr().err
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run(["completion", "show"]) == 0
    assert capfd.readouterr().out.strip() == make_script("fish").strip()
