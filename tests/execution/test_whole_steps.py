"""Steps without rows of their own that die in the middle: what evaluate logs counts once, and rows that tasks share come to one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from tests.execution.ledger_job import LedgerJob, make_job

from starwhale.api.dataset import Dataset
from starwhale.execution.run import END_STEPS
from starwhale.storage.task_side import COMMIT_STEPS

SCRIPT = Path(__file__).with_name("killed_driver.py")
ROWS = 40
SHARING = """
    import os
    from pathlib import Path
    from starwhale import Context, dataset, evaluation, handler

    HERE = Path(__file__).parent

    def die_once(number):
        left = (HERE / "deadly").read_text().split()
        if str(number) in left:
            (HERE / "deadly").write_text(" ".join(each for each in left if each != str(number)))
            os._exit(9)

    @handler(replicas=2)
    def predict():
        ds = dataset("numbers", readonly=True)
        ds.make_distributed_consumption("session", batch_size=3)
        count = 0
        for row in ds:
            evaluation.log("seen", row.index, {"third": row.features.number / 3})
            die_once(row.index)
            count += 1
        evaluation.log("attempts", os.getpid() * 10 + Context.get_runtime_context().index, {"count": count})

    @evaluation.evaluate(needs=[predict])
    def evaluate(_results):
        for number in range(COUNT):
            evaluation.log("again", f"{os.getpid()}:{number}", {"output": number})
        die_once("evaluate")
        evaluation.log_summary({"count": COUNT})
"""
LOGGED = 12_000
"""More than a step without rows keeps before it commits: the attempt that dies has committed rows that nobody may see."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    return make_job(tmp_path_factory.mktemp("sharing"), rows=ROWS, handlers=SHARING.replace("COUNT", str(LOGGED)))


@pytest.fixture(autouse=True)
def _root(job: LedgerJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers open the dataset by themselves, as the user would."""
    for name, value in job.env.items():
        monkeypatch.setenv(name, value)


def check(job: LedgerJob, job_id: str) -> None:
    tables = job.tables(job_id, "attempts")
    assert [(row["id"], row["third"]) for row in tables["seen"]] == [(k, k / 3) for k in range(ROWS)]
    assert sorted(row["output"] for row in tables["again"]) == list(range(LOGGED)), "of one attempt, and of it all"
    assert tables["summary"][0]["count"] == LOGGED
    assert len(tables["attempts"]) == 2, "what a task logs beside the rows is of its last attempt"
    with job.instance() as opened:
        version = opened.datasets.open("numbers", Dataset).loading_version
        assert opened.catalog.ledger.is_complete(job_id, "thirds:predict", f"session@{version}")
        assert opened.catalog.ledger.progress(job_id)[0].done == ROWS


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.needs_time)])
def test_a_worker_that_dies_loses_and_doubles_nothing(job: LedgerJob, executor: str) -> None:
    (job.folder / "deadly").write_text("16 evaluate")
    job_id = job.run(executor)
    with job.instance() as opened:
        attempts = opened.catalog.jobs.attempts(job_id)
    assert {each.step for each in attempts if each.number > 1} == {"thirds:predict", "thirds:evaluate"}, (
        "both have died"
    )
    check(job, job_id)


def crash(job: LedgerJob, point: str, arrival: int, executor: str) -> str:
    (job.folder / "deadly").write_text("")
    with job.instance() as opened:
        job_id = opened.catalog.make_id()
    request = job.request(executor, job_id=job_id).to_json()
    spec = {"request": request, "env": dict(job.env), "point": point, "arrival": arrival}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(spec)],
        env={**os.environ, **job.env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached {arrival} times\n{done.stderr}"
    return job_id


@pytest.mark.parametrize(
    ("point", "arrival", "executor"),
    [
        pytest.param(*each, marks=() if each == ("part_named", 4, "thread") else pytest.mark.needs_kills)
        for each in [
            *product(COMMIT_STEPS, (1, 4), ("thread", "process")),
            *product(END_STEPS[:3], (1, 2, 3), ("thread", "process")),
        ]
        if each[:2] != ("step_recorded", 3)
    ],
)
def test_a_driver_that_dies_while_rows_are_shared_or_logged_loses_nothing(
    job: LedgerJob, point: str, arrival: int, executor: str
) -> None:
    job_id = crash(job, point, arrival, executor)
    job.resume(job_id, "process" if executor == "thread" else "thread")
    check(job, job_id)
