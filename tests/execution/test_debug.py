"""One row at a time, one row alone, exact limits, and what user code prints."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from starwhale.datasets.build import build_version
from starwhale.datasets.dataset import Dataset
from starwhale.domain.job import RunRequest
from starwhale.domain.status import Status
from starwhale.errors import NotFoundError, UsageError, UserCodeError
from starwhale.execution.debug_run import pick_row
from starwhale.execution.outcome import JobOutcome
from starwhale.execution.run_options import RunOptions
from starwhale.instances.instance import Instance, open_instance
from starwhale.instances.jobs.pinning import pin_dataset
from starwhale.results.read import JobTables, summary, table_names
from starwhale.settings import read_settings
from starwhale.storage.catalog.job_records import JobRecord
from starwhale.storage.protocols import TableQuery

DATASETS = {"numbers": list(range(0, 100, 2)), "others": [3, 4, 5], "letters": ["a", "b:c", "d"]}
"""Name → keys; each row holds its key."""
HANDLERS = """
    from starwhale import Context, dataset, evaluation, handler

    @evaluation.predict(replicas=3, batch_size=2, log_mode="plain", log_dataset_features=[])
    def predict(rows):
        evaluation.log("calls", f"{rows[0]['key']}", {"rows": len(rows)})
        return [row["key"] for row in rows]

    @evaluation.evaluate(needs=[predict])
    def evaluate(results):
        evaluation.log_summary({"count": len(list(results))})

    @handler(needs=[predict], replicas=2)
    def consume():
        for name in ("numbers", "others", "letters"):
            shared = dataset(name, readonly=True)
            shared.make_distributed_consumption(name, batch_size=2)
            for row in shared:
                evaluation.log("consumed", f"{name} {row.index}", {"task": Context.get_runtime_context().index})
