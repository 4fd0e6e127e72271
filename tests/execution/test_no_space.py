"""A disk that fills in the middle of a job: one message, the job can go on, and nothing that was committed is lost."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest
from tests.conftest import swcli_command
from tests.execution.ledger_job import assert_each_row_once, make_job

ROWS = 200


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_full_disk_interrupts_the_job_and_resume_completes_it(tmp_path: Path, executor: str) -> None:
    """A limit on the size of files stands for a full disk: both refuse a write in the middle."""
    job = make_job(tmp_path / "job", rows=ROWS, delay_s=0.005)
    undisturbed = job.tables(job.run(executor))["summary"]
    sizes = [each.stat().st_size for each in Path(job.env["SW_LOCAL_STORAGE"]).iterdir() if each.is_file()]
    limit = max(sizes) + 24_000  # the catalog may grow by a few pages, then no more
    options = ["--workdir", str(job.folder), "--module", "thirds", "--handler", "thirds:evaluate"]
    done = subprocess.run(
        [*swcli_command(), "model", "run", *options, "--dataset", "numbers", "--executor", executor],
        env=dict(job.env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "space" in said
    assert "Traceback" not in said
    with job.instance() as opened:
        (found,) = [each for each in opened.jobs.list() if each.status != "success"]
    assert found.status == "interrupted"
    assert f"job resume {found.id[:8]}" in said
    job.resume(found.id)
    tables = job.tables(found.id)
    assert_each_row_once(tables, ROWS)
    assert tables["summary"] == undisturbed
