"""Real jobs at a gate: metrics by their names, rows that failed, jobs that did not succeed, files, and what comes out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message

from starwhale.cli.root import run

if TYPE_CHECKING:
    from pathlib import Path

GRADED = """
    import os
    from starwhale import evaluation

    WRONG = int(os.environ.get("WRONG", "0"))
    FAILS = int(os.environ.get("FAILS", "0"))

    @evaluation.predict(log_mode="plain")
    def predict(row):
        if row["number"] < FAILS:
            raise ValueError("no answer")
        return {"right": row["number"] % 100 >= WRONG, "size": row["number"] / 7}

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        right = []
        for row in results:
            right.append(row["output"]["right"])
            evaluation.log("graded", row["id"], {"correct": right[-1]})
            evaluation.log("sized", row["id"], {"size": row["output"]["size"]})
        evaluation.log_summary(accuracy=sum(right) / len(right), mood=7)
"""


@pytest.fixture
def jobs(project: Project) -> Project:
    """Jobs over 200 rows: `old` with 20 wrong, `new` with 4."""
    project.write("graded.py", GRADED)
    project.make_numbers(200)
    for name, wrong in (("old", "10"), ("new", "2")):
        done = project.run("-d", "numbers", "--name", name, env={"WRONG": wrong}, module="graded")
        assert done.returncode == 0, done.stderr
    return project


def gate(project: Project, *words: str) -> dict[str, object]:
    done = project.swcli("job", "gate", *words, "-o", "json")
    found = json.loads(done.stdout)
    assert done.returncode == found.get("exit_code"), done.stdout + done.stderr
    return found


def rule_of(found: dict[str, object], place: int = 0) -> dict[str, object]:
    rules = found["rules"]
    assert isinstance(rules, list)
    return rules[place]


@pytest.mark.needs_time
def test_jobs_pass_fail_and_stay_open(jobs: Project) -> None:
    found = gate(jobs, "new", "--baseline", "old", "--rule", "accuracy > baseline")
    assert (found["verdict"], rule_of(found)["metric"]) == ("pass", "graded.correct")
    assert "accuracy is the mean of graded.correct" in str(found["notes"])
    assert "200 rows, paired by the rows of the dataset" in str(found["notes"])
    assert (rule_of(found)["value"], rule_of(found)["baseline"]) == (0.98, 0.9)
    assert gate(jobs, "old", "--baseline", "new", "--rule", "correct >= baseline")["verdict"] == "fail"
    assert gate(jobs, "old", "--rule", "correct >= 0.9")["verdict"] == "inconclusive"
    both = gate(jobs, "new", "--baseline", "old", "--rule", "correct > 0.9", "--rule", "sized.size >= baseline - 0.1")
    assert [rule_of(both, 0)["verdict"], rule_of(both, 1)["verdict"]] == ["pass", "pass"]

    done = jobs.swcli("job", "gate", "new", "--rule", "mood > 1")
    assert_one_clear_message(done, "'mood' of the summary of new is the mean of no column by row", "graded.correct")
    done = jobs.swcli("job", "gate", "new", "--rule", "corect > 0.1")
    assert_one_clear_message(done, "new gives no metric 'corect'", "did you mean 'correct'")
    done = jobs.swcli("job", "gate", "new", "--baseline", "new", "--rule", "correct >= baseline")
    assert_one_clear_message(done, "compared with itself", exit_code=2)
    told = jobs.python("""
        from starwhale import Job
        found = Job.gate(Job.get("old"), baseline="new", rule="accuracy not worse than baseline by more than 1 point")
        print(found, found.is_passed, found.exit_code, sep="|")
        print(found.to_markdown().splitlines()[0])
    """).stdout.splitlines()
    assert told[0].startswith("old fails the gate: ")
    assert told[0].endswith("|False|1")
    assert told[1].startswith("**❌ old fails the gate")


@pytest.mark.needs_time
def test_rows_that_failed_count_as_wrong_and_failed_jobs_are_refused(jobs: Project) -> None:
    done = jobs.run("-d", "numbers", "--name", "shaky", "--max-errors", "40", env={"FAILS": "40"}, module="graded")
    assert done.returncode == 0, done.stderr
    found = gate(jobs, "shaky", "--baseline", "old", "--rule", "correct >= baseline")
    assert found["verdict"] == "inconclusive"
    assert "40 rows have no score" in str(rule_of(found)["why"])
    assert "40 rows of shaky failed" in str(found["notes"])
    allowed = gate(jobs, "shaky", "--baseline", "old", "--rule", "correct >= baseline", "--allow-missing")
    assert allowed["verdict"] == "pass"
    assert jobs.run("-d", "numbers", "--name", "broken", env={"FAILS": "1"}, module="graded").returncode == 1
    done = jobs.swcli("job", "gate", "broken", "--rule", "correct > 0.1")
    assert_one_clear_message(done, "job broken is failed", "swcli job info broken")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of predictions, and an instance that nothing is in."""
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("SW_CLI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.chdir(tmp_path)
    for name, wrong in (("old", 40), ("new", 8)):
        rows = [f"{k},{int(k % 100 >= wrong // 2)},{'de' if k % 2 else 'en'}" for k in range(200)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,right,lang", *rows]) + "\n")
    return tmp_path


def test_files_and_a_file_of_rules_leave_junit_and_markdown(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (files / "gate.yaml").write_text("baseline: old.csv\nrules:\n  - right > baseline\n  - right[lang=*] >= 0.9\n")
    assert run(["job", "gate", "new.csv", "--junit", "gate.xml", "--markdown", "gate.md"]) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[:2] == ["new passes the gate: all 3 rules hold", "200 rows, paired by column 'id'"]
    assert ET.parse(files / "gate.xml").getroot().get("tests") == "3"  # noqa: S314 - we wrote it
    assert (files / "gate.md").read_text(encoding="utf-8").startswith("**✅ new passes the gate: all 3 rules hold**")
    assert run(["job", "gate", "old.csv", "--baseline", "new.csv"]) == 1
    assert run(["job", "gate", "old.csv", "--rule", "right >= 0.8"]) == 3
    assert run(["job", "gate", "new.csv", "--junit", "no/such/folder.xml"]) == 2
    assert "no/such/folder.xml cannot be written" in capfd.readouterr().err


def test_rows_that_a_file_lacks_count_as_wrong(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is left is right throughout, and that is what was kept."""
    lines = (files / "old.csv").read_text().splitlines()
    (files / "part.csv").write_text("\n".join([lines[0], *(each for each in lines[1:] if ",1," in each)]) + "\n")
    assert run(["job", "gate", "part.csv", "--baseline", "old.csv", "--rule", "right >= baseline - 5 points"]) == 3
    assert "40 rows of part are missing" in capfd.readouterr().out


def test_what_is_printed_first_takes_twelve_lines_at_most(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules = [word for k in range(12) for word in ("--rule", f"right >= 0.{80 + k}")]
    assert run(["job", "gate", "old.csv", "--baseline", "new.csv", "--rule", "right >= baseline", *rules]) == 1
    said = capfd.readouterr().out.splitlines()
    assert len([line for line in said if line.strip()]) <= 14  # the sentence and one cell are folded
    assert max(map(len, said)) <= 80
    assert any(line.startswith("and ") and "more rules" in line for line in said)
    assert run(["job", "gate", "old.csv", "--rule", "right >= 0.8", "--full", *rules]) in {1, 3}
    assert "more rules" not in capfd.readouterr().out