"""


class Workshop:
    """A folder of a user, and an instance with datasets."""

    def __init__(self, folder: Path, instance: Instance) -> None:
        self.folder = folder
        self.instance = instance

    def write(self, text: str) -> None:
        """Write the module of the handlers."""
        (self.folder / "ev.py").write_text(dedent(text), encoding="utf-8")

    def request(self, **changes: object) -> RunRequest:
        """Ask for the evaluation of all datasets, with changes."""
        request = RunRequest(workdir=str(self.folder), modules=("ev",), handler="ev:evaluate", datasets=tuple(DATASETS))
        return dataclasses.replace(request, **changes)

    def run(self, **changes: object) -> JobOutcome:
        """Run it to its end."""
        options = RunOptions(should_stop=lambda: False, is_verbose=bool(changes.pop("is_verbose", False)))
        return self.instance.jobs.run(self.request(**changes), options)

    def job(self, outcome: JobOutcome) -> JobRecord:
        """The record of a run, be it hidden."""
        jobs = self.instance.catalog.jobs
        return jobs.get(outcome.job_id, removed=outcome.job_id in {each.id for each in jobs.list(removed=True)})

    def rows(self, outcome: JobOutcome, table: str = "results") -> list[dict[str, object]]:
        """Rows of a table of a run."""
        stores, job = self.instance.stores, self.job(outcome)
        return list(JobTables(stores, job).rows(TableQuery(table=table))) if table in table_names(stores, job) else []


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    env = {"HOME": str(tmp_path), "SW_CLI_CONFIG": str(tmp_path / "c.yaml"), "SW_LOCAL_STORAGE": str(tmp_path / "s")}
    for name, value in env.items():  # the workers open datasets themselves
        monkeypatch.setenv(name, value)
    (tmp_path / "project").mkdir()
    with open_instance(read_settings(env)) as instance:
        for name, keys in DATASETS.items():
            with instance.datasets.open(name, Dataset) as made:
                build_version(made, [(key, {"key": key}) for key in keys])
        found = Workshop(tmp_path / "project", instance)
        found.write(HANDLERS)
        yield found


def expected(head: int, limit: int) -> list[str]:
    """Ids of the rows that a cut leaves, in row order."""
    ids = [f"self/{name}_#@#_{key}" for name, keys in DATASETS.items() for key in keys[: head or None]]
    return ids[: limit or None]


@pytest.mark.parametrize(("executor", "head", "limit"), [("thread", 0, 52), ("process", 2, 5)])
def test_head_and_limit_are_exact_and_for_the_whole_job(
    workshop: Workshop, executor: str, head: int, limit: int
) -> None:
    """Also for the rows that the tasks of a handler share by themselves."""
    done = workshop.run(handler="ev:consume", executor=executor, replicas=3, dataset_head=head, limit=limit)
    assert done.status is Status.SUCCESS, done.error
    wanted = expected(head, limit)
    assert [row["id"] for row in workshop.rows(done)] == wanted
    consumed = [f"self/{'_#@#_'.join(str(row['id']).split(' '))}" for row in workshop.rows(done, "consumed")]
    assert Counter(consumed) == Counter(wanted)


def test_debug_run_tries_rows_one_by_one_in_one_task_and_leaves_no_trace(workshop: Workshop) -> None:
    real = workshop.run(limit=4)
    done = workshop.run(is_debug=True, limit=5)
    assert done.status is Status.SUCCESS, done.error
    assert {row["rows"] for row in workshop.rows(done, "calls")} == {1}
    assert len(workshop.rows(done, "calls")) == 5
    assert [row["id"] for row in workshop.rows(done)] == expected(0, 5)
    assert summary(workshop.instance.stores, workshop.job(done))["count"] == 5
    assert {each.task_index for each in workshop.instance.catalog.jobs.attempts(done.job_id)} == {0}
    assert workshop.job(done).record["debug"] is True
    assert workshop.instance.jobs.get("latest").id == real.job_id
    assert [each.id for each in workshop.instance.jobs.list()] == [real.job_id]
    assert workshop.instance.jobs.resume(real.job_id).status is Status.SUCCESS


def test_one_row_has_the_id_and_the_output_that_it_has_in_the_whole_job(workshop: Workshop) -> None:
    done = workshop.run(is_debug=True, row="letters:b:c")
    assert done.status is Status.SUCCESS, done.error
    assert [(row["id"], row["output"]) for row in workshop.rows(done)] == [("self/letters_#@#_b:c", "b:c")]
    assert [each.step.name for each in workshop.instance.catalog.jobs.steps(done.job_id)] == ["ev:predict"]
    (progress,) = workshop.instance.catalog.ledger.progress(done.job_id)
    assert (progress.done, progress.total) == (1, 1)
    assert workshop.instance.catalog.ledger.is_complete(done.job_id, "ev:predict")


def test_rows_are_found_by_key_and_by_name_and_key(workshop: Workshop) -> None:
    stores = workshop.instance.stores
    pinned = [pin_dataset(stores, name, project="self") for name in DATASETS]

    def pick(row: str) -> tuple[str, int]:
        found = pick_row(row, pinned, lambda each: stores.datasets.open_version(each.dataset_id, each.manifest_digest))
        assert len(found) == len(pinned)
        ((name, start),) = [(each.name, each.start) for each in found if each.row_count]
        return name, start

    assert pick("98") == ("numbers", 49)
    assert pick("5") == ("others", 2)
    assert pick("a") == ("letters", 0)
    assert pick("b:c") == ("letters", 1)
    assert pick("numbers:4") == ("numbers", 2)
    with pytest.raises(UsageError, match="2 datasets have a row 4") as several:
        pick("4")
    assert "--row numbers:4 or --row others:4" in several.value.hint
    with pytest.raises(NotFoundError, match="no row '51'") as missing:
        pick("numbers:51")
    assert "52, 50" in missing.value.hint or "50, 52" in missing.value.hint
    with pytest.raises(NotFoundError, match="no row 'b:d'") as text:
        pick("letters:b:d")
    assert "did you mean 'b:c'" in text.value.hint
    with pytest.raises(NotFoundError) as wrong:
        pick("numbers:first")
    assert "whole numbers from 0 to 98" in wrong.value.hint


def test_what_does_not_go_together_is_refused_before_anything_runs(workshop: Workshop) -> None:
    workshop.write("from starwhale import handler\n@handler\ndef alone(): ...\n")
    refused: dict[str, dict[str, object]] = {
        "--executor process": {"is_debug": True, "executor": "process"},
        "--replicas 2": {"is_debug": True, "replicas": 2},
        "--debug": {"row": "4"},
        "takes rows": {"is_debug": True, "row": "4", "handler": "ev:alone"},
    }
    for word, changes in refused.items():
        with pytest.raises(UsageError) as raised:
            workshop.run(**changes)
        assert word in f"{raised.value}"
    assert workshop.instance.jobs.list() == []


def test_failure_says_line_row_feature_and_log(workshop: Workshop) -> None:
    workshop.write("""
        from starwhale import evaluation

        @evaluation.predict
        def predict(row):
            print("looking at", row["key"])
            if row["key"] == 8:
                return row["kye"]
            return 1
    """)
    done = workshop.run(handler="ev:predict", datasets=("numbers",))
    error = done.error
    assert isinstance(error, UserCodeError)
    assert error.source.splitlines()[1] == '  > 8 │         return row["kye"]'
    assert error.frame == f"{workshop.folder / 'ev.py'}:8 in predict"
    assert (error.key, error.row, error.exception) == ("numbers: 8", "numbers:8", "KeyError: 'kye'")
    assert "did you mean 'key'" in error.hint
    assert "looking at 8" in Path(error.log).read_text(encoding="utf-8")


def test_predict_with_parameters_that_nobody_gives_fails_before_the_first_row(workshop: Workshop) -> None:
    workshop.write("""
        from starwhale import evaluation

        @evaluation.predict
        def predict(row, external, weights):
            raise AssertionError("was called")
    """)
    done = workshop.run(handler="ev:predict", datasets=("numbers",))
    assert isinstance(done.error, UserCodeError)
    assert "weights" in done.error.message
    assert "def predict(row, external, weights)" in done.error.source.splitlines()[1]
    assert done.error.row == ""


def test_lines_of_threads_stay_whole_and_all_output_reaches_log_and_terminal(
    workshop: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    workshop.write(f"""
        import logging, subprocess, sys, threading
        from starwhale import evaluation

        logging.basicConfig(format="%(message)s", level=logging.INFO)
        together = threading.Barrier(4)

        def talk(name):
            together.wait()
            for count in range(50):
                print("<", name, count, ">", file=sys.stderr if count % 2 else sys.stdout)

        @evaluation.predict(replicas=1)
        def predict(row):
            threads = [threading.Thread(target=talk, args=(k,)) for k in range(4)]
            [each.start() for each in threads]
            [each.join() for each in threads]
            logging.getLogger("mine").info("from logging")
            subprocess.run([{sys.executable!r}, "-c", "import sys; print('from a child'); print('its error', file=sys.stderr)"])
            print("no newline at the end", end="")
    """)
    done = workshop.run(handler="ev:predict", datasets=("numbers",), limit=1, is_verbose=True)
    assert done.status is Status.SUCCESS, done.error
    folder = workshop.instance.stores.layout.logs(done.job_id)
    log = (folder / "0-0-1.txt").read_text(encoding="utf-8")
    wanted = {f"< {name} {count} >" for name in range(4) for count in range(50)}
    assert sorted(log.splitlines()) == sorted([*wanted, "from logging", "no newline at the end"])
    assert sorted((folder / "worker-0.txt").read_text(encoding="utf-8").splitlines()) == ["from a child", "its error"]
    shown = capfd.readouterr()
    assert wanted | {"from logging", "from a child", "its error"} <= set(shown.err.splitlines())
    assert "from a child" not in shown.out


def test_threads_of_user_code_print_into_the_log_of_the_task_that_started_them(workshop: Workshop) -> None:
    workshop.write("""
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from starwhale import Context, evaluation

        both = threading.Barrier(2)

        @evaluation.predict(replicas=2)
        def predict(row):
            both.wait(60)
            index = Context.get_runtime_context().index
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda k: print("task", index, "says", k), range(3)))
    """)
    done = workshop.run(handler="ev:predict", datasets=("numbers",), limit=2)
    assert done.status is Status.SUCCESS, done.error
    folder = workshop.instance.stores.layout.logs(done.job_id)
    for index in range(2):
        lines = (folder / f"0-{index}-1.txt").read_text(encoding="utf-8").splitlines()
        assert sorted(lines) == [f"task {index} says {k}" for k in range(3)]
