"""Names and messages of anybody cannot command a terminal, and go into JSON whatever they hold."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from starwhale.cli.app import make_console
from starwhale.cli.render.render_table import Column, render_table
from starwhale.cli.root import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EVALUATION = "from starwhale import evaluation\n\n@evaluation.predict\ndef predict(row):\n    return 1\n"


def test_a_console_shows_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console(is_terminal=False)
    console.print("one\r\ttwo \x1b[2J", markup=False)
    columns = [Column(title="first"), Column(title="second")]
    render_table(console, columns, [{"first": "\x1b]0;title\x07", "second": "\x9b31m\u202ered"}])

    shown = capsys.readouterr().out
    assert not {"\x1b", "\r", "\x07", "\x9b", "\u202e"} & set(shown)
    for each in ("\\x1b[2J", "\\x1b]0;title\\x07", "\\x9b31m\\u202ered"):
        assert each in shown


def test_what_is_not_utf8_is_refused_where_it_has_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "root"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "evaluation.py").write_text(EVALUATION)

    assert run(["model", "build", str(tmp_path), "--name", "m", "--desc", "caf\udce9", "--exclude", "/root"]) == 2
    shown = capsys.readouterr().err
    assert "'caf\\udce9' is not UTF-8" in shown
    assert "Traceback" not in shown


def test_awkward_names_of_files_are_shown_on_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "root"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    work = tmp_path / "work"
    work.mkdir()
    (work / "evaluation.py").write_text(EVALUATION)
    names = ["two\nlines", "\x1b[31mred", "tab\t", " blank ", "-rf", "📦 é"]
    for name in names:
        (work / name).touch()

    assert run(["model", "build", str(work)]) == 0
    capsys.readouterr()
    assert run(["model", "info", "work", "--output-filter", "files"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "two\\nlines\n" in shown
    assert "\\x1b[31mred\n" in shown
    assert "tab\\t\n" in shown
    assert run(["-o", "json", "model", "info", "work", "--output-filter", "files"]) == 0
    assert {each["path"] for each in json.loads(capsys.readouterr().out)["files"]} == {*names, "evaluation.py"}

    os.close(os.open(os.fsencode(work) + b"/latin\xe9", os.O_CREAT))
    assert run(["-o", "json", "model", "build", str(work)]) == 1
    assert "not UTF-8" in json.loads(capsys.readouterr().out)["error"]["message"]
