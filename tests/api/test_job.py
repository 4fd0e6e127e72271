"""`Job`: run from a notebook, a script or a file with one call."""

from __future__ import annotations

import os
import signal
import sys
import threading
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.api.conftest import FIRST, ROWS, SECOND, TOTAL, outputs

from starwhale.api import model
from starwhale.api.dataset import Dataset, dataset
from starwhale.api.job import Job
from starwhale.cli.app import CliApp
from starwhale.cli.root import swcli
from starwhale.errors import HandlerError, InterruptedJobError, NotFoundError, UsageError, UserCodeError
from starwhale.execution.executors.caller_threads import CallerThreads
from starwhale.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# ------------------------------------------------------------------------------------------------------- in a notebook


def test_functions_of_cells_run_with_one_call(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST)
    cell(SECOND)
    job = Job.run(datasets="numbers", replicas=3, name="mine", seed=7)
    assert (job.status, job.summary["total"]) == ("SUCCESS", TOTAL)
    assert outputs(job) == [number * 2 for number in range(ROWS)]
    assert (job.basic_info["seed"], job.basic_info["name"], job.basic_info["model"]) == (7, "mine", "notebook")
    assert [(each.step.name, each.step.replicas) for each in job.steps] == [
        ("__main__:double", 3),
        ("__main__:total", 1),
    ]
    assert Job.get("mine").id == job.id
    functions = job.basic_info["functions"]
    assert list(functions) == ["__main__:double", "__main__:total"]
    assert 'return row["number"] * FACTOR' in functions["__main__:double"], (
        "a notebook changes: the job keeps what it ran"
    )


def test_a_cell_that_runs_again_replaces_its_functions(cell: Callable[[str], ModuleType]) -> None:
    before = cell(FIRST).double
    cell(SECOND)
    cell(FIRST.replace("FACTOR = 2", "FACTOR = 5"))
    assert Job.run(datasets="numbers").summary["total"] == TOTAL / 2 * 5, "needs follow the newest function"
    assert outputs(Job.run(before, datasets="numbers", limit=2)) == [0, 5]


