"""`swcli model run`: what may be left out, and what a word means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from starwhale.cli.root import run

Call = Callable[..., tuple[int, str, str]]
SOURCE = """
import dataclasses
from starwhale import argument, evaluation, handler

@dataclasses.dataclass
class Options:
    factor: int = 2
    dry_run: bool = False

@evaluation.predict(log_mode="plain")
@argument(Options)
def times(row, argument):
    return row["number"] * argument.factor

@evaluation.evaluate(needs=[times])
def total(rows):
    evaluation.log_summary(total=sum(row["output"] for row in rows))
"""


@pytest.fixture
def call(
    instance_root: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    for name in ("HOME", "SW_CLI_CONFIG", "SW_LOCAL_STORAGE"):
        monkeypatch.setenv(name, instance_root[name])
    rows = tmp_path / "numbers.json"
    rows.write_text(json.dumps([{"number": number} for number in range(4)]), encoding="utf-8")
    assert run(["dataset", "build", "--json", str(rows), "--name", "numbers"]) == 0
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "evaluation.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.chdir(folder)

    def swcli(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(["model", "run", "-d", "numbers", *words])
        out, err = capfd.readouterr()
        return code, out, err

    return swcli


def total(call: Call, *words: str) -> int:
    code, out, err = call(*words, "-o", "json") if "--" not in words else call("-o", "json", *words)
    assert code == 0, out + err
    return int(json.loads(out)["report"]["summary"]["total"])


def test_a_target_is_this_folder_a_folder_a_file_or_a_packaged_model(call: Call, tmp_path: Path) -> None:
    assert total(call) == 12
    assert total(call, str(tmp_path / "mine"), "--limit", "2") == 2
    assert total(call, "evaluation.py", "-h", "total", "--limit", "2") == 2
    assert run(["model", "build", ".", "--name", "packaged"]) == 0
    (tmp_path / "mine" / "evaluation.py").write_text("raise RuntimeError('the package is what runs')", encoding="utf-8")
    assert total(call, "packaged", "--limit", "3") == 6
    code, _, err = call("-u", "packaged", "packaged")
    assert (code, "two ways to name what to run" in err) == (2, True)


def test_options_of_the_handlers_stand_on_either_side_of_the_dashes(call: Call) -> None:
    assert total(call, "--factor", "5", "--dry-run") == 30
    assert total(call, "--limit", "2", ".", "--factor=7", "--", "--factor", "11", "--unheard-of") == 11
    code, _, err = call("--factr", "5")
    assert (code, "no option '--factr'" in err, "did you mean --factor?" in err) == (2, True, True)
    code, _, err = call("--dry-runs")
    assert (code, "did you mean --dry-run?" in err) == (2, True)
    code, _, err = call("--limt", "5")
    assert (code, "did you mean --limit?" in err) == (2, True)
    code, _, err = call("--factor", "5", "more")
    assert (code, "nothing takes the word 'more'" in err) == (2, True)


def test_names_of_users_are_no_emoji(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "evaluation.py"
    path.write_text(SOURCE.replace("Options", "A"), encoding="utf-8")
    code, out, _ = call("--show-argument")
    assert (code, "evaluation:A:" in out) == (0, True), out


def test_a_typing_error_is_told_before_what_came_of_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    code, _, err = call("--limt", "5")
    assert (code, "no option '--limt'" in err) == (2, True)
    code, _, err = call()
    assert (code, "has handlers" in err, "swcli init" in err) == (2, True, True)


def test_an_option_of_the_handlers_is_not_blamed_for_another_mistake(call: Call, tmp_path: Path) -> None:
    code, _, err = call("--factor", "5", "-h", "nobody")
    assert (code, "no handler 'nobody'" in err) == (1, True), err
    (tmp_path / "mine" / "more.py").write_text(SOURCE, encoding="utf-8")
    code, _, err = call("--factor", "5")
    assert (code, "several files of" in err) == (2, True), err
    code, _, err = call("-m", "evaluation", "-m", "more", "--factr", "5")
    assert (code, "no option '--factr'" in err) == (2, True), err


def test_without_a_dataset_the_dataset_is_what_is_missing(call: Call, capfd: pytest.CaptureFixture[str]) -> None:
    del call
    assert run(["model", "run", "--factor", "5"]) == 2
    err = capfd.readouterr().err
    assert "needs a dataset" in err
    assert "no option" not in err


def test_several_that_could_be_meant_are_listed(call: Call, tmp_path: Path) -> None:
    more = "from starwhale import handler\n@handler\ndef more(): ...\n"
    (tmp_path / "mine" / "more.py").write_text(more, encoding="utf-8")
    code, _, err = call()
    assert (code, "several files of" in err, "evaluation.py, more.py" in err) == (2, True, True)
    assert total(call, "-h", "evaluation:total") == 12
    code, _, err = call("-m", "evaluation", "-m", "more")
    assert (code, "several handlers could be meant: evaluation:total, more:more" in err) == (2, True)
    code, _, err = call("-m", "evaluation", "-h", "totl")
    assert (code, "0: evaluation:times, 1: evaluation:total" in err) == (1, True)


@pytest.mark.parametrize("name", ["latest", "Latest", "latest~1", "two words", "a" * 40])
def test_a_name_that_could_not_address_a_job_is_refused(name: str, call: Call) -> None:
    code, _, err = call("--name", name)
    assert (code, repr(name) in err) == (2, True)
    assert run(["job", "info", "latest"]) == 1
