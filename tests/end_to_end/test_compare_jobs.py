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


@pytest.mark.needs_time
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
    assert "1 row of new failed" in found["notes"]
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


@pytest.mark.needs_time
def test_two_versions_of_a_dataset_in_one_job_are_different_rows_and_clusters_are_those_of_the_decorator(
    project: Project,
) -> None:
    """Rows of both versions under one key used to be averaged; `cluster=` of the decorator was not used by compare."""
    project.write(
        "clustered.py",
        """
        import os
        from starwhale import evaluation

        @evaluation.metrics("accuracy", label="even", cluster="group")
        @evaluation.predict(log_dataset_features=["even"])
        def predict(row):
            return row["even"] ^ (row["number"] % int(os.environ["WRONG"]) == 0)
        """,
    )
    for count in (60, 80):
        project.python(f"""
            from starwhale import dataset
            with dataset("numbers", create="auto") as ds:
                for n in range({count}):
                    ds[n] = {{"number": n + {count}, "even": n % 2 == 0, "group": n // 2}}
                ds.commit()
        """)
    both = ("-d", "numbers/version/v0", "-d", "numbers/version/v1")
    for name, wrong, datasets in (("old", "3", both), ("new", "7", both), ("alone", "7", both[2:])):
        done = project.run(*datasets, "--name", name, env={"WRONG": wrong}, module="clustered")
        assert done.returncode == 0, done.stderr
    found = compare(project, "old", "new")
    jobs = {each["name"]: each["version"] for each in project.jobs()}
    old = found["metrics"][0]["values"][jobs["old"]]
    assert (found["paired_rows"], old["n"], old["clusters"]) == (140, 140, 40)
    numbers = [*range(60, 120), *range(80, 160)]
    assert old["value"] == sum(each % 3 != 0 for each in numbers) / 140
    assert not [each for each in found["notes"] if "averaged" in each]
    assert found["flips"][jobs["new"]]["gained"][0].startswith("numbers@")
    independent = compare(project, "old", "new", "--cluster", "")
    assert independent["metrics"][0]["values"][jobs["old"]]["clusters"] is None
    alone = compare(project, "old", "alone")
    assert alone["paired_rows"] == 80
    told = project.python("""
        from starwhale.instances import open_instance
        from starwhale.settings import read_settings

        with open_instance(read_settings()) as instance:
            print(instance.jobs.metrics("old", "new")[0], *sorted(each.figures["accuracy"] for each in instance.catalog.job_facts.read()))
    """).stdout.split()
    assert told[0] == "accuracy"
    assert found["metrics"][0]["values"][jobs["old"]]["value"] == float(told[1])
    gate = project.swcli("job", "gate", "new", "--baseline", "old", "--rule", "accuracy >= baseline", "-o", "json")
    assert gate.returncode == 0, gate.stderr + gate.stdout
    by_name = project.swcli("job", "gate", "new", "--rule", "accuracy > 0.5", "--flips", "x.csv")
    assert_one_clear_message(by_name, "no rule names the baseline", exit_code=2)
    shown = project.swcli("job", "compare", "old", "new", "--full").stdout
    assert "rows lie in 40 clusters" in shown
