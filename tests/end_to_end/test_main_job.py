"""The main job as a user runs it: real processes, a real store, figures that are known."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from tests.end_to_end.project import COUNTING, Project


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), marks=pytest.mark.needs_time),
        ("--executor", "process"),
        pytest.param(("--replicas", "1"), marks=pytest.mark.needs_time),
        pytest.param(("--executor", "process", "--replicas", "2"), marks=pytest.mark.needs_time),
    ],
)
def test_summary_is_the_same_however_it_runs(project: Project, options: tuple[str, ...]) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(1000)
    done = project.run("--handler", "counting:evaluate", "--dataset", "numbers", *options)
    assert done.returncode == 0, done.stderr
    info = project.info()
    assert info["report"]["summary"] == {"count": 1000, "total": 999_000}
    assert info["manifest"]["status"] == "success"
    rows = project.rows()
    assert [row["_index"] for row in rows] == list(range(1000)), "in row order, each exactly once"
    assert [row["id"] for row in rows[:2]] == ["self/numbers_#@#_0", "self/numbers_#@#_1"]
    assert rows[3]["input/number"] == 3
    assert rows[3]["output"] == 6


def test_model_yaml_gives_the_modules(project: Project) -> None:
    project.write("counting.py", COUNTING)
    project.write("model.yaml", "name: counter\nrun:\n  modules:\n    - counting\n")
    project.make_numbers(3)
    done = project.swcli("model", "run", "-w", ".", "-d", "numbers", cwd=project.folder)
    assert done.returncode == 0, done.stderr
    manifest = project.jobs()[0]
    assert (manifest["model"], manifest["handler_name"]) == ("counter", "counting:evaluate")


@pytest.mark.needs_time
def test_several_datasets_are_kept_apart(project: Project) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(5, "first")
    project.make_numbers(7, "second")
    done = project.run("--handler", "counting:evaluate", "--dataset", "second", "--dataset", "first")
    assert done.returncode == 0, done.stderr
    ids = [row["id"] for row in project.rows()]
    assert ids == [f"self/second_#@#_{k}" for k in range(7)] + [f"self/first_#@#_{k}" for k in range(5)]


@pytest.mark.needs_time
def test_head_counts_per_dataset_and_limit_per_job(project: Project) -> None:
    project.write("counting.py", COUNTING)
    project.make_numbers(50, "first")
    project.make_numbers(50, "second")
    both = ("--handler", "counting:evaluate", "--dataset", "first", "--dataset", "second")
    assert project.run(*both, "--dataset-head", "3").returncode == 0
    assert project.info()["report"]["summary"]["count"] == 6
    assert project.run(*both, "--limit", "53").returncode == 0
    assert project.info()["report"]["summary"]["count"] == 53


def test_steps_form_a_real_graph(project: Project) -> None:
    project.write(
        "graph.py",
        """
        from starwhale import evaluation, handler

        @handler()
        def prepare():
            evaluation.log("order", "prepare", {"done": True})

        @handler(needs=[prepare], replicas=2)
        def left():
            evaluation.log("order", "left", {"done": True})

        @handler(needs=[prepare])
        def right():
            evaluation.log("order", "right", {"saw": [row["id"] for row in evaluation.scan("order")][:1]})

        @handler(needs=[left, right])
        def join():
            evaluation.log_summary({"seen": sorted(row["id"] for row in evaluation.scan("order"))})
        """,
    )
    done = project.run("--handler", "graph:join", module="graph")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"]["seen"] == ["left", "prepare", "right"]


def test_handler_arguments_follow_two_dashes(project: Project) -> None:
    project.write(
        "arguments.py",
        """
        import dataclasses
        from starwhale import argument, evaluation, handler

        @dataclasses.dataclass
        class Options:
            scale: int = dataclasses.field(default=1, metadata={"help": "how large"})
            words: list[str] = dataclasses.field(default_factory=list)

        @argument(Options)
        @handler()
        def run(argument):
            evaluation.log_summary({"scale": argument.scale, "words": argument.words})
        """,
    )
    done = project.run(
        "--handler", "arguments:run", "--", "--scale", "3", "--words", "a", "--words=b", module="arguments"
    )
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"scale": 3, "words": ["a", "b"]}


def test_pipeline_handler_with_multi_classification(project: Project) -> None:
    project.write(
        "classes.py",
        """
        from starwhale import PipelineHandler, multi_classification

        class Parity(PipelineHandler):
            def __init__(self):
                super().__init__(predict_batch_size=4, predict_log_mode="plain")

            def predict(self, data, **kw):
                return [row["number"] % 2 for row in data]

            @multi_classification(show_roc_auc=False, all_labels=[0, 1])
            def evaluate(self, results):
                truth, guess = [], []
                for row in results:
                    truth.append(0 if row["input"]["number"] == 3 else row["input"]["number"] % 2)
                    guess.append(row["output"])
                return truth, guess
        """,
    )
    project.make_numbers(10)
    done = project.run("--handler", "classes:Parity.evaluate", "--dataset", "numbers", module="classes")
    assert done.returncode == 0, done.stderr
    report = project.info()["report"]
    assert report["kind"] == "multi_classification"
    assert report["summary"]["accuracy"] == pytest.approx(0.9)
    assert set(report["labels"]) == {"0", "1"}
    assert "accuracy" in done.stdout
    assert "95" in done.stdout, "the interval is named"


def test_user_output_goes_to_the_log_and_json_alone_to_stdout(project: Project) -> None:
    project.write(
        "talking.py",
        """
        from starwhale import evaluation, handler

        @handler()
        def talk():
            print("hello from the user")
            evaluation.log_summary(done=True)
        """,
    )
    done = project.run("--handler", "talking:talk", "-o", "json", module="talking")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"]["summary"] == {"done": True}
    assert "hello" not in done.stdout + done.stderr
    done = project.run("--handler", "talking:talk", "-v", module="talking")
    assert "hello from the user" in done.stderr


SLOW = """
    import os, time
    from starwhale import evaluation

    @evaluation.predict(replicas=2, log_mode="plain")
    def predict(data):
        time.sleep(0.02)
        while data["number"] >= 100 and not os.path.exists("go"):
            time.sleep(0.02)
        return data["number"] * 2

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        rows = [row["output"] for row in results]
        evaluation.log_summary({"count": len(rows), "total": sum(rows), "mean": sum(rows) / len(rows)})
