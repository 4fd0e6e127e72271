"""Rows that the tasks of a handler share among themselves, in real runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.project import Project

SHARING = """
    import time
    from starwhale import Context, dataset, evaluation, handler, pass_context

    @handler(replicas=3)
    def consume():
        context = Context.get_runtime_context()
        ds = dataset("numbers/version/first", readonly=True)
        ds.make_distributed_consumption("session", batch_size=7)
        seen = []
        for row in ds:
            seen.append(row.index)
            evaluation.log("seen", row.index, {"number": row.features.number, "task": context.index})
            time.sleep(0.002)
        evaluation.log("tasks", context.index, {"rows": seen})
"""


@pytest.mark.needs_time
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_each_row_of_the_version_comes_to_one_task(project: Project, executor: str) -> None:
    project.write("sharing.py", SHARING)
    project.make_numbers(100)
    assert project.swcli("dataset", "tag", "numbers", "first").returncode == 0
    project.python("""
        from starwhale import dataset
        with dataset("numbers") as ds:
            del ds[50:]
            ds[0] = {"number": -1}
            ds.commit()
    """)
    project.make_numbers(3, "others")
    done = project.run("--handler", "sharing:consume", "--dataset", "others", "--executor", executor, module="sharing")
    assert done.returncode == 0, done.stderr
    assert [(row["id"], row["number"]) for row in project.rows("seen")] == [(k, k) for k in range(100)]
    tasks = project.rows("tasks")
    assert len(tasks) == 3
    assert Counter(key for row in tasks for key in row["rows"]) == Counter(range(100))
    for row in tasks:
        for key in row["rows"]:
            batch = [each for each in row["rows"] if each // 7 == key // 7]
            assert batch == [k for k in range(100) if k // 7 == key // 7], "batches are not cut"


def test_tasks_that_want_other_batches_are_refused(project: Project) -> None:
    text = SHARING.replace("batch_size=7", "batch_size=7 + context.index").replace("/version/first", "")
    project.write("sharing.py", text)
    project.make_numbers(100)
    done = project.run("--handler", "sharing:consume", module="sharing")
    assert done.returncode == 1
    assert "batches of" in done.stdout + done.stderr
