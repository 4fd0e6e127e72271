"""The help is what people meet first: it fits a screen, and what is for every day comes first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from starwhale.cli.root import run, swcli

SCREEN = 24
"""Lines of the smallest terminal."""


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def test_the_first_page_fits_one_screen_and_shows_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 80
    titles = [line for line in lines if line.endswith(":")]
    assert titles == ["Options:", "Evaluate:", "Look after:"]
    assert [line.split()[0] for line in lines[lines.index("Evaluate:") + 1 :][:4]] == [
        "init",
        "dataset",
        "model",
        "job",
    ]
    assert "board" in " ".join(lines).partition("Not built yet:")[2]


def test_model_run_shows_what_is_for_every_day_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "run", "--help"]) == 0
    text = capsys.readouterr().out
    first, model, rows = re.split(r"\n\n(?:Model|Rows and place):\n", text.partition("\nOptions:\n")[2])
    options = [re.findall(r"^  (-\S+?)[, ]", panel, re.MULTILINE) for panel in (first, model, rows)]
    assert len(options[0]) <= 15
    assert options[0][:3] == ["-d", "-h", "--name"]
    assert options[1] == ["-w", "-u", "-m", "-f"]
    assert {"-dh", "--seed", "-p"} <= set(options[2])
    assert "[TARGET]" in text.splitlines()[0]


@pytest.mark.parametrize("path", [path for path, _ in commands(swcli)], ids=" ".join)
def test_every_command_has_help_that_fits(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" ".join(["Usage: swcli", *path]))
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-h", "modle"], "did you mean 'model'"),
        (["--help", "modle"], "did you mean 'model'"),
        (["model", "-h", "rnu"], "did you mean 'run'"),
        (["model", "rnu"], "did you mean 'run'"),
    ],
)
def test_help_for_what_is_not_there_names_what_is_close(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert says in capsys.readouterr().err


def test_what_is_not_built_is_named_only_where_it_is_close(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bord"]) == 2
    assert "did you mean 'board'" in capsys.readouterr().err
    assert run(["zzz"]) == 2
    said = capsys.readouterr().err
    assert "'dataset'" in said
    assert "'assistance'" not in said


def test_a_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in (["model", "run", "-d", "numbers"], ["model", "build", "."]):
        assert run(words) == 2
        assert "the current folder is not there any more" in capsys.readouterr().err


def test_help_before_a_command_is_the_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-h", "job", "info"]) == 0
    before = capsys.readouterr().out
    assert run(["job", "info", "--help"]) == 0
    assert capsys.readouterr().out == before
