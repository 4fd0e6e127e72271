"""`swcli project` as a user types it, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from starwhale.cli.root import run
from starwhale.datasets.dataset import Dataset
from starwhale.instances import open_instance
from starwhale.settings import read_settings

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(instance_root: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])

    def swcli(*words: str) -> tuple[int, str, str]:
        code = run(words)
        out, err = capfd.readouterr()
        return code, out, err

    return swcli


def shown(call: Call, *words: str) -> Any:
    code, out, err = call(*words, "-o", "json")
    assert code == 0, out + err
    return json.loads(out)


def test_a_project_from_its_making_to_its_recovery(call: Call, instance_root: Mapping[str, str]) -> None:
    assert call("project", "create", "Demo")[:2] == (
        0,
        "created project Demo; make it the current one with: swcli project select Demo\n",
    )
    assert call("prj", "use", "demo")[0] == 0
    rows = shown(call, "project", "ls")
    assert [(row["name"], row["in_use"]) for row in rows] == [("self", False), ("Demo", True)]
    assert rows[0].keys() == {"name", "location", "owner", "in_use", "created_at"}
    found = shown(call, "project", "info", "DEMO")
    assert found.keys() == {"name", "location", "created_at"}
    assert (found["name"], found["location"]) == ("Demo", instance_root["SW_LOCAL_STORAGE"])

    code, _, err = call("project", "rm", "demo")
    assert (code, "swcli project select self" in err) == (1, True)
    assert call("project", "select", "self")[0] == 0
    code, out, _ = call("project", "remove", "demo")
    assert (code, out) == (
        0,
        "removed project Demo with everything in it; bring it back with: swcli project recover Demo\n",
    )
    assert [row["name"] for row in shown(call, "project", "list")] == ["self"]
    assert [row["name"] for row in shown(call, "project", "list", "--show-removed")] == ["Demo"]
    assert call("project", "recover", "Demo")[0] == 0
    assert [row["name"] for row in shown(call, "project", "list", "--page", "2", "--size", "1")] == ["Demo"]
    assert "there are more: --page 2" in call("project", "list", "--size", "1")[1]


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["info", "dmeo"], 1, "did you mean 'demo'"),
        (["select", "dmeo"], 1, "did you mean 'demo'"),
        (["remove", "dmeo"], 1, "did you mean 'demo'"),
        (["remove", "self"], 1, "'self' cannot be removed"),
        (["create", "DEMO"], 1, "there is a project 'demo' already"),
        (["create", "a b"], 2, "'a b'"),
        (["create", "1st"], 2, "1st"),
        (["recover", "demo"], 1, "was not removed"),
        (["list", "--size", "0"], 2, "--size"),
        (["list", "-i", "cloud"], 1, "no instance 'cloud'"),
        (["create"], 2, "PROJECT"),
    ],
)
def test_mistakes_name_the_thing_and_the_way_out(call: Call, words: list[str], exit_code: int, said: str) -> None:
    assert call("project", "create", "demo")[0] == 0
    code, out, err = call("project", *words)
    assert (code, said in err, out) == (exit_code, True, "")


def test_nothing_of_a_removed_project_is_reached_from_the_command_line(call: Call, tmp_path: Path) -> None:
    assert call("project", "create", "demo")[0] == 0
    with (
        open_instance(read_settings()) as instance,
        instance.datasets.open("local/project/demo/dataset/digits", Dataset) as dataset,
    ):
        dataset.append((0, {"x": 0}))
        dataset.commit()
    assert call("project", "remove", "demo")[0] == 0
    (tmp_path / "evaluation.py").write_text(
        "from starwhale import evaluation\n@evaluation.predict\ndef f(row): return 1\n"
    )
    digits = "local/project/demo/dataset/digits"
    for words in (
        ["dataset", "list", "-p", "demo"],
        ["dataset", "info", digits],
        ["dataset", "head", digits],
        ["job", "list", "-p", "demo"],
        ["model", "run", "-w", str(tmp_path), "-m", "evaluation", "-p", "demo", "-d", digits],
    ):
        code, _, err = call(*words)
        assert (code, "project 'demo' was removed" in err) == (1, True), (words, err)
    assert call("project", "recover", "demo")[0] == 0
    assert call("dataset", "info", digits)[0] == 0
