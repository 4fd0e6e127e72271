"""`swcli config` and `swcli instance`: what is set, and an edit that can break nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.terminal import open_terminal

from starwhale.api.resource import Project, Resource
from starwhale.cli.root import run


@pytest.fixture
def config(instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    return Path(instance_root["SW_CLI_CONFIG"])


def shown(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capfd.readouterr()
    assert run([*words, "-o", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert isinstance(found, dict | list)
    return found if isinstance(found, dict) else found[0]


def test_show_says_what_holds_and_from_where(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config.unlink(missing_ok=True)
    assert shown(capfd, "config", "show")["exists"] is False
    text = "instances:\n  local:\n    current_project: mine\nothers: kept\n"
    config.write_text(text, encoding="utf-8")
    found = shown(capfd, "config", "show")
    assert (found["current_project"], found["text"], found["path"]) == ("mine", text, str(config))
    config.write_text("instances: [unclosed", encoding="utf-8")
    assert run(["config", "show"]) == 2
    assert str(config) in capfd.readouterr().err


def test_an_edit_needs_a_terminal(
    config: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/null", encoding="utf-8") as nothing:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(["config", "edit"]) == 2
    assert "needs a terminal" in capfd.readouterr().err
    assert not list(config.parent.glob("*.draft"))


def test_an_edit_that_breaks_the_file_is_kept_beside_it(
    config: Path, instance_root: Mapping[str, str], tmp_path: Path
) -> None:
    config.write_text("others: kept\n", encoding="utf-8")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncat "$NEW_TEXT" >> "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    new = tmp_path / "new"
    env = {**instance_root, "EDITOR": str(editor), "VISUAL": str(editor), "NEW_TEXT": str(new)}

    def edit(added: str) -> tuple[int, str]:
        new.write_text(added, encoding="utf-8")
        with open_terminal([*swcli_command(), "config", "edit"], env=env, cwd=tmp_path) as terminal:
            return terminal.wait(), terminal.rest()

    code, said = edit("theirs: [unclosed\n")
    assert (code, "is as it was" in " ".join(said.split())) == (2, True)
    assert config.read_text(encoding="utf-8") == "others: kept\n"
    env["EDITOR"] = env["VISUAL"] = str(tmp_path / "no-such-editor")
    code, said = edit("")
    assert (code, "no-such-editor" in said, "Traceback" in said) == (1, True, False)
    env["EDITOR"] = env["VISUAL"] = str(editor)
    code, said = edit("]\n")  # the draft is gone on with
    assert code == 0, said
    assert config.read_text(encoding="utf-8") == "others: kept\ntheirs: [unclosed\n]\n"
    assert [each.name for each in config.parent.glob("*.draft")] == []


def test_there_is_one_instance(
    config: Path, instance_root: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    del config
    for words in (["instance", "list"], ["instance", "info"], ["instance", "select", "local"]):
        found = shown(capfd, *words)
        assert (found["name"], found["uri"], found["in_use"]) == ("local", instance_root["SW_LOCAL_STORAGE"], True)
    for words, code in (
        (["instance", "info", "cloud"], 1),
        (["instance", "select", "cloud"], 1),
        (["instance", "login", "http://127.0.0.1:1", "--alias", "mine"], 1),
        (["instance", "logout", "mine"], 1),
        (["instance", "login", "x", "--token", "t", "--username", "u"], 2),
        (["instance", "login"], 0),
        (["instance", "logout", "local"], 0),
    ):
        capfd.readouterr()
        assert run(words) == code, words
        said = capfd.readouterr()
        assert code == 0 or "Try:" in said.err


def test_a_file_that_cannot_be_written_is_named(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del config
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "file" / "config.yaml"))
    assert run(["project", "select", "self"]) == 2
    err = capfd.readouterr().err
    assert f"{tmp_path / 'file' / 'config.yaml'} cannot be" in err
    assert "SW_CLI_CONFIG" in err


def test_uris_are_read_in_the_current_project(config: Path) -> None:
    config.write_text("instances: {local: {current_project: mine}}\n", encoding="utf-8")
    assert Resource("numbers", typ="dataset").full_uri == "local/project/mine/dataset/numbers/version/latest"
    assert (Project().name, Project("other").name) == ("mine", "other")
    assert Resource("numbers", typ="dataset", project="other").project.name == "other"


def test_old_names_of_instances_and_configuration_work(config: Path) -> None:
    from starwhale.base.uri.project import Project  # pyright: ignore[reportMissingImports] - answered by the front door
    from starwhale.utils.config import load_swcli_config  # pyright: ignore[reportMissingImports] - the same

    import starwhale

    config.write_text("others: kept\n", encoding="utf-8")
    assert load_swcli_config() == {"others": "kept"}
    assert Project("mine").instance == "local"
    with pytest.raises(LookupError, match="swcli instance login"):
        Project("mine", instance="cloud")
    with pytest.raises(RuntimeError, match="needs no login"):
        starwhale.login("local")
    with pytest.raises(ValueError, match="two ways to log in"):
        starwhale.login("http://127.0.0.1:1", username="u", token="t")