def test_a_handler_is_named_by_function_list_or_word(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell(FIRST + SECOND)
    for given in (notebook.double, "double", "__main__:double", [notebook.double], "0"):
        job = Job.run(given, datasets="numbers", dataset_head=3)
        assert (job.basic_info["handler_name"], outputs(job)) == ("__main__:double", [0, 2, 4])
    for given in (notebook.total, [notebook.double, notebook.total]):
        assert Job.run(given, datasets="numbers").basic_info["handler_name"] == "__main__:total"


def test_the_class_of_a_pipeline_runs(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell("""
        from starwhale import PipelineHandler, evaluation

        class Doubled(PipelineHandler):
            def predict(self, row):
                return row["number"] * 2

            def evaluate(self, results):
                evaluation.log_summary(total=sum(row["output"] for row in results))
    """)
    assert Job.run(notebook.Doubled, datasets="numbers").summary == {"total": TOTAL}
    assert Job.run(datasets="numbers").basic_info["handler_name"] == "__main__:Doubled.evaluate"


def test_datasets_are_names_objects_or_both(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell(FIRST)
    Dataset.from_dict_items([{"number": 100}], "more")
    assert outputs(Job.run(notebook.double, datasets=[dataset("more"), "numbers"], dataset_head=2)) == [200, 0, 2]
    changed = dataset("more")
    changed.append({"number": 3})
    with pytest.raises(UsageError, match="dataset 'more' has changes that were not committed; call its commit"):
        Job.run(notebook.double, datasets=changed)
    with pytest.raises(NotFoundError, match="did you mean 'numbers'"):
        Job.run(notebook.double, datasets="number")
    changed.commit()


def test_what_functions_print_reaches_the_cell_and_the_log(
    cell: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    cell(FIRST.replace("return", "print('row', row['number']); return"))
    before = sys.stdout
    job = Job.run(datasets="numbers", dataset_head=2, replicas=1)
    assert sys.stdout is before
    assert capsys.readouterr().out == "row 0\nrow 1\n"
    (log,) = (folder / "storage" / "logs").rglob(f"{job.id}/*.txt")
    assert log.read_text() == "row 0\nrow 1\n"


def test_an_error_names_the_users_line_and_the_job_goes_on_when_mended(cell: Callable[[str], ModuleType]) -> None:
    bad = FIRST.replace("return row", "assert row['number'] != 7, 'no seven'; return row")
    cell(bad)
    with pytest.raises(UserCodeError, match="AssertionError: no seven on row numbers: 7") as caught:
        Job.run(datasets="numbers", replicas=1)
    assert caught.value.frame.startswith("<cell ")
    assert caught.value.frame.endswith(" in double")
    assert "AssertionError: no seven" in "".join(caught.value.__notes__)
    job = Job.get(caught.value.job_id)
    assert job.status == "FAILED"
    with pytest.raises(UserCodeError):
        job.resume()
    cell(FIRST)
    with pytest.warns(UserWarning, match="its results will come from both versions"):
        assert job.resume().status == "SUCCESS"
    assert outputs(job) == [number * 2 for number in range(ROWS)]
    with pytest.warns(UserWarning, match="has succeeded already; there was nothing left to do"):
        assert job.resume().status == "SUCCESS"


def test_failed_rows_are_tried_again_when_mended(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST.replace("return row", "assert row['number'] % 5 != 2, 'no'; return row"))
    job = Job.run(datasets="numbers", replicas=2, max_errors=ROWS)
    assert job.status == "SUCCESS"
    failed = [row["_index"] for row in job.results(failed=True, limit=0)]
    assert failed == [number for number in range(ROWS) if number % 5 == 2]
    cell(FIRST)
    with pytest.warns(UserWarning, match="its results will come from both versions"):
        assert job.resume(failed=True).status == "SUCCESS"
    assert outputs(job) == [number * 2 for number in range(ROWS)]
    assert job.results(failed=True) == []
    assert [row["_index"] for row in job.results("retried_errors", limit=0)] == failed
    assert [row["_index"] for row in job.results(where="_retried == true", limit=0)] == failed
    (step, *_) = job.info().steps
    assert (step.retried, step.recovered) == (len(failed), len(failed))
    with pytest.warns(UserWarning, match="none of its rows has failed") as told:
        assert job.resume(failed=True).status == "SUCCESS"
    assert told[0].filename == __file__, "a warning stands at the line of whoever called"


def test_an_interrupt_stops_at_a_batch_and_what_was_done_is_kept(
    cell: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    was_told = threading.Event()
    cancel = CallerThreads.cancel
    monkeypatch.setattr(CallerThreads, "cancel", lambda *given: (cancel(*given), was_told.set()))
    notebook = cell(
        FIRST.replace("return row", "row['number'] == 5 and is_interrupting and interrupt(); return row")
        + "\n    is_interrupting = True\n"
    )
    vars(notebook)["interrupt"] = lambda: (signal.raise_signal(signal.SIGINT), was_told.wait(60))
    with pytest.raises(InterruptedJobError, match=r"go on with Job\.get\('.*%%writefile evaluation\.py") as caught:
        Job.run(datasets="numbers", replicas=1)
    job = Job.get(caught.value.job_id)
    assert job.status == "INTERRUPTED"
    assert 0 < len(outputs(job)) < ROWS
    vars(notebook)["is_interrupting"] = False
    assert len(outputs(job.resume())) == ROWS


@pytest.mark.parametrize("executor", ["process", "ray"])
def test_another_process_cannot_have_functions_of_a_notebook(cell: Callable[[str], ModuleType], executor: str) -> None:
    notebook = cell(FIRST)
    with pytest.raises(UsageError) as caught:
        Job.run(notebook.double, datasets="numbers", executor=executor)
    assert "%%writefile evaluation.py" in caught.value.hint
    assert f"Job.run(model='evaluation.py', executor='{executor}')" in caught.value.hint
    job = Job.run(notebook.double, datasets="numbers", executor="thread")
    assert job.basic_info["executor"] == "caller"


def test_the_command_line_says_why_it_cannot_resume_a_job_of_a_notebook(
    cell: Callable[[str], ModuleType],
) -> None:
    cell(FIRST.replace("FACTOR = 2", "FACTOR = None"))
    with pytest.raises(UserCodeError) as caught:
        Job.run(datasets="numbers")
    for words in (["job", "resume"], ["job", "resume", "--executor", "process"]):
        done = CliRunner().invoke(swcli, [*words, caught.value.job_id], obj=CliApp(read_settings()))
        assert isinstance(done.exception, UsageError)
        assert "defined in a notebook or script" in done.exception.message
        assert "%%writefile evaluation.py" in done.exception.hint
    assert Job.get(caught.value.job_id).status == "FAILED", "as it was"


def test_mistakes_are_told_before_a_job_exists(cell: Callable[[str], ModuleType]) -> None:
    before = len(Job.list(page_size=1000)[0])
    with pytest.raises(HandlerError, match="this notebook or script has no handlers; decorate a function with"):
        Job.run(datasets="numbers")
    notebook = cell(FIRST + SECOND + "\n    def plain(row):\n        return 1\n")
    for given, error, message in (
        (notebook.plain, HandlerError, "the function 'plain' is not a handler; decorate it"),
        ("doubel", NotFoundError, "no handler 'doubel' in this notebook or script; did you mean 'double'"),
        (3.5, HandlerError, "a handler is a decorated function, or its name, not 3.5"),
        (7, NotFoundError, "no handler at position 7"),
    ):
        with pytest.raises(error, match=message):
            Job.run(given, datasets="numbers")
    cell("@evaluation.predict\ndef other(row):\n    return 1")
    with pytest.raises(UsageError, match=r"several handlers could be meant: .*total.*name one: Job\.run\("):
        Job.run(datasets="numbers")
    del vars(notebook)["other"]
    assert Job.run(datasets="numbers", limit=1).status == "SUCCESS", "a deleted function is no handler any more"
    assert len(Job.list(page_size=1000)[0]) == before + 1


@pytest.mark.parametrize(
    "wrong",
    [{"limit": -1}, {"limit": "x"}, {"dataset_head": -2}, {"replicas": 0}, {"replicas": 1.5}, {"seed": "a"}],
)
def test_a_number_that_means_nothing_is_refused(cell: Callable[[str], ModuleType], wrong: dict[str, Any]) -> None:
    module = cell("""
        from starwhale import evaluation

        @evaluation.predict
        def one(data):
            return 1
    """)
    (name,) = wrong
    with pytest.raises(UsageError, match=f"{name} is {wrong[name]!r}; use a whole number"):
        Job.run(module.one, datasets="numbers", **wrong)
    done = Job.run(module.one, datasets="numbers", limit=1)
    with pytest.raises(UsageError, match="replicas is 0"):
        done.resume(replicas=0)
    for limit, offset in ((-1, 0), (1, -1)):
        with pytest.raises(UsageError, match="at least 1"):
            done.results(limit=limit, offset=offset)
    with pytest.raises(UsageError, match="page_size is 0"):
        Job.list(page_size=0)


def test_create_local_sees_the_globals_of_the_script(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell(FIRST + SECOND)
    vars(notebook)["FACTOR"] = 3
    job = Job.create_local(".", notebook.total, datasets=["numbers"])
    assert job.summary["total"] == TOTAL / 2 * 3
    vars(notebook)["FACTOR"] = None
    assert Job.create("self", ".", notebook.double, datasets=["numbers"]).status == "FAILED", "as it was in old scripts"


# -------------------------------------------------------------------------------------------------------- from a file


def test_functions_of_a_module_run_in_workers(
    cell: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "    import os\n    evaluation.log('seen', 0, {'pid': os.getpid(), 'cwd': os.getcwd()})\n"
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "__init__.py").touch()
    (tmp_path / "kit" / "scores.py").write_text(dedent(FIRST) + dedent(SECOND) + where, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    notebook = cell("from kit.scores import double, total")
    job = Job.run([notebook.double, notebook.total], datasets="numbers", executor="process")
    assert (job.summary["total"], job.basic_info["executor"]) == (TOTAL, "process")
    assert job.basic_info["handler_name"] == "kit.scores:total"
    (seen,) = job.get_table_rows("seen")
    assert seen["pid"] != os.getpid()
    assert seen["cwd"] == str(tmp_path)
    for name in ("kit", "kit.scores"):
        monkeypatch.delitem(sys.modules, name)


def test_a_model_is_a_file_a_folder_or_a_uri(cell: Callable[[str], ModuleType], tmp_path: Path) -> None:
    file = tmp_path / "mine" / "scores.py"
    file.parent.mkdir()
    file.write_text(dedent(FIRST) + dedent(SECOND), encoding="utf-8")
    job = Job.run(model=file, datasets="numbers", limit=2)
    assert (job.summary["total"], job.basic_info["executor"], job.basic_info["model"]) == (2, "thread", "scores")
    assert outputs(Job.run("scores:double", model=str(file), datasets="numbers", limit=2)) == [0, 2]
    assert Job.run(model=file.parent, datasets="numbers", limit=2).basic_info["model"] == "mine"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match=r"no file in .*nothing has handlers"):
        Job.run(model=tmp_path / "nothing", datasets="numbers")
    (file.parent / "model.yaml").write_text("name: named\nrun: {modules: [scores]}\n", encoding="utf-8")
    job = Job.run(model=file.parent, datasets="numbers", limit=2)
    assert (job.summary["total"], job.basic_info["model"]) == (2, "named")
    model.build(modules=["scores"], workdir=file.parent, name="packaged")
    job = Job.run(model="packaged", datasets="numbers", limit=2)
    assert job.summary["total"] == 2
    assert "/model/packaged/version/" in job.basic_info["model"]
    for missing in ("./nowhere", "nothing.py"):
        with pytest.raises(UsageError, match="there is no file or folder"):
            Job.run(model=missing, datasets="numbers")
    with pytest.raises(NotFoundError, match="did you mean 'packaged'"):
        Job.run(model="pakaged", datasets="numbers")
    file.write_text(file.read_text().replace("FACTOR = 2", "FACTOR = None"))
    with pytest.raises(UserCodeError, match=r"raised TypeError.* at .*scores\.py:") as caught:
        Job.run(model=file, datasets="numbers")
    assert f"go on with Job.get('{caught.value.job_id[:12]}').resume()" in str(caught.value)
