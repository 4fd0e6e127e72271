"""Bad input gets one clear message that names the thing and the way out, and leaves nothing half-made behind."""

from __future__ import annotations

import json
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.conftest import swcli_command
from tests.end_to_end.project import COUNTING, Project, assert_one_clear_message

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def counting(project: Project) -> Project:
    """The folder with handlers that count, and ten numbers."""
    project.write("counting.py", COUNTING)
    project.make_numbers(10)
    return project


def test_unknown_dataset_names_the_nearest(counting: Project) -> None:
    done = counting.run("--handler", "counting:evaluate", "--dataset", "nubmers")
    assert_one_clear_message(done, "nubmers", "numbers")
    assert counting.jobs() == []


def test_unknown_version_names_the_dataset(counting: Project) -> None:
    done = counting.run("--handler", "counting:evaluate", "--dataset", "numbers/version/zzzzzz")
    assert_one_clear_message(done, "zzzzzz", "numbers")
    assert counting.jobs() == []


def test_unknown_handler_names_the_nearest(counting: Project) -> None:
    done = counting.run("--handler", "counting:evalaute", "--dataset", "numbers")
    assert_one_clear_message(done, "counting:evalaute", "counting:evaluate")
    assert counting.jobs() == []


def test_handler_position_out_of_range(counting: Project) -> None:
    done = counting.run("--handler", "7", "--dataset", "numbers")
    assert_one_clear_message(done, "7", "counting:evaluate")


def test_dataset_that_the_step_requires_and_nobody_gave(counting: Project) -> None:
    done = counting.run("--handler", "counting:evaluate")
    assert_one_clear_message(done, "counting:predict", "--dataset", exit_code=2)
    assert counting.jobs() == []


def test_missing_module_is_named(counting: Project) -> None:
    done = counting.run("--dataset", "numbers", module="countign")
    assert_one_clear_message(done, "countign", "counting")


def test_module_that_does_not_import_shows_the_users_own_line(counting: Project) -> None:
    path = counting.write("broken.py", "import json\n\nvalue = json.missing_name\n")
    done = counting.run("--dataset", "numbers", module="broken")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "missing_name" in said
    assert f"{path}:3" in said or f'{path}", line 3' in said
    assert "site-packages" not in said


def test_predict_that_raises_names_row_and_line_and_keeps_the_rest(counting: Project) -> None:
    path = counting.write(
        "raising.py",
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def predict(data):
            if data["number"] == 7:
                raise ValueError("seven is not allowed")
            return data["number"]
        """,
    )
    done = counting.run("--handler", "raising:predict", "--dataset", "numbers", module="raising")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "seven is not allowed" in said
    assert f"{path.name}:7" in said
    assert "numbers" in said
    assert "7" in said
    assert sorted(row["_index"] for row in counting.rows()) == list(range(7))
    assert counting.jobs()[0]["status"] == "failed"
    assert "seven is not allowed" in str(counting.jobs()[0]["error_message"])


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_failed_row_is_recorded_and_counted(counting: Project, executor: str) -> None:
    counting.write(
        "tolerant.py",
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", fail_on_error=False)
        def predict(data):
            return 10 // (data["number"] - 4)
        """,
    )
    done = counting.run(
        "--handler", "tolerant:predict", "--dataset", "numbers", "--executor", executor, module="tolerant"
    )
    assert done.returncode == 0, done.stderr
    assert "1" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert sorted(row["_index"] for row in counting.rows()) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    (failed,) = counting.rows("errors")
    assert failed["_index"] == 4
    assert "ZeroDivisionError" in failed["exception"]
    assert "tolerant.py:6" in failed["frame"]


def test_unknown_need_is_found_before_anything_runs(counting: Project) -> None:
    counting.write(
        "needy.py",
        """
        from starwhale import evaluation

        def never_registered(): ...

        @evaluation.predict
        def predict(data): ...

        @evaluation.evaluate(needs=[never_registered])
        def evaluate(results): ...
        """,
    )
    done = counting.run("--handler", "needy:evaluate", "--dataset", "numbers", module="needy")
    assert_one_clear_message(done, "never_registered")
    assert counting.jobs() == []


def test_cycle_is_found_before_anything_runs(counting: Project) -> None:
    counting.write(
        "circle.py",
        """
        from starwhale import handler

        def second(): ...

        @handler(needs=[second])
        def first(): ...

        second = handler(needs=[first])(second)
        """,
    )
    done = counting.run("--handler", "circle:first", module="circle")
    assert_one_clear_message(done, "circle:first", "circle:second")
    assert counting.jobs() == []


