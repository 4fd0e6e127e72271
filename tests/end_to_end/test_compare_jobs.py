"""Real jobs are compared by the rows that they share."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message

GRADED = """
    import os
    from starwhale import evaluation

    WRONG = [int(each) for each in os.environ.get("WRONG", "").split(",") if each]
    FAILS = os.environ.get("FAILS")

    @evaluation.predict(log_mode="plain")
    def predict(row):
        if str(row["number"]) == FAILS:
            raise ValueError("no answer")
        return {"answer": row["number"] not in WRONG, "size": row["number"] / 7}

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        for row in results:
            own = row["id"] if "OWN" not in os.environ else row["input"]["number"]
            evaluation.log("graded", own, {"correct": row["output"]["answer"]})
"""


def compare(project: Project, *words: str) -> dict[str, Any]:
    done = project.swcli("job", "compare", *words, "-o", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_jobs_are_paired_by_the_rows_of_their_datasets(project: Project) -> None:
    """One row fails in one of them: it is left out and told, and the others are compared."""
    project.write("graded.py", GRADED)
    project.make_numbers(60)
    wrong = ",".join(str(each) for each in range(20))
    for name, env in (("old", {"WRONG": wrong}), ("new", {"WRONG": "59", "FAILS": "7"})):
        done = project.run("-d", "numbers", "--name", name, "--max-errors", "1", env=env, module="graded")
        assert done.returncode == 0, done.stderr
    found = compare(project, "old", "new", "--by", "number")
    jobs = {each["name"]: each["version"] for each in project.jobs()}
    old, new = jobs["old"], jobs["new"]
    assert (found["baseline"], [each["id"] for each in found["runs"]]) == (old, [old, new])
    assert (found["paired_rows"], found["paired_by"]) == (59, "the rows of the dataset")
    assert found["left_out"] == {"old": 1, "new": 0}
    metric = found["metrics"][0]
    assert (metric["name"], metric["slice"]) == ("graded.correct", "")
    assert metric["values"][new]["value"] == 58 / 59
    delta = metric["deltas"][new]
    assert (delta["wins"], delta["losses"], delta["ties"], delta["verdict"]) == (19, 1, 39, "better")
    assert delta["test"] == "McNemar's exact test"
    assert found["flips"][new]["lost"] == ["numbers_#@#_59"]
    assert "1 rows of new failed" in found["notes"]
    assert {each["slice"] for each in found["metrics"][1:]} == {f"number={each}" for each in range(60) if each != 7}
    told = project.python(
        "from starwhale import Job; print(Job.compare(Job.get('old'), 'new', metric='graded.correct'))"
    )
    assert told.stdout.startswith("new is better than old by 30.5 points [")
    sized = compare(project, "new", "old", "--metric", "results.output/size")
    assert sized["metrics"][0]["deltas"][old]["delta"] == 0
    assert sized["metrics"][0]["deltas"][old]["verdict"] == "cannot tell"

    for name, env in (("mine", {"OWN": "1"}), ("failed", {"OWN": "1", "FAILS": "7"})):
        done = project.run("-d", "numbers", "--name", name, "--max-errors", "1", env=env, module="graded")
        assert done.returncode == 0, done.stderr
    done = project.swcli("job", "compare", "mine", "failed")
    assert_one_clear_message(done, "paired by the ids you logged", 'id=row["id"]', exit_code=1)


@pytest.mark.needs_time
def test_rows_of_two_versions_are_paired_where_their_content_is_the_same(project: Project) -> None:
    project.write("graded.py", GRADED)
    project.make_numbers(30)
    assert project.run("-d", "numbers", "--name", "old", module="graded").returncode == 0
    project.python("""
        from starwhale import dataset
        with dataset("numbers") as ds:
            ds[3] = {"number": 300}
            ds.append({"number": 30})
            ds.commit()
    """)
    done = project.run("-d", "numbers", "--name", "new", env={"WRONG": "300,4"}, module="graded")
    assert done.returncode == 0, done.stderr
    found = compare(project, "old", "new")
    assert (found["paired_rows"], found["changed"]) == (29, ["numbers_#@#_3"])
    assert found["left_out"] == {"old": 0, "new": 1}
    assert "different versions" in found["paired_by"]
    assert next(iter(found["flips"].values())) == {"gained": [], "lost": ["numbers_#@#_4"]}
