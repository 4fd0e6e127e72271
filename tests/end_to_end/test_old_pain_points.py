"""What release 0.6 got wrong or lost without an error (SPEC 7.1), each with what happens here instead.

The letters are those of the list. The kills of (r) have tests of their own in tests/execution; here one is enough.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from tests.conftest import swcli_command

from starwhale import Image, Job, dataset
from starwhale.cli.root import run
from starwhale.errors import NotBuiltYetError, NotFoundError, ReadOnlyError, UserCodeError
from starwhale.handlers.registry import REGISTRY

Cell = Callable[[str], ModuleType]
PREDICT = """
from starwhale import Evaluation, evaluation

@evaluation.predict(log_mode="plain")
def predict(row):
    return row["x"] * 2
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pains")


@pytest.fixture(autouse=True)
def isolated(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_CLI_CONFIG", str(root / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(root / "storage"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    """Define handlers as a script does whose `__main__` they belong to."""
    script = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", script)

    def define(source: str) -> ModuleType:
        REGISTRY.forget("__main__")
        exec(compile(dedent(source), "<script>", "exec"), vars(script))  # noqa: S102 - what a script does
        return script

    yield define
    REGISTRY.forget("__main__")


def build(name: str, count: int = 10) -> str:
    """Make a version with rows `{"x": 0}`, `{"x": 1}`, … and return its id."""
    with dataset(name) as opened:
        for number in range(count):
            opened[number] = {"x": number}
        return str(opened.commit())


def evaluate(cell: Cell, body: str, datasets: str | list[str], **options: Any) -> Job:
    """Run `predict` and an evaluate function of this body."""
    source = f"{PREDICT}\n@evaluation.evaluate(needs=[predict])\ndef score(results):\n"
    cell(source + "\n".join(f"    {line}" for line in dedent(body).strip().splitlines()))
    return Job.run(datasets=datasets, **options)


def test_a_one_bad_metric_raises_where_it_is_logged_and_no_other_is_lost(cell: Cell) -> None:
    build("a", 2)
    body = """
        refused = []
        for bad in ({"set": {1, 2}}, {"object": object()}, {"id": 3}):
            try:
                evaluation.log("table", "row", bad)
            except Exception as error:
                refused.append(f"{type(error).__name__}: {error}")
        evaluation.log("mixed", 1, {"v": 1})
        try:
            evaluation.log("mixed", "one", {"v": 1})
        except Exception as error:
            refused.append(str(error))
        evaluation.log("names", "row", {"a.b": 1, "c@d": 2, "größe": 3})
        evaluation.log_summary(kept=1, refused=len(refused), first=refused[0])
    """
    job = evaluate(cell, body, "a")
    assert (job.status, job.summary["kept"], job.summary["refused"]) == ("SUCCESS", 1, 4)
    assert "set" in job.summary["first"]
    (named,) = job.get_table_rows("names")
    assert {name: named[name] for name in ("a.b", "c@d", "größe")} == {"a.b": 1, "c@d": 2, "größe": 3}
    with pytest.raises(UserCodeError) as caught:
        evaluate(cell, "evaluation.log_summary(kept=1)\nevaluation.log_summary(lost={1, 2})", "a")
    failed = Job.get(caught.value.job_id)
    assert (failed.status, len(list(failed.get_table_rows("results")))) == ("FAILED", 2), "and what was done stands"


def test_b_an_old_version_keeps_the_rows_that_a_newer_one_deleted(cell: Cell) -> None:
    version = build("b")
    with dataset("b") as opened:
        del opened[7:]
        opened.commit()
    body = "evaluation.log_summary(rows=len(list(results)))"
    assert evaluate(cell, body, f"b/version/{version}").summary["rows"] == 10
    assert evaluate(cell, body, "b").summary["rows"] == 7


def test_c_two_predict_steps_each_see_every_row(cell: Cell) -> None:
    build("c")
    cell(
        """
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def first(row):
            return row["x"]

        @evaluation.predict(log_mode="plain", needs=[first])
        def second(row):
            return -row["x"]
        """
    )
    rows = list(Job.run(datasets="c", replicas=3).get_table_rows("results"))
    assert sorted(row["output"] for row in rows) == sorted([*range(10), *(-number for number in range(10))])
    assert len({row["id"] for row in rows}) == 20


def test_d_tasks_that_are_started_one_by_one_do_not_all_take_every_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Sharing a job's rows between calls is not built: it is refused, where 0.6 took every row twice."""
    build("d")
    (tmp_path / "evaluation.py").write_text(PREDICT, encoding="utf-8")
    words = ["-d", "d", "--step", "evaluation:predict", "--override-task-num", "2", "--task-index", "1"]
    assert run(["model", "run", *words]) == NotBuiltYetError.exit_code
    assert "not built yet" in capfd.readouterr().err


def test_e_leaving_an_evaluation_of_the_context_loses_nothing(cell: Cell) -> None:
    build("e", 2)
    body = """
        with Evaluation.from_context() as mine:
            mine.log_summary({"before": 1})
        evaluation.log_summary(after=2)
    """
    assert evaluate(cell, body, "e").summary == {"before": 1, "after": 2}


def test_f_what_was_logged_can_be_read_at_once(cell: Cell) -> None:
    build("f", 4)
    body = """
        evaluation.log_summary(mine=1)
        here = Evaluation.from_context()
        evaluation.log_summary(seen=here.get_summary()["mine"], rows=len(list(here.scan_results())))
    """
    assert evaluate(cell, body, "f").summary == {"mine": 1, "seen": 1, "rows": 4}


def test_g_append_after_a_deletion_overwrites_nothing() -> None:
    build("g", 5)
    with dataset("g") as opened:
        del opened[0]
        del opened[1]
        opened.commit()
    with dataset("g") as opened:
        opened.append({"x": 100})
        opened.commit()
    with dataset("g", readonly=True) as opened:
        assert [(row.index, row.features["x"]) for row in opened] == [(2, 2), (3, 3), (4, 4), (5, 100)]


def test_h_an_old_version_opened_for_writing_is_refused() -> None:
    version = build("h", 2)
    with dataset("h") as opened:
        opened[2] = {"x": 2}
        opened.commit()
    with dataset(f"h/version/{version}") as opened, pytest.raises(ReadOnlyError, match="newest"):
        opened[0] = {"x": 7}
    with dataset("h", readonly=True) as opened:
        assert [row.features["x"] for row in opened] == [0, 1, 2]


def test_i_artifacts_in_lists_keep_their_bytes() -> None:
    with dataset("i") as opened:
        opened[0] = {"views": [Image(b"first"), {"inner": (Image(b"second"), 1)}]}
        opened.commit()
    with dataset("i", readonly=True) as opened:
        views = opened[0].features["views"]
        assert (views[0].to_bytes(), views[1]["inner"][0].to_bytes()) == (b"first", b"second")


def test_j_a_name_means_what_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST", "zebra" + "a" * 35)
    build("striped", 1)
    monkeypatch.delenv("SW_BUILD_BUNDLE_FIXED_VERSION_FOR_TEST")
    build("zebra", 3)
    for word, count in (("zebra", 3), ("zebraa", 1)):
        with dataset(word, readonly=True) as opened:
            assert len(opened) == count


def test_k_remove_takes_the_one_job_that_was_named_and_recover_brings_it_back(
    cell: Cell, capfd: pytest.CaptureFixture[str]
) -> None:
    build("k", 1)
    mine, other = (evaluate(cell, "pass", "k", name=name).id for name in ("mine", "other"))
    count = len(Job.list()[0])
    assert run(["job", "remove", "-f", "nobody"]) == 1
    assert run(["job", "remove", mine]) == 0
    assert run(["job", "remove", "-f", mine]) == 1
    assert len(Job.list()[0]) == count - 1
    assert Job.get("other").id == other
    assert run(["job", "recover", mine]) == 0
    assert len(Job.list()[0]) == count
    assert "nobody" in capfd.readouterr().err


def test_l_a_row_without_features_is_a_row() -> None:
    build("l", 2)
    with dataset("l") as opened:
        del opened[0].features["x"]
        opened.commit()
    with dataset("l", readonly=True) as opened:
        assert [(row.index, dict(row.features)) for row in opened] == [(0, {}), (1, {"x": 1})]


def test_m_a_name_with_dots_is_a_name() -> None:
    build("m.v1.2", 3)
    with dataset("m.v1.2", readonly=True) as opened:
        assert [row.features["x"] for row in opened] == [0, 1, 2]


def test_n_labels_are_ordered_by_value_and_a_zero_is_a_figure(cell: Cell) -> None:
    build("n", 12)
    source = """
        from starwhale import evaluation, multi_classification

        @evaluation.predict(log_mode="plain")
        def predict(row):
            return row["x"]{change}

        @evaluation.evaluate(needs=[predict])
        @multi_classification(show_roc_auc=False)
        def score(results):
            rows = list(results)
            return [row["input"]["x"] for row in rows], [row["output"] for row in rows]
    """
    cell(source.format(change=""))
    labels = {row["id"]: row for row in Job.run(datasets="n").get_table_rows("labels")}
    assert [labels[str(label)]["tp-true positive"] for label in range(12)] == [1] * 12
    cell(source.format(change=" + 100"))
    assert Job.run(datasets="n").summary["accuracy"] == 0.0


def test_o_info_belongs_to_its_version() -> None:
    first = build("o", 1)
    with dataset("o") as opened:
        opened.info["licence"] = "CC0"
        opened[1] = {"x": 1}
        opened.commit()
    with dataset(f"o/version/{first}", readonly=True) as old, dataset("o", readonly=True) as new:
        assert (dict(old.info), dict(new.info)) == ({}, {"licence": "CC0"})


def test_p_two_versions_in_one_job_keep_their_results_apart(cell: Cell) -> None:
    first = build("p", 3)
    with dataset("p") as opened:
        opened[3] = {"x": 3}
        opened.commit()
    job = evaluate(cell, "evaluation.log_summary(rows=len(list(results)))", [f"p/version/{first}", "p"])
    rows = list(job.get_table_rows("results"))
    assert (job.summary["rows"], len(rows), len({row["id"] for row in rows})) == (7, 7, 7)


def test_q_a_job_says_which_versions_it_read_with_what(cell: Cell) -> None:
    version = build("q", 1)
    job = evaluate(cell, "pass", "q", seed=5)
    build_again = build("q2", 1)
    facts = job.basic_info
    assert version in facts["dataset_uris"][0]
    assert build_again not in json.dumps(facts, default=str)
    assert facts["seed"] == 5
    assert {"starwhale_version", "python_version", "source_digest", "argv"} <= set(facts)


def test_r_a_run_that_fails_or_is_killed_leaves_a_record(cell: Cell, tmp_path: Path) -> None:
    build("r", 50)
    with pytest.raises(UserCodeError) as caught:
        evaluate(cell, "raise ValueError('the third sensor is off')", "r")
    failed = Job.get(caught.value.job_id)
    assert (failed.status, "the third sensor is off" in failed.basic_info["error_message"]) == ("FAILED", True)

    slow = PREDICT.replace("return", "import time; time.sleep(0.2); open('begun', 'w').close()\n    return")
    (tmp_path / "evaluation.py").write_text(slow, encoding="utf-8")
    words = ["model", "run", "-d", "r", "--name", "killed"]
    with subprocess.Popen(
        [*swcli_command(), *words], cwd=tmp_path, stdout=-3, stderr=-3, start_new_session=True
    ) as started:
        deadline = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait(30)
    assert Job.get("killed").status == "INTERRUPTED"
    with pytest.raises(NotFoundError):
        Job.get("never-begun")
