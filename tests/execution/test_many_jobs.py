"""Eight jobs at once on one root: nothing is lost, and nothing of one is found in another."""

from __future__ import annotations

import subprocess
from textwrap import dedent

import pytest
from tests.conftest import swcli_command
from tests.execution.ledger_job import HANDLERS, LedgerJob, make_job

JOBS = 8
ROWS = 120


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """Every output is ten thousand times the number of its job, and the row."""
    source = dedent(HANDLERS).replace('row["number"] / 7', 'row["number"] + 10_000 * int(os.environ["JOB_NUMBER"])')
    return make_job(tmp_path_factory.mktemp("many"), rows=ROWS, delay_s=0.005, handlers=f"import os\n{source}")


def start(job: LedgerJob, number: int) -> subprocess.Popen[str]:
    options = ["--workdir", str(job.folder), "--module", "thirds", "--handler", "thirds:evaluate", "-d", "numbers"]
    options += ["--executor", ("thread", "process")[number % 2], "--name", f"number-{number}"]
    return subprocess.Popen(
        [*swcli_command(), "model", "run", *options],
        env={**job.env, "JOB_NUMBER": str(number)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.needs_time
def test_eight_jobs_at_once_lose_and_mix_nothing(job: LedgerJob) -> None:
    running = [start(job, number) for number in range(JOBS)]
    for each in running:
        _, said = each.communicate(timeout=300)
        assert each.returncode == 0, said
    for number in range(JOBS):
        expected = [k + 10_000 * number for k in range(ROWS)]
        tables = job.tables(f"number-{number}")
        assert [row["output"] for row in tables["results"]] == expected
        assert [row["output"] for row in tables["again"]] == expected
        assert [row["id"] for row in tables["seen"]] == list(range(ROWS))
        assert tables["summary"][0]["count"] == ROWS
