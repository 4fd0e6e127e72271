"""`swcli job reproduce`: what is the same, what is close, what differs, and when nobody can tell."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

BATCHES = """
    import os, random
    from starwhale import evaluation

    @evaluation.predict(batch_size=4, log_mode="plain", env=["NUDGE", "SKIP"])
    def predict(rows):
        nudge, skip = float(os.environ.get("NUDGE", "0")), os.environ.get("SKIP", "")
        total = float(sum(row["number"] for row in rows))
        return [None if str(row["number"]) == skip else {"number": row["number"], "share": total + nudge} for row in rows]

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        shares = [row["output/share"] for row in results]
        evaluation.log_summary(count=len(shares), mean=sum(shares) / len(shares))
        evaluation.log("notes", 1, {"text": "the same"})
"""
"""The output of a row depends on its whole batch, and on two variables."""

RANDOM = """
    import random
    from starwhale import evaluation

    @evaluation.predict(log_mode="plain")
    def predict(data):
        return random.random() if data["number"] in (3, 7) else data["number"]
"""


def reproduce(project: Project, *options: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return exit code and what a program gets."""
    done = project.swcli("job", "reproduce", *options, "-o", "json", env=env)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def batches(project: Project) -> Project:
    """A folder with a job, `first`, that has succeeded over 21 rows."""
    project.write("counting.py", BATCHES)
    project.make_numbers(21)
    done = project.run("-d", "numbers", "--name", "first", "--seed", "3")
    assert done.returncode == 0, done.stderr
    return project


@pytest.mark.needs_time
def test_a_job_is_reproduced_row_by_row_and_names_the_rows_that_differ(project: Project) -> None:
    project.write("counting.py", RANDOM)
    project.make_numbers(10)
    assert project.run("-d", "numbers", "--name", "dice").returncode == 0
    shown = project.swcli("job", "reproduce", "dice")
    assert shown.returncode == 1, shown.stderr
    assert "8 identical, 2 different" in shown.stdout
    assert "self/numbers_#@#_3: output" in shown.stdout
    assert "self/numbers_#@#_7: output" in shown.stdout
    assert "the record differs in nothing" in shown.stdout
    new = json.loads(project.swcli("job", "info", "latest", "-o", "json").stdout)["manifest"]
    old = json.loads(project.swcli("job", "info", "dice", "-o", "json").stdout)["manifest"]
    assert new["reproduces"] == old["version"]
    assert new["reproduction"]["verdict"] == "different"


@pytest.mark.needs_time
def test_the_same_again_is_identical_and_a_sample_runs_whole_batches(batches: Project) -> None:
    code, found = reproduce(batches, "first")
    assert (code, found["verdict"], found["record"]) == (0, "identical", [])
    assert (found["rows"]["identical"], found["metrics"]["identical"], found["tables"]["notes"]["identical"]) == (
        21,
        2,
        1,
    )
    code, found = reproduce(batches, "first", "--sample", "3", "--seed", "8")
    assert (code, found["verdict"], found["metrics"]) == (0, "identical", None)
    assert (found["rows"]["compared"], found["sample"]) == (3, {"rows": 3, "seed": 8})
    again = batches.swcli("job", "reproduce", "latest", "--sample", "2")
    assert "tried a sample itself" in again.stderr
    code, found = reproduce(batches, "latest")
    assert (code, found["rows"]["compared"]) == (0, 3)
    assert batches.swcli("job", "reproduce", "first", "--seed", "8").returncode == 2


@pytest.mark.needs_time
def test_close_numbers_and_missing_rows_are_told_with_what_differs_in_the_record(batches: Project) -> None:
    code, found = reproduce(batches, "first", env={"NUDGE": "1e-9"})
    assert (code, found["verdict"], found["rows"]["close"]) == (0, "close", 20 + 1)
    assert 0 < found["rows"]["largest_relative"] < 1e-9
    assert found["record"] == [{"what": "env NUDGE", "before": None, "now": "1e-9"}]
    code, found = reproduce(batches, "first", env={"SKIP": "20"})
    assert (code, found["verdict"]) == (1, "different")
    assert (found["rows"]["missing"], found["rows"]["identical"]) == (1, 20)
    assert found["rows"]["listed"][0]["id"] == "self/numbers_#@#_20"
    code, found = reproduce(batches, "first", "--sample", "21", env={"SKIP": "20"})
    assert (code, found["rows"]["missing"]) == (1, 1)


@pytest.mark.needs_time
def test_nobody_can_tell_when_what_it_ran_on_is_gone_or_has_changed(batches: Project) -> None:
    source = batches.folder / "counting.py"
    before = source.read_text()
    source.write_text(before + "\n# mended\n")
    changed = batches.swcli("job", "reproduce", "first")
    assert changed.returncode == 3
    assert "has changed since job" in changed.stderr
    code, found = reproduce(batches, "first", "--allow-changed")
    assert (code, [each["what"] for each in found["record"]]) == (0, ["source_digest"])
    source.write_text(before)
    batches.swcli("dataset", "remove", "numbers/version/latest", "--force")
    gone = batches.swcli("job", "reproduce", "first")
    assert (gone.returncode, "that job" in gone.stderr, "dataset recover" in gone.stderr) == (3, True, True)
    shutil.rmtree(batches.folder)
    batches.folder.mkdir()
    assert batches.swcli("job", "reproduce", "no-such-job").returncode == 1


@pytest.mark.needs_time
def test_a_packaged_model_is_reproduced_without_its_folder(batches: Project) -> None:
    assert batches.swcli("model", "build", str(batches.folder), "--name", "m").returncode == 0
    assert batches.swcli("model", "run", "m", "-d", "numbers", "--name", "packed").returncode == 0
    (batches.folder / "counting.py").unlink()
    code, found = reproduce(batches, "packed")
    assert (code, found["verdict"], found["record"]) == (0, "identical", [])
    work = batches.swcli("job", "reproduce", "first")
    assert work.returncode == 3
    batches.swcli("model", "remove", "m/version/latest", "--force")
    gone = batches.swcli("job", "reproduce", "packed")
    assert (gone.returncode, "model recover" in gone.stderr) == (3, True)


@pytest.mark.needs_time
def test_the_sdk_reproduces_jobs_too_functions_of_a_script_included(batches: Project) -> None:
    done = batches.python("""
        from starwhale import Job, evaluation

        @evaluation.predict(log_mode="plain")
        def double(data):
            return data["number"] * 2

        job = Job.run(double, datasets="numbers")
        found = job.reproduce()
        assert found.verdict == "identical", found
        assert found.rows.total == 21, found
        found = Job.get("first").reproduce(sample=4, seed=1)
        assert (found.verdict, found.rows.total, found.metrics) == ("identical", 4, None), found
        print(Job.get(found.job_id).basic_info["reproduces"] == Job.get("first").id)
    """)
    assert done.stdout.strip().endswith("True")
    script = batches.swcli("job", "reproduce", "latest~2")
    assert (script.returncode, "defined in a notebook or script" in script.stderr) == (3, True)