def test_metric_that_cannot_be_stored_is_raised_at_the_call_and_loses_no_other(counting: Project) -> None:
    counting.write(
        "bad_metric.py",
        """
        from starwhale import evaluation, handler

        @handler()
        def log():
            evaluation.log("kept", 1, {"good": 1})
            try:
                evaluation.log("kept", 2, {"bad": {1, 2}})
            except TypeError as error:
                assert "bad" in str(error) and "set" in str(error), error
                evaluation.log_summary(refused=True)
            evaluation.log("kept", 3, {"good.with@every-ä": 3})
        """,
    )
    done = counting.run("--handler", "bad_metric:log", module="bad_metric")
    assert done.returncode == 0, done.stderr
    assert counting.rows("kept") == [{"id": 1, "good": 1}, {"id": 3, "good.with@every-ä": 3}]
    assert counting.info()["report"]["summary"]["refused"] is True


def test_malformed_csv_names_line(project: Project) -> None:
    path = project.write("bad.csv", "text,label\na,1\nb,2,extra\n")
    done = project.swcli("dataset", "build", "--csv", str(path), "--name", "bad")
    assert_one_clear_message(done, "bad.csv", "line 3")
    assert json.loads(project.swcli("-o", "json", "dataset", "list").stdout) == []


def test_malformed_json_names_line_and_column(project: Project) -> None:
    path = project.write("bad.jsonl", '{"a": 1}\n{"a": 2,}\n')
    done = project.swcli("dataset", "build", "--json", str(path), "--name", "bad")
    assert_one_clear_message(done, "bad.jsonl", "line 2", "column")
    assert json.loads(project.swcli("-o", "json", "dataset", "list").stdout) == []


def test_missing_file_is_named(project: Project) -> None:
    done = project.swcli("dataset", "build", "--csv", str(project.folder / "absent.csv"), "--name", "bad")
    assert done.returncode in (1, 2)
    assert "absent.csv" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["1st", "a/b c", "", "x" * 81])
def test_invalid_name(project: Project, name: str) -> None:
    path = project.write("good.csv", "a\n1\n")
    done = project.swcli("dataset", "build", "--csv", str(path), f"--name={name}")
    if name == "":
        assert done.returncode == 0, "an empty name means the default"
        return
    assert_one_clear_message(done, "name", exit_code=2)


@pytest.mark.parametrize("tag", ["latest", "v3"])
def test_reserved_tag(project: Project, tag: str) -> None:
    path = project.write("good.csv", "a\n1\n")
    done = project.swcli("dataset", "build", "--csv", str(path), "--name", "good", "--tag", tag)
    assert_one_clear_message(done, tag, "reserved", exit_code=2)
    assert json.loads(project.swcli("-o", "json", "dataset", "list").stdout) == []


def test_unknown_executor_names_those_there_are(counting: Project) -> None:
    done = counting.run("--handler", "counting:evaluate", "--dataset", "numbers", "--executor", "threads")
    assert_one_clear_message(done, "threads", "thread", exit_code=2)


def test_missing_job_fails(project: Project) -> None:
    done = project.swcli("job", "info", "abcdef")
    assert_one_clear_message(done, "abcdef")


def test_errors_are_json_on_request(project: Project) -> None:
    done = project.swcli("job", "info", "abcdef", "-o", "json")
    assert done.returncode == 1
    assert set(json.loads(done.stdout)["error"]) == {"code", "message", "hint"}


def test_corrupted_dataset_file_is_named_and_never_read(counting: Project, tmp_path: Path) -> None:
    (fragment,) = (tmp_path / "storage" / "datasets").rglob("*.parquet")
    content = bytearray(fragment.read_bytes())
    content[len(content) // 3] ^= 0x10
    fragment.chmod(0o600)
    fragment.write_bytes(content)
    done = counting.run("--handler", "counting:evaluate", "--dataset", "numbers")
    assert_one_clear_message(done, fragment.name)


def test_no_space_left_stops_the_build_cleanly(project: Project) -> None:
    """A limit on the size of files stands for a full disk: both refuse a write in the middle."""
    path = project.write("big.jsonl", "".join(json.dumps({"text": f"{k} " * 500}) + "\n" for k in range(4000)))
    assert project.swcli("dataset", "list").returncode == 0
    done = subprocess.run(
        [*swcli_command(), "dataset", "build", "--json", str(path), "--name", "big"],
        env=dict(project.swcli.env),
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    assert_one_clear_message(done, "space")
    assert json.loads(project.swcli("-o", "json", "dataset", "list").stdout) == []


def test_unknown_project_is_named(counting: Project) -> None:
    assert_one_clear_message(counting.swcli("dataset", "list", "--project", "sefl"), "sefl", "self")
    assert_one_clear_message(counting.swcli("job", "list", "--project", "sefl"), "sefl", "self")
