"""`Job`: run from a notebook or script with one call, look at it, go on with it."""

from __future__ import annotations

import dataclasses
import io
import linecache
import os
import random
import signal
import sys
import threading
import zlib
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from starwhale import Image
from starwhale.api import model
from starwhale.api.dataset import Dataset, dataset
from starwhale.api.job import Job
from starwhale.api.notebook.job_progress import ProgressLine, progress_text
from starwhale.cli.app import CliApp
from starwhale.cli.root import swcli
from starwhale.domain.status import Status
from starwhale.errors import (
    HandlerError,
    InterruptedJobError,
    InvalidNameError,
    NotFoundError,
    UsageError,
    UserCodeError,
)
from starwhale.execution.executors.caller_threads import CallerThreads
from starwhale.execution.run import JobProgress, StepView
from starwhale.handlers.registry import REGISTRY
from starwhale.settings import read_settings
from starwhale.storage.protocols import StepProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 20
FIRST = """
    from starwhale import evaluation

    @evaluation.predict(replicas=2, log_mode="plain")
    def double(row):
        return row["number"] * FACTOR

    FACTOR = 2
"""
SECOND = """
    @evaluation.evaluate(needs=[double])
    def total(results):
        evaluation.log_summary(total=sum(row["output"] for row in results), note="<b>")
"""
TOTAL = sum(range(ROWS)) * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the instance of this file's tests lies; making one takes longer than a job."""
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(autouse=True)
def isolated(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_CLI_CONFIG", str(folder / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(folder / "storage"))
    monkeypatch.chdir(tmp_path)
    if not Dataset.list()[0]:
        Dataset.from_dict_items(({"number": number} for number in range(ROWS)), "numbers")


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Run a cell of a notebook: its functions belong to `__main__`."""
    notebook = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    REGISTRY.forget("__main__")

    def run(source: str) -> ModuleType:
        source = dedent(source)
        name = f"<cell {zlib.crc32(source.encode())}>"
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        exec(compile(source, name, "exec"), vars(notebook))  # noqa: S102 - what a notebook does
        return notebook

    return run


def outputs(job: Job) -> list[Any]:
    return [row["output"] for row in job.get_table_rows("results")]


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


# ------------------------------------------------------------------------------------------------------------- verbs


def test_tables_come_as_frames(cell: Callable[[str], ModuleType]) -> None:
    cell("""
        from starwhale import Text, evaluation

        @evaluation.predict(log_mode="plain")
        def mixed(row):
            number = row["number"]
            evaluation.log("more", number, {"x": number * 0.5})
            output = {"number": number, "text": f"n{number}", "mixed": "a" if number == 1 else number, "media": Text("t")}
            return output if number != 2 else {"text": "two"}
    """)
    job = Job.run(datasets="numbers", dataset_head=4)
    frame = job.to_pandas()
    assert frame["input/number"].tolist() == [0, 1, 2, 3]
    assert str(frame["output/number"].dtype) == "Int64", "an integer never becomes a float"
    assert frame["output/number"].isna().tolist() == [False, False, True, False]
    assert frame["output/mixed"].tolist()[:2] == [0, "a"]
    assert frame["output/media"][0].to_str() == "t"
    assert not [name for name in frame if name.startswith("__")]
    arrow = job.to_arrow()
    assert arrow["output/number"].to_pylist() == [0, 1, None, 3]
    assert arrow["output/mixed"].to_pylist() == ["0", "a", None, "3"]
    assert job.to_arrow("more").to_pylist() == [{"id": number, "x": number * 0.5} for number in range(4)]
    assert len(job.to_pandas("summary")) == 0
    with pytest.raises(NotFoundError, match="has no table 'mor'; did you mean 'more'"):
        job.to_pandas("mor")


def test_waiting_ends_with_the_job_or_with_the_time(cell: Callable[[str], ModuleType]) -> None:
    notebook = cell(FIRST.replace("return row", "started.set(); go_on.wait(60); return row"))
    started, go_on = threading.Event(), threading.Event()
    vars(notebook).update(started=started, go_on=go_on)
    thread = threading.Thread(target=lambda: Job.run(datasets="numbers", name="slow"))
    thread.start()
    assert started.wait(60)
    job = Job.get("slow")
    with pytest.raises(TimeoutError, match=r"is still running after 0 s"):
        job.wait(timeout_s=0)
    go_on.set()
    assert job.wait(timeout_s=60).status == "SUCCESS"
    thread.join()


def test_rows_of_a_table_and_failed_ones(cell: Callable[[str], ModuleType]) -> None:
    cell("""
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain", fail_on_error=False)
        def picky(row):
            return 1 / (row["number"] - 1)
    """)
    job = Job.run(datasets="numbers", dataset_head=4)
    assert [row["_index"] for row in job.results(limit=2)] == [0, 2]
    assert len(job.results(limit=0)) == 3
    (failed,) = job.results(failed=True)
    assert (failed["_index"], failed["frame"].rpartition(" ")[2]) == (1, "picky")
    with pytest.raises(NotFoundError):
        job.results("nothing")
    assert [row["_index"] for row in job.results(where="output < 0 or input/number == 3")] == [0, 3]
    assert [row["_index"] for row in job.results("Results", where="output != 5", limit=1, offset=1)] == [2]
    assert [row["_index"] for row in job.results(failed=True, where='exception contains "ZeroDivision"')] == [1]
    assert job.results(failed=True, where='message contains "nothing of the sort"') == []
    with pytest.raises(UsageError, match=r"no column 'outptu'.*did you mean 'output'"):
        job.results(where="outptu < 0")


def test_inputs_are_kept_by_reference_and_read_back_under_their_old_names(
    cell: Callable[[str], ModuleType], folder: Path
) -> None:
    """`benchmarks/inputs_by_reference.py` counts the same over 1 GB."""
    pictures = [random.Random(number).randbytes(300_000) for number in range(8)]
    with dataset("pictures") as opened:
        for number, content in enumerate(pictures):
            opened[number] = {"picture": Image(content), "label": number}
        opened.commit()

    def size() -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    cell("""
        from starwhale import evaluation

        @evaluation.predict(log_mode="plain")
        def look(row):
            return len(row["picture"].to_bytes())
    """)
    before = size()
    job = Job.run(datasets="pictures")
    assert size() - before < 300_000, "one copied picture is more"
    rows = list(job.get_table_rows("results"))
    assert [row["input/label"] for row in rows] == list(range(8))
    assert [row["input/picture"].to_bytes() for row in rows] == pictures


def test_remove_and_recover(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST)
    job = Job.run(datasets="numbers", limit=1)
    job.remove()
    with pytest.raises(NotFoundError):
        Job.get(job.id)
    assert job.status == "SUCCESS"
    Job.get(job.id, removed=True).recover()
    assert Job.get(job.id[:12]).id == job.id


def test_tags_and_a_note_of_a_job(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST)
    job = Job.run(datasets="numbers", limit=1)
    assert job.tag(["good", "old"]) == ("good", "old")
    assert job.tag(["old", "never"], remove=True) == ("good",)
    assert Job.get(job.id).tag() == ("good",)
    assert job.note("look at row 3") == "look at row 3"
    with pytest.raises(InvalidNameError):
        job.tag(["no spaces please"])


def test_a_job_shows_itself(cell: Callable[[str], ModuleType]) -> None:
    cell(FIRST + SECOND)
    job = Job.run(datasets="numbers", name="shown")
    assert repr(job) == f"<Job {job.id[:12]} SUCCESS: __main__:total, name 'shown'>"
    html = job._repr_html_()
    for part in ("SUCCESS", job.id[:12], "shown", "__main__:total", "numbers@", "double: 20 of 20 done", str(TOTAL)):
        assert part in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html.replace('<b style="color:#1a7f37">', "")


# ----------------------------------------------------------------------------------------------------------- progress

PROGRESS = JobProgress(
    job_id="k" * 40,
    steps=(
        StepView(
            name="m:predict", status=Status.RUNNING, rows=StepProgress(step="m:predict", done=120, failed=2, total=1000)
        ),
        StepView(name="m:evaluate", status=Status.CREATED),
    ),
)


def test_progress_is_one_line() -> None:
    assert progress_text(PROGRESS) == "job kkkkkkkkkkkk: predict 120/1000 rows, 2 failed · evaluate created"
    busy = dataclasses.replace(PROGRESS.steps[0], note="service busy, 3 s to wait")
    waiting = dataclasses.replace(PROGRESS, steps=(busy,))
    assert progress_text(waiting) == "job kkkkkkkkkkkk: predict 120/1000 rows, 2 failed, service busy, 3 s to wait"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_of_progress_is_never_longer_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    with ProgressLine(is_wanted=True, clock=lambda: 9.0) as line:
        assert line.on_progress is not None
        line.on_progress(PROGRESS)
    assert terminal.getvalue() == f"\r{progress_text(PROGRESS)[:19]}\r{' ' * 19}\r"


def test_progress_is_drawn_where_somebody_looks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, times = _Terminal(), iter([1.0, 1.1, 2.0])
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    with ProgressLine(is_wanted=True, clock=lambda: next(times)) as line:
        assert line.on_progress is not None
        for _ in range(3):
            line.on_progress(PROGRESS)
    text = progress_text(PROGRESS)
    assert terminal.getvalue() == f"\r{text}\r{text}\r{' ' * len(text)}\r", "twice, and away at the end"
    terminal.truncate(0)
    with ProgressLine(is_wanted=True, clock=lambda: 9.0) as line:
        assert line.on_progress is not None
        line.on_progress(PROGRESS)
        assert line.stopping()
        line.on_progress(PROGRESS)
        assert "interrupt again to stop at once" in terminal.getvalue()
    with ProgressLine(is_wanted=False) as line:
        assert line.on_progress is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressLine(is_wanted=True) as line:
        assert line.on_progress is None
