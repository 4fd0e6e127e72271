"""Tasks as threads of the caller's own process: the rules of executors that need no worker, and what only this one promises."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from starwhale.domain.status import Status
from starwhale.errors import HandlerError
from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.execution.interrupts import listen_for_interrupt
from starwhale.handlers.discover import discover_loaded
from starwhale.handlers.registry import REGISTRY
from starwhale.testing.executors import ExecutorContract, ExecutorPlace, ResourceContract, wait_for

_NOT_HERE = None  # there is no worker that could be killed, and user code that never ends is not killed either


class _InThisProcess(ExecutorPlace):
    @pytest.fixture(autouse=True)
    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def make_executor(self, options: ExecutorOptions) -> Executor:
        """Load the module of the suite, as a notebook has its functions before it asks for a job."""
        spec = importlib.util.spec_from_file_location("contract", Path(options.workdir) / "contract.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.monkeypatch.setitem(sys.modules, "contract", module)
        self.monkeypatch.chdir(options.workdir)
        REGISTRY.forget("contract")
        spec.loader.exec_module(module)
        return open_executor("caller", options)


@pytest.mark.needs_time
class TestCallerResources(_InThisProcess, ResourceContract):
    test_a_killed_task_gives_its_accelerators_back = _NOT_HERE  # pyright: ignore[reportAssignmentType]


class TestCallerThreads(_InThisProcess, ExecutorContract):
    test_tasks_of_a_killed_worker_report_once = _NOT_HERE  # pyright: ignore[reportAssignmentType]
    test_a_task_runs_after_a_worker_was_killed = _NOT_HERE  # pyright: ignore[reportAssignmentType]
    test_close_leaves_no_process = _NOT_HERE  # pyright: ignore[reportAssignmentType]
    test_close_ends_user_code_that_never_ends = _NOT_HERE  # pyright: ignore[reportAssignmentType]
    test_a_module_that_does_not_import_is_the_users_error = _NOT_HERE  # pyright: ignore[reportAssignmentType]

    def test_streams_are_given_back(self, tmp_path: Path) -> None:
        before = sys.stdout, sys.stderr
        with self.workplace(tmp_path, replicas=1) as place:
            place.executor.submit(place.tasks[0])
            assert sys.stdout is not before[0], "what tasks print goes to their logs"
            place.collect(1)
            place.executor.close()
            assert (sys.stdout, sys.stderr) == before

    def test_what_tasks_print_goes_to_their_logs_and_on(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with self.workplace(tmp_path, "data['number'] == 7 and print('seven')", replicas=1) as place:
            place.executor.submit(place.tasks[0])
            place.collect(1)
            (log,) = place.stores.layout.logs(place.job.id).glob("*.txt")
            assert log.read_text() == "seven\n"
            place.executor.close()
        assert capsys.readouterr().out == "seven\n"

    def test_a_killed_close_ends_user_code_in_python(self, tmp_path: Path) -> None:
        body = "[None for _ in iter(int, 1)]"  # for ever
        with self.workplace(tmp_path, body, replicas=1) as place:
            place.executor.submit(place.tasks[0])
            wait_for(lambda: (place.folder / "pids").is_dir() and bool(place.pids()), "the user's code")
            (thread,) = [each for each in threading.enumerate() if each.name == place.tasks[0].id]
            place.executor.close(kill=True)
            wait_for(lambda: not thread.is_alive(), "the end of the thread")
            assert place.rows_done() == 0

    def test_an_exit_in_user_code_is_its_error(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "raise SystemExit(3)", replicas=1) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert update.status is Status.FAILED
            assert update.error is not None
            assert "SystemExit" in update.error.exception


def _module(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules.get(name) or ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(source, vars(module))  # noqa: S102 - a cell of a notebook


_CELL = """
from starwhale import evaluation

@evaluation.predict(batch_size={batch})
def predict(rows):
    return rows

@evaluation.evaluate(needs=[predict])
def evaluate(results):
    pass
"""


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> str:
    name = "cells_of_a_notebook"
    REGISTRY.forget(name)
    _module(name, _CELL.format(batch=1), monkeypatch)
    return name


def test_running_a_cell_again_replaces_its_functions(cells: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _module(cells, _CELL.format(batch=8), monkeypatch)
    found = discover_loaded([cells])
    assert list(found) == [f"{cells}:evaluate", f"{cells}:predict"]
    assert found[f"{cells}:predict"].batch_size == 8
    assert found[f"{cells}:evaluate"].needs == (f"{cells}:predict",)


def test_a_deleted_function_is_no_handler_any_more(cells: str) -> None:
    del vars(sys.modules[cells])["evaluate"]
    assert list(discover_loaded([cells])) == [f"{cells}:predict"]


def test_a_named_handler_comes_with_what_it_needs(cells: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _module(cells, "@evaluation.predict\ndef other(row):\n    return row\n", monkeypatch)
    assert list(discover_loaded([f"{cells}:evaluate"])) == [f"{cells}:evaluate", f"{cells}:predict"]
    assert list(discover_loaded([f"{cells}:other"])) == [f"{cells}:other"]


def test_no_handlers_are_said_by_name() -> None:
    with pytest.raises(HandlerError, match=r"not found any handlers in there_is_none; decorate"):
        discover_loaded(["there_is_none"])


def test_a_second_interrupt_is_raised_where_the_wish_is_asked_for() -> None:
    with listen_for_interrupt() as is_asked:
        assert not is_asked()
        signal.raise_signal(signal.SIGINT)
        assert is_asked()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            is_asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
