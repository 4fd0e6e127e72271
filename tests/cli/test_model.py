"""`swcli model` over packaged models, in this process; what user code does runs in workers as always."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from starwhale.cli.root import run

EVALUATION = """
from starwhale import evaluation, model

@evaluation.predict(replicas=2, batch_size=4)
def predict(rows):
    return [row["x"] for row in rows]

@evaluation.evaluate(needs=[predict])
def report(results):
    evaluation.log_summary(count=len(list(results)))

model.build(name="nested")  # left out while the handlers are looked for; a script that is run builds itself
"""


class Call(Protocol):
    """Runs one command."""

    def __call__(self, *words: str, code: int = 0) -> str:
        """Return what it wrote: the standard output, or for a failure what it said of it."""
        ...


@pytest.fixture
def call(
    tmp_path: Path, instance_root: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    for name, value in instance_root.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "evaluation.py").write_text(EVALUATION)
    (tmp_path / "work" / "big.bin").write_bytes(b"\0" * 20_000)

    def call(*words: str, code: int = 0) -> str:
        done = run(["model", *words])
        out = capsys.readouterr()
        assert done == code, out.err
        return out.out if done == 0 else out.err

    return call


@pytest.fixture
def work(tmp_path: Path) -> str:
    return str(tmp_path / "work")


def shown(call: Call, *words: str) -> Any:
    return json.loads(call(*words, "-o", "json"))


def test_build_says_what_it_did_and_what_to_type_next(call: Call, work: str) -> None:
    for number in range(8):
        (Path(work) / f"{number}.pyc").touch()
    said = call("build", work, "-m", "evaluation", "-t", "mine", "-d", "first")
    assert "left out: 0.pyc, 1.pyc, 2.pyc, 3.pyc, 4.pyc and " in said
    assert "2 files, 19.9 KiB, 19.9 KiB of it new" in said
    assert "0: evaluation:predict (predict, 2 tasks)" in said
    assert "1: evaluation:report (evaluate)  needs evaluation:predict" in said
    assert "next: swcli model run work -d DATASET" in said
    again = shown(call, "build", work, "-m", "evaluation", "--exclude", "*.bin")
    assert {key: again[key] for key in ("name", "files", "new_bytes", "tags", "handlers")} == {
        "name": "work",
        "files": 1,
        "new_bytes": 0,
        "tags": ["latest", "v1"],
        "handlers": ["evaluation:predict", "evaluation:report"],
    }
    assert [each["name"] for each in shown(call, "list")] == ["work"], "the call inside of the module was left out"


def test_json_shapes_key_by_key(call: Call, work: str) -> None:
    call("build", work, "-m", "evaluation", "-d", "first")
    (row,) = shown(call, "list")
    assert set(row) == {"name", "version", "project", "path", "tags", "created_at", "is_removed", "size"}
    assert (row["name"], row["project"], row["tags"], row["is_removed"]) == ("work", "self", ["latest", "v0"], False)
    assert row["size"] == 20_000 + len(EVALUATION)
    (version,) = shown(call, "history", "work")
    assert version == {
        "version": row["version"][:12],
        "tags": ["latest", "v0"],
        "size": row["size"],
        "runtime": "",
        "created_at": row["created_at"],
    }
    info = shown(call, "info", "work")
    assert set(info) == {*row, "uri", "desc", "handlers", "files", "model_yaml"}
    assert ({key: info[key] for key in row}, info["desc"]) == (row, "first")
    files = {each["path"]: each for each in info["files"]}
    assert set(files) == {"big.bin", "evaluation.py"}
    big = files["big.bin"]
    assert {"name", "path", "arcname", "desc", "signature", "size", "duplicate_check"} <= big.keys()
    assert (big["name"], big["desc"], big["duplicate_check"], big["size"]) == ("big.bin", "MODEL", True, 20_000)
    assert files["evaluation.py"]["desc"] == "SRC"
    first, last = info["handlers"]["evaluation:report"]
    assert (first["name"], last["name"], last["needs"]) == (
        "evaluation:predict",
        "evaluation:report",
        ["evaluation:predict"],
    )
    assert (first["replicas"], first["concurrency"], first["require_dataset"]) == (2, 1, True)
    assert first["extra_kwargs"]["predict_batch_size"] == 4
    assert "run:\n  modules:\n  - evaluation\n" in info["model_yaml"]
    assert shown(call, "info", "work", "-of", "handlers") == {"handlers": info["handlers"]}
    assert shown(call, "info", "work", "-of", "files") == {"files": info["files"]}
    assert shown(call, "info", "work", "-of", "model_yaml") == {"data": info["model_yaml"]}
    assert shown(call, "info", "work", "--output-filter", "all") == info
    for part, words in (
        ("basic", "uri: local/project/self/model/"),
        ("handlers", "1: evaluation:report"),
        ("files", "19.5 KiB  MODEL  big.bin"),
        ("model_yaml", "name: work"),
        ("all", "name: work"),
    ):
        assert words in call("info", "work", "-of", part)


def test_versions_are_tagged_removed_and_recovered(
    call: Call, work: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        call("build", work, "-m", "evaluation")
    assert shown(call, "tag", "work/version/v0", "good") == ["good", "v0"]
    assert shown(call, "tag", "work/version/good") == ["good", "v0"]
    call("tag", "work/version/v0", "good", "--remove")
    assert shown(call, "tag", "work/version/v0") == ["v0"]
    assert "no tag 'good'" in call("tag", "work", "good", "--remove", code=1)

    said = call("remove", "work")
    assert "removed one version of model 'work': " in said
    assert "(v1)" in said
    assert len(shown(call, "history", "work")) == 1
    call("recover", "work")
    assert len(shown(call, "history", "work")) == 2
    assert "several" not in call("remove", "work/version/v0", "--all-versions", code=2)

    asked = io.StringIO("n\n")
    asked.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", asked)
    assert run(["model", "remove", "work"]) == 1
    assert "remove one version of model 'work'" in capsys.readouterr().err
    assert len(shown(call, "history", "work")) == 2
    assert "removed all 2 versions" in call("remove", "work", "--all-versions", "--yes")
    assert shown(call, "list") == []
    assert [each["is_removed"] for each in shown(call, "list", "--show-removed")] == [True]
    assert "no model 'wrok'" in call("info", "wrok", code=1)


def test_what_is_wrong_is_named(call: Call, work: str) -> None:
    assert "no module 'evalution'" in call("build", work, "-m", "evalution", code=1)
    assert "'v1' is reserved" in call("build", work, "-m", "evaluation", "-t", "v1", code=2)
    assert "does not exist" in call("build", work + "/nowhere", code=2)
    assert "no model.yaml" in call("build", work, "-f", work + "/no.yaml", code=2)
    assert shown(call, "list") == []


def test_a_script_builds_itself(call: Call, work: str, instance_root: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "evaluation.py"], cwd=work, env=instance_root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (version,) = shown(call, "history", "nested")
    assert version["tags"] == ["latest", "v0"]
    assert set(shown(call, "info", "nested", "-of", "handlers")["handlers"]) == {
        "evaluation:predict",
        "evaluation:report",
    }


def test_a_version_is_run_by_its_uri(call: Call, work: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = shown(call, "build", work, "-m", "evaluation")
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    assert run(["dataset", "build", "--json", str(tmp_path / "rows.jsonl"), "-n", "rows"]) == 0
    shutil.rmtree(work)
    capsys.readouterr()
    words = ("run", "--uri", "work/version/v0", "-h", "evaluation:report", "-d", "rows")
    report = shown(call, *words, "--no-cleanup-snapshot")
    manifest = report["manifest"]
    assert (manifest["status"], report["report"]["summary"]) == ("success", {"count": 2})
    assert (manifest["model"], manifest["model_name"]) == (built["uri"], "work")
    assert manifest["model_version"] == built["version"]
    assert sorted(path.name for path in Path(manifest["model_src_dir"]).glob("*.*")) == ["big.bin", "evaluation.py"]
    assert f"work@{built['version'][:12]}" in call(*words)
    assert "no model 'wrok'" in call("run", "--uri", "wrok", "-d", "rows", code=1)
    assert "--module" in call("run", "--uri", "work", "-m", "evaluation", "-d", "rows", code=2)


def test_versions_are_compared_extracted_and_copied(call: Call, work: str, tmp_path: Path) -> None:
    first = shown(call, "build", work, "-m", "evaluation", "-t", "good", "-t", "mine")
    source = Path(work) / "evaluation.py"
    source.write_text(EVALUATION.replace("batch_size=4", "batch_size=8"))
    (Path(work) / "big.bin").write_bytes(b"\1" * 20_000)
    call("build", work, "-m", "evaluation")
    told = call("diff", "work/version/v0", "work", "--show-details")
    assert "files: 0 added, 2 updated, 0 deleted, 0 unchanged" in told
    assert "~ evaluation:predict: batch_size 4 → 8" in told
    assert "-@evaluation.predict(replicas=2, batch_size=4)\n+@evaluation.predict(replicas=2, batch_size=8)" in told
    assert "big.bin: not a text" in told
    assert "no difference: 2 files" in call("diff", "work", "work")
    compared = shown(call, "diff", "work/version/v0", "work")
    assert [(each["path"], each["state"]) for each in compared["files"]] == [
        ("big.bin", "updated"),
        ("evaluation.py", "updated"),
    ]
    assert "details" not in compared

    out = tmp_path / "out"
    assert "extracted 2 files, 19.9 KiB" in call("extract", "work/version/v0", str(out))
    assert (out / "evaluation.py").read_text() == EVALUATION
    assert "2 of 2 files are there already" in call("extract", "work", str(out), code=1)
    assert shown(call, "extract", "work", str(out), "-f")["target"] == str(out)
    assert (out / "evaluation.py").read_text() == source.read_text()

    assert run(["project", "create", "other"]) == 0
    call("tag", "work", "mine")
    copied = shown(call, "copy", "work/version/v0", ".", "-dlp", "other")
    assert (copied["tags"], copied["is_new"]) == (["good", "latest", "v0"], True)
    assert copied["version"] != first["version"]
    assert shown(call, "info", copied["uri"], "-of", "handlers") == shown(call, "info", first["uri"], "-of", "handlers")
    assert shown(call, "copy", "work/version/v0", "local/project/other")["is_new"] is False
    assert "no difference" in call("diff", first["uri"], copied["uri"])
    call("tag", "local/project/other/model/work", "mine")
    assert "tag 'mine' points at version" in call("copy", "work", "local/project/other", code=1)
    assert shown(call, "copy", "work", "local/project/other", "-i", "mine")["tags"] == ["latest", "v1"]
    assert shown(call, "copy", "work", "local/project/other", "-f")["tags"] == ["mine", "latest", "v1"]
    assert "names a version" in call("copy", "work", "work/version/v1", code=2)
    assert "no project 'nowhere'" in call("copy", "work", "local/project/nowhere", code=1)


def test_user_code_runs_at_the_build_alone_and_in_another_process(call: Call, work: str, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    note = f"import os, pathlib\npathlib.Path({str(mark)!r}).open('a').write(f'{{os.getpid()}} ')\n"
    (Path(work) / "evaluation.py").write_text(note + EVALUATION)
    call("build", work, "-m", "evaluation")
    (imported_by,) = set(mark.read_text().split())
    assert int(imported_by) != os.getpid()
    for words in (
        ("list",),
        ("info", "work", "-of", "all"),
        ("history", "work"),
        ("diff", "work", "work", "--show-details"),
        ("copy", "work", "other"),
        ("extract", "work", str(tmp_path / "out")),
        ("tag", "work", "good"),
        ("remove", "work"),
        ("recover", "work"),
    ):
        shown(call, *words) if words[0] != "tag" else call(*words)
    assert set(mark.read_text().split()) == {imported_by}


def test_a_module_that_raises_is_shown_with_its_line_and_its_interpreter(call: Call, work: str) -> None:
    (Path(work) / "evaluation.py").write_text("x = 1\n\n1 / 0\n")
    said = call("build", work, "-m", "evaluation", code=1)
    assert f"{work}/evaluation.py:3 in <module>" in said
    assert "> 3 │ 1 / 0" in said
    assert "ZeroDivisionError: division by zero" in said
    assert f"it was imported with {sys.executable} (Python 3." in said
    (Path(work) / "evaluation.py").write_text("import nowhere_to_be_found\n")
    said = call("build", work, "-m", "evaluation", code=1)
    assert f"into this environment: {sys.prefix}" in said
    assert shown(call, "list") == []
