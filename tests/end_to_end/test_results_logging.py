"""What user code logs in a task, and what it and later steps read back, in real runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.end_to_end.project import COUNTING, Project, assert_one_clear_message


def test_a_task_reads_what_it_and_its_needs_have_logged(project: Project) -> None:
    project.write(
        "logging_.py",
        """
        from starwhale import Evaluation, evaluation, handler

        @handler()
        def first():
            evaluation.log("words", "b", {"n": 1})
            evaluation.log("words", "a", {"n": 2, "gone": None})
            evaluation.log("words", "b", {"m": [1, 2]})
            assert [row["id"] for row in evaluation.scan("words")] == ["a", "b"]
            assert list(evaluation.iter("words", start="b")) == [{"id": "b", "n": 1, "m": [1, 2]}]
            assert list(evaluation.scan("words", end="b", keep_none=True)) == [{"id": "a", "n": 2, "gone": None, "m": None}]
            assert [row["id"] for row in evaluation.scan("words", end="b", end_inclusive=True)] == ["a", "b"]
            assert list(evaluation.scan("unknown")) == []
            evaluation.log_summary({"a": 1})
            assert evaluation.get_summary() == {"a": 1}
            evaluation.log_summary(b=2.5)
            evaluation.log_summary({"c": "x", "a": 3}, d=True)
            assert evaluation.get_summary() == {"a": 3, "b": 2.5, "c": "x", "d": True}
            with Evaluation.from_context() as mine:
                mine.log("words", "c", {"n": 3})
                mine.log_result(7, {"own": "row"})
            mine.flush_all()
            mine.close()
            evaluation.log("words", "d", {"n": 4})
            Evaluation.from_context().log("other", 1, {"n": 5})
            assert Evaluation.from_context().get_tables() == ["other", "results", "words"]

        @handler(needs=[first])
        def second():
            assert evaluation.get_summary() == {"a": 3, "b": 2.5, "c": "x", "d": True}
            evaluation.log("words", "b", {"n": 10})
            evaluation.log("words", "aa", {"n": 9})
            assert [(row["id"], row["n"]) for row in evaluation.scan("words")] == [
                ("a", 2), ("aa", 9), ("b", 10), ("c", 3), ("d", 4)]
            assert [row["n"] for row in evaluation.scan("words", start="b", end="c", end_inclusive=True)] == [10, 3]
            assert list(evaluation.scan_results()) == [{"id": 7, "own": "row"}]
            assert Evaluation.from_context().get_tables() == ["other", "results", "words"]
            evaluation.log_summary(a=4, e=None)
        """,
    )
    done = project.run("--handler", "logging_:second", module="logging_")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"a": 4, "b": 2.5, "c": "x", "d": True}
    assert {row["id"]: row["n"] for row in project.rows("words")} == {"a": 2, "aa": 9, "b": 10, "c": 3, "d": 4}


def test_every_value_comes_back_as_it_was_logged(project: Project) -> None:
    project.write(
        "values.py",
        """
        import math
        import numpy
        from starwhale import Image, evaluation, handler

        LONG = "x" * 100_000
        GIVEN = {
            "größe · 大小": 1, "with.dot@sign": 2, "Case": 3, "_private": 4,
            "nan": float("nan"), "inf": float("-inf"), "whole": 3.0, "big": 2**63 - 1, "huge": 2**90, "yes": True,
            "empty": "", "bytes": b"\\0\\xff", "list": [1, "a", None, [2.5, {"k": LONG}]], "tuple": (1, (2, "b")), "no": [],
            "np_int": numpy.int64(7), "np_float": numpy.float32(0.5), "np_bool": numpy.bool_(True),
        }

        def check(row):
            assert math.isnan(row.pop("nan"))
            expected = {key: value for key, value in GIVEN.items() if key != "nan"}
            for key, value in expected.items():
                assert row[key] == value and type(row[key]) is type(value), (key, row[key], type(row[key]))
            assert row["nested/a/b"] == 1 and row["nested/c"] == "x", row
            assert row["array"].tolist() == [[0, 1, 2], [3, 4, 5]] and row["array"].dtype == numpy.int32
            assert row["image"].to_bytes() == b"pixels" * 2000

        @handler()
        def write():
            evaluation.log("mixed", 1, {"v": 1})
            evaluation.log("mixed", 2, {"v": "text"})
            evaluation.log("mixed", 3, {"v": 1.5})
            evaluation.log("a category. With/strange@ signs · 列", "id · 1", {"x": 1})
            evaluation.log("values", 1, {
                **GIVEN, "nested": {"a": {"b": 1}, "c": "x"}, "array": numpy.arange(6, dtype=numpy.int32).reshape(2, 3),
                "image": Image(b"pixels" * 2000, shape=(1, 1, 3)),
            })
            check(dict(next(evaluation.scan("values"))))

        @handler(needs=[write])
        def read():
            check(dict(next(evaluation.scan("values"))))
            assert [(row["v"], type(row["v"])) for row in evaluation.scan("mixed")] == [(1, int), ("text", str), (1.5, float)]
            assert list(evaluation.scan("a category. With/strange@ signs · 列")) == [{"id": "id · 1", "x": 1}]
            evaluation.log_summary(ok=True)
        """,
    )
    done = project.run("--handler", "values:read", module="values")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"ok": True}


def test_a_bad_metric_raises_at_the_call_and_loses_nothing(project: Project) -> None:
    project.write(
        "bad.py",
        """
        from starwhale import evaluation, handler

        @handler()
        def before():
            evaluation.log("numbers", 0, {"fine": True})

        @handler(needs=[before])
        def run():
            evaluation.log("t", 1, {"fine": 1})
            raised = {}
            def refuses(what, call):
                try:
                    call()
                except Exception as error:
                    raised[what] = type(error).__name__
            refuses("text id", lambda: evaluation.log("t", "one", {"a": 1}))
            refuses("text id beside a former step's", lambda: evaluation.log("numbers", "one", {"a": 1}))
            refuses("metric called id", lambda: evaluation.log("t", 2, {"id": 1}))
            refuses("object", lambda: evaluation.log("t", 2, {"a": object()}))
            refuses("number key", lambda: evaluation.log("t", 2, {1: 1}))
            refuses("not a dict", lambda: evaluation.log("t", 2, [1]))
            refuses("bool id", lambda: evaluation.log("t", True, {"a": 1}))
            refuses("float id", lambda: evaluation.log("t", 1.0, {"a": 1}))
            refuses("two spellings", lambda: evaluation.log("t", 2, {"Fine": 1}))
            refuses("two dicts", lambda: evaluation.log_summary({"a": 1}, {"b": 1}))
            evaluation.log("t", 3, {"fine": 3})
            evaluation.log_summary({"id": "ignored", "raised": sorted(raised)})
        """,
    )
    done = project.run("--handler", "bad:run", module="bad")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"]["raised"] == sorted(
        [
            "text id",
            "text id beside a former step's",
            "metric called id",
            "object",
            "number key",
            "not a dict",
            "bool id",
            "float id",
            "two spellings",
            "two dicts",
        ]
    )
    assert project.rows("t") == [{"id": 1, "fine": 1}, {"id": 3, "fine": 3}]


def test_an_uncaught_bad_metric_fails_the_task_by_name(project: Project) -> None:
    project.write(
        "uncaught.py",
        """
        from starwhale import evaluation, handler

        @handler()
        def run():
            evaluation.log("t", 1, {"fine": 1})
            evaluation.log("t", 2, {"the_key": object()})
        """,
    )
    done = project.run("--handler", "uncaught:run", module="uncaught")
    assert_one_clear_message(done, "the_key", "uncaught.py:7")


@pytest.mark.needs_time
def test_logs_within_predict_are_committed_with_their_range(project: Project) -> None:
    project.write(
        "within.py",
        """
        from starwhale import evaluation

        @evaluation.predict(replicas=2, log_mode="plain")
        def predict(data, external):
            k = data["number"]
            evaluation.log("side", external["index"], {"square": k * k})
            evaluation.log("shared", "all", {f"seen{k % 3}": k % 3})
            if k == 5:
                evaluation.log_summary(five=True)
            return k

        @evaluation.evaluate(needs=[predict], use_predict_auto_log=False)
        def evaluate():
            rows = list(evaluation.scan("side"))
            assert [row["id"] for row in rows] == list(range(500)), "ordered by value, each once"
            assert [row["square"] for row in rows] == [k * k for k in range(500)]
            assert list(evaluation.scan("shared")) == [{"id": "all", "seen0": 0, "seen1": 1, "seen2": 2}]
            assert evaluation.get_summary() == {"five": True}
            assert sum(1 for _ in evaluation.scan_results()) == 500
            evaluation.log_summary(count=len(rows))
        """,
    )
    project.make_numbers(500)
    for executor in ("thread", "process"):
        options = ("--handler", "within:evaluate", "--dataset", "numbers", "--executor", executor)
        done = project.run(*options, module="within")
        assert done.returncode == 0, done.stderr
        assert project.info()["report"]["summary"] == {"five": True, "count": 500}
        assert len(project.rows("side")) == 500


@pytest.mark.needs_time
def test_what_a_class_logs_while_it_is_entered_and_left_is_kept(project: Project) -> None:
    project.write(
        "entered.py",
        """
        from starwhale import evaluation

        class Model:
            def __enter__(self):
                evaluation.log("moments", "entered", {"seen": True})
                return self

            def __exit__(self, *error):
                evaluation.log("moments", "left", {"seen": True})

            @evaluation.predict(log_mode="plain")
            def predict(self, data):
                return data["number"]

        class Judge(Model):
            def __exit__(self, *error):
                evaluation.log_summary(left=True)

            @evaluation.evaluate(needs=[Model.predict])
            def evaluate(self, results):
                evaluation.log_summary(rows=len(list(results)))
        """,
    )
    project.make_numbers(4)
    done = project.run("--handler", "entered:Judge.evaluate", "--dataset", "numbers", module="entered")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"left": True, "rows": 4}
    assert [row["id"] for row in project.rows("moments")] == ["entered", "left"]


def test_a_job_id_that_leaves_its_folder_is_refused(project: Project, tmp_path: Path) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(2)
    options = ("--handler", "counting:evaluate", "--dataset", "numbers", "--version", "../../../outside")
    assert_one_clear_message(project.run(*options), "../../../outside", exit_code=2)
    assert not (tmp_path / "outside").exists()
