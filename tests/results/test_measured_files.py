"""Metrics of files of predictions: computed of labels, predictions and scores, as those of jobs are."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from sklearn.metrics import f1_score, roc_auc_score

from starwhale.cli.root import run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of 300 predictions with labels, and no column of scores that says what is right."""
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.chdir(tmp_path)
    for name, share in (("old", 0.7), ("new", 0.85)):
        rng = random.Random(5)
        lines = ["id,label,prediction,sure,group"]
        for k in range(300):
            label = "spam" if k % 3 == 0 else "ham"
            said = label if rng.random() < share else {"spam": "ham", "ham": "spam"}[label]
            lines.append(f"{k},{label},{said},{rng.random() / 2 + (said == 'spam') / 2:.3f},{k // 5}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def columns(path: Path) -> dict[str, list[str]]:
    head, *lines = (each.split(",") for each in path.read_text(encoding="utf-8").split())
    return {name: [line[at] for line in lines] for at, name in enumerate(head)}


def test_metrics_of_files_are_those_of_scikit_learn(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["job", "compare", "old.csv", "new.csv", "--positive", "spam", "--scores", "sure", "-o", "json"]
    assert run([*words, "--metric", "f1", "--metric", "auroc", "--metric", "accuracy"]) == 0
    found = json.loads(capfd.readouterr().out)
    values = {each["name"]: {run: value["value"] for run, value in each["values"].items()} for each in found["metrics"]}
    for name in ("old.csv", "new.csv"):
        read = columns(files / name)
        truth = [each == "spam" for each in read["label"]]
        right = [a == b for a, b in zip(read["label"], read["prediction"], strict=True)]
        assert values["accuracy"][name] == sum(right) / 300
        assert values["f1"][name] == pytest.approx(f1_score(truth, [each == "spam" for each in read["prediction"]]))
        assert values["auroc"][name] == pytest.approx(roc_auc_score(truth, list(map(float, read["sure"]))))


def test_files_with_labels_are_compared_by_accuracy_where_nobody_says_by_what(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["job", "compare", "old.csv", "new.csv"]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith("new is better than old by 15.")
    assert "accuracy %" in printed
    assert run(["job", "compare", "old.csv", "new.csv", "--cluster", "group"]) == 0
    assert "rows lie in 60 clusters" in capfd.readouterr().out


def test_a_gate_takes_them_too(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules = ["--rule", "accuracy >= baseline", "--rule", "f1 >= 0.6", "--positive", "spam"]
    assert run(["job", "gate", "new.csv", "--baseline", "old.csv", *rules]) == 0
    assert capfd.readouterr().out.startswith("new passes the gate")


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["--metric", "accuracy", "--label", "lable"], ("no column 'lable'", "--label COLUMN; did you mean 'label'"), 1),
        (["--metric", "auroc", "--scores", "sure"], ("nobody said which label", "--positive LABEL"), 2),
        (["--metric", "auroc"], ("nobody said which column is the scores", "columns are label, prediction, sure, group"), 1),
        (["--metric", "acuracy"], ("column 'acuracy' of old.csv is missing", "did you mean 'accuracy'"), 1),
        (["--metric", "mae"], ("is no number",), 2),
        (["--metric", "recall_per_class"], ("one value per label", "recall_macro"), 2),
    ],
)  # fmt: skip
def test_what_files_cannot_give_is_said(
    words: list[str], told: tuple[str, ...], code: int, files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del files
    assert run(["job", "compare", "old.csv", "new.csv", *words]) == code
    said = capfd.readouterr().err
    assert all(each in said for each in told), said