"""
"""Handlers that stop in the middle of the rows until there is a file `go`: however slow the machine, a job is met half done."""


@pytest.mark.needs_kills
@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.needs_time)])
def test_ctrl_c_stops_cleanly_and_resume_completes(project: Project, executor: str) -> None:
    project.write("slow.py", SLOW)
    project.make_numbers(500)
    options = ["--workdir", ".", "--module", "slow", "--handler", "slow:evaluate", "--dataset", "numbers"]
    child = project.swcli.start("model", "run", *options, "--executor", executor, cwd=project.folder)
    wait_for_rows(project, 20)
    child.send_signal(signal.SIGINT)
    project.write("go", "")  # the rows that wait are done; the others come after the wish to stop
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said
    assert "swcli job resume" in said
    assert "Traceback" not in said
    job = project.jobs()[0]
    assert job["status"] == "interrupted"
    before = {row["_index"] for row in project.rows()}
    assert 0 < len(before) < 500
    other = "process" if executor == "thread" else "thread"
    done = project.swcli("job", "resume", job["version"][:8], "--executor", other, "--replicas", "3", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"] == {"count": 500, "total": 249_500, "mean": 499.0}
    assert [row["_index"] for row in project.rows()] == list(range(500))


@pytest.mark.needs_kills
def test_killed_driver_is_listed_as_interrupted_and_resumed(project: Project) -> None:
    project.write("slow.py", SLOW)
    project.make_numbers(200)
    options = ["--workdir", ".", "--module", "slow", "--handler", "slow:evaluate", "--dataset", "numbers"]
    child = project.swcli.start("model", "run", *options, cwd=project.folder)
    wait_for_rows(project, 10)
    child.kill()
    child.communicate(timeout=30)
    job = project.jobs()[0]
    assert job["status"] == "interrupted"
    project.write("go", "")
    done = project.swcli("job", "resume", "latest")
    assert done.returncode == 0, done.stderr
    assert project.info()["report"]["summary"]["count"] == 200
    assert [row["_index"] for row in project.rows()] == list(range(200))


def wait_for_rows(project: Project, count: int) -> None:
    """Wait until a running job has committed so many rows; what was committed is visible at once."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if project.jobs() and len(project.rows()) >= count:
            return
    pytest.fail(f"no {count} rows within a minute")
