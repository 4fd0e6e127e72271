"""What predict returns, as `evaluate` and readers of the job get it, in real runs."""

from __future__ import annotations

import json
import re

import pytest
from tests.end_to_end.project import Project, assert_one_clear_message


def test_pickle_mode_takes_any_object_and_keeps_plain_values_typed(project: Project) -> None:
    project.write(
        "shapes.py",
        """
        class Shape:
            def __init__(self, sides):
                self.sides = sides
        """,
    )
    project.write(
        "pickled.py",
        """
        from shapes import Shape
        from starwhale import evaluation

        @evaluation.predict
        def predict(data):
            k = data["number"]
            return [Shape(k), k, f"text {k}", {"a": {"b": k}}, [k, None], 0.5, (k, {k})][k]

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            rows = list(results)
            assert type(rows[0]["output"]) is Shape and rows[0]["output"].sides == 0
            assert [row["output"] for row in rows[1:]] == [
                1, "text 2", {"a": {"b": 3}}, [4, None], 0.5, (6, {6})], rows
            assert rows[3]["output"]["a"]["b"] == 3 and rows[3]["output/a/b"] == 3
            assert [row["_mode"] for row in rows] == ["pickle"] * 7
            assert [row["_index"] for row in rows] == list(range(7)) and rows[1]["input"] == {"number": 1}
            evaluation.log_summary(ok=True)
        """,
    )
    project.make_numbers(7)
    done = project.run("--handler", "pickled:evaluate", "--dataset", "numbers", module="pickled")
    assert done.returncode == 0, done.stderr
    done = project.python("""
        from starwhale import Job
        found = [row["output"] for row in Job.get("latest").get_table_rows("results")]
        assert type(found[0]) is bytes, "a pickle stays bytes for readers"
        assert type(found[6]) is bytes
        assert found[1:6] == [1, "text 2", {"a": {"b": 3}}, [4, None], 0.5], found
        assert [type(each) for each in found[1:3]] == [int, str]
        import sys
        assert "shapes" not in sys.modules, "reading loads no pickle"
    """)


def test_plain_mode_spreads_dicts_and_nests_them_again(project: Project) -> None:
    project.write(
        "plain.py",
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def predict(data):
            return {"score": data["number"] / 2, "deep": {"label": str(data["number"])}, "all": [1, {"x": 2}]}

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            for k, row in enumerate(results):
                assert row["output/score"] == k / 2 and row["output"]["score"] == k / 2
                assert row["output/deep/label"] == row["output"]["deep"]["label"] == row["output"]["deep/label"] == str(k)
                assert row["output"]["all"] == [1, {"x": 2}]
                assert row["input/number"] == row["input"]["number"] == k
                assert row["id"] == f"self/numbers_#@#_{k}" and row["_mode"] == "plain"
                assert "output/score" in row and row.get("output/none") is None
                assert isinstance(row["duration_seconds"], float)
            evaluation.log_summary(count=k + 1)
        """,
    )
    project.make_numbers(11)
    done = project.run("--handler", "plain:evaluate", "--dataset", "numbers", module="plain")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"count": 11}
    row = project.rows()[10]
    assert (row["output/score"], row["output/deep/label"], row["output/all"]) == (5.0, "10", [1, {"x": 2}])
    assert "output" not in row
    assert not [name for name in row if name.startswith("__")]


@pytest.mark.needs_time
def test_two_predict_steps_each_get_every_row_and_are_kept_apart(project: Project) -> None:
    project.write(
        "two.py",
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", replicas=2)
        def alpha(data):
            return data["number"]

        @evaluation.predict(log_mode="plain")
        def beta(data):
            return -data["number"]

        @evaluation.evaluate(needs=[alpha, beta])
        def evaluate(results):
            by_step = {}
            for row in results:
                by_step.setdefault(row.step, []).append(row["output"])
            evaluation.log_summary({name.partition(":")[2]: (len(rows), sum(rows)) for name, rows in by_step.items()})
        """,
    )
    project.make_numbers(120)
    done = project.run("--handler", "two:evaluate", "--dataset", "numbers", module="two")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"alpha": [120, 7140], "beta": [120, -7140]}
    rows = project.rows()
    assert [row["id"] for row in rows[:4]] == [
        "self/numbers_#@#_0",
        "self/numbers_#@#_0_#@#_beta",
        "self/numbers_#@#_1",
        "self/numbers_#@#_1_#@#_beta",
    ]
    assert len({row["id"] for row in rows}) == 240
    assert [row["output"] for row in rows[-2:]] == [119, -119]


