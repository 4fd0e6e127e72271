"""Cells of a notebook, and an instance with a dataset of numbers for what they run."""

from __future__ import annotations

import linecache
import sys
import zlib
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from starwhale.api.dataset import Dataset
from starwhale.handlers.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starwhale.api.job import Job

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


@pytest.fixture
def numbers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the instance the default one, with a dataset `numbers`."""
    monkeypatch.setenv("SW_CLI_CONFIG", str(folder / "config.yaml"))
    monkeypatch.setenv("SW_LOCAL_STORAGE", str(folder / "storage"))
    monkeypatch.chdir(tmp_path)
    if not Dataset.list()[0]:
        Dataset.from_dict_items(({"number": number} for number in range(ROWS)), "numbers")


@pytest.fixture
def cell(numbers: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Run a cell of a notebook: its functions belong to `__main__`."""
    del numbers
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
