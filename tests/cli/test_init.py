"""`swcli init`: what it writes runs with the commands that it prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from starwhale.cli.root import run


@pytest.fixture
def here(instance_root: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", [["."], ["a folder/deep"]], ids=["here", "elsewhere"])
def test_the_commands_that_it_prints_work(words: list[str], here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["init", *words]) == 0
    out = capfd.readouterr().out
    commands = [line.strip() for line in out.partition("next:\n")[2].splitlines()]
    assert len((here / words[0] / "reviews.csv").read_text(encoding="utf-8").splitlines()) == 1 + 10
    assert len(commands) == 3
    for command in commands:
        program, *rest = shlex.split(command)
        assert (program, run(rest)) == ("swcli", 0), capfd.readouterr().err
    out = capfd.readouterr().out
    assert "0.7000" in out, "the accuracy"
    assert "It works." in out, "a row that is wrong"


def test_beside_another_evaluation_the_file_is_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = "from starwhale import handler\n@handler\ndef other(): ...\n"
    (here / "other.py").write_text(other, encoding="utf-8")
    assert run(["init", "-o", "json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["files"] == ["evaluation.py", "reviews.csv"]
    assert said["next"][1] == "swcli model run evaluation.py -d reviews"


@pytest.mark.parametrize("name", ["evaluation.py", "reviews.csv"])
def test_nothing_is_overwritten(name: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / name).write_text("mine", encoding="utf-8")
    assert run(["init"]) == 1
    assert f"{name} is there already" in capfd.readouterr().err
    assert [(each.name, each.read_text(encoding="utf-8")) for each in here.iterdir()] == [(name, "mine")]


def test_a_place_that_is_a_file_is_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "file").touch()
    assert run(["init", "file/below"]) == 2
    assert "cannot write into file/below" in capfd.readouterr().err