@pytest.mark.needs_time
def test_two_versions_of_a_dataset_are_kept_apart(project: Project) -> None:
    project.write(
        "versions.py",
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def predict(data):
            return data["number"]

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            rows = [(row.dataset_version[:12], row.key, row["output"]) for row in results]
            evaluation.log_summary(rows=rows)
        """,
    )
    project.make_numbers(2)
    done = project.python("""
        from starwhale import dataset
        with dataset("numbers") as ds:
            ds[1] = {"number": 100}
            ds[2] = {"number": 200}
            ds.commit()
        print(*[dataset(f"numbers/version/v{n}", readonly=True).loading_version[:12] for n in (0, 1)])
    """)
    old, new = done.stdout.split()
    options = ("--dataset", f"numbers/version/{old}", "--dataset", "numbers")
    done = project.run("--handler", "versions:evaluate", *options, module="versions")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"]["rows"] == [
        [old, 0, 0],
        [old, 1, 1],
        [new, 0, 0],
        [new, 1, 100],
        [new, 2, 200],
    ]
    assert [row["id"] for row in project.rows()] == [
        *[f"self/numbers@{old}_#@#_{k}" for k in range(2)],
        *[f"self/numbers@{new}_#@#_{k}" for k in range(3)],
    ]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param("None", {"input/number", "input/nest/a", "input/nest/b"}, marks=pytest.mark.needs_time),
        ("['number']", {"input/number"}),
        pytest.param("[]", set[str](), marks=pytest.mark.needs_time),
    ],
)
def test_log_dataset_features_chooses_the_inputs(project: Project, features: str, expected: set[str]) -> None:
    project.write(
        "chosen.py",
        f"""
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", log_dataset_features={features})
        def predict(data):
            return None if data["number"] == 1 else data["nest"]["a"]

        @evaluation.evaluate(needs=[predict])
        def evaluate(results):
            rows = list(results)
            assert [row["output"] for row in rows] == [0, 2], rows
            evaluation.log_summary(inputs=sorted(rows[0]["input"]))
        """,
    )
    project.python("""
        from starwhale import dataset
        with dataset("numbers", create="empty") as ds:
            ds.extend([{"number": k, "nest": {"a": k, "b": "x"}} for k in range(3)])
            ds.commit()
    """)
    done = project.run("--handler", "chosen:evaluate", "--dataset", "numbers", module="chosen")
    assert done.returncode == 0, done.stderr
    rows = project.rows()
    assert [row["_index"] for row in rows] == [0, 2], "None logs nothing"
    assert {name for name in rows[0] if name.startswith("input/")} == expected
    assert project.info()["report"]["summary"]["inputs"] == sorted({name.split("/")[1] for name in expected})


BATCHES = """
    from starwhale import evaluation

    @evaluation.predict(batch_size=4, log_mode="plain"{options})
    def predict(data, external):
        numbers = [row["number"] for row in data]
        assert external["index"] == numbers and len(numbers) in (4, 2), numbers
        assert external["index_with_dataset"] == [f"self/numbers_#@#_{{k}}" for k in numbers]
        return {value}

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary(outputs=[row["output"] for row in results])
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("numbers", [*range(10)]),
        pytest.param("tuple(numbers)", [*range(10)], marks=pytest.mark.needs_time),
        ("[None if k % 2 else k for k in numbers]", [0, 2, 4, 6, 8]),
        pytest.param("None if 4 in numbers else numbers", [0, 1, 2, 3, 8, 9], marks=pytest.mark.needs_time),
        pytest.param("numbers[:1]", [0, 4, 8], marks=pytest.mark.needs_time),
    ],
)
def test_batches_pair_outputs_with_rows(project: Project, value: str, expected: list[int]) -> None:
    project.write("batches.py", BATCHES.format(value=value, options=""))
    project.make_numbers(10)
    done = project.run("--handler", "batches:evaluate", "--dataset", "numbers", module="batches")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"outputs": expected}
    assert [row["_index"] for row in project.rows()] == expected


def test_a_batch_that_returns_no_list_fails_by_name(project: Project) -> None:
    project.write("batches.py", BATCHES.format(value="numbers[0]", options=""))
    project.make_numbers(10)
    options = ("--handler", "batches:evaluate", "--dataset", "numbers")
    assert_one_clear_message(project.run(*options, module="batches"), "predict", "int", "list")


def test_failed_rows_are_recorded_and_the_others_kept(project: Project) -> None:
    project.write(
        "batches.py", BATCHES.format(value="numbers if 5 not in numbers else 1 / 0", options=", fail_on_error=False")
    )
    project.make_numbers(10)
    options = ("--handler", "batches:evaluate", "--dataset", "numbers")
    done = project.run(*options, module="batches")
    assert done.returncode == 0, done.stderr
    report = project.info()["report"]
    assert report["summary"] == {"outputs": [0, 1, 2, 3, 8, 9]}
    (predict,) = [each for each in report["steps"] if each["step"] == "batches:predict"]
    assert (predict["done"], predict["failed"], predict["total"]) == (10, 4, 10)
    assert [row["_index"] for row in project.rows()] == [0, 1, 2, 3, 8, 9]
    errors = project.rows("errors")
    assert len(errors) == 4
    assert "ZeroDivisionError" in json.dumps(errors[0])
    assert re.search(r"batches\.py:\d+", json.dumps(errors[0]))
