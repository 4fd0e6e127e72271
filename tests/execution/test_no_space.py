"""A disk that fills in the middle of a job: one message, the job can go on, and nothing that was committed is lost."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.conftest import swcli_command
from tests.execution.ledger_job import LedgerJob, assert_each_row_once, make_job

ROWS = 200


@pytest.mark.parametrize("executor", [pytest.param("thread", marks=pytest.mark.needs_time), "process"])
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of its own with 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_on(job: LedgerJob, executor: str) -> subprocess.CompletedProcess[str]:
    options = ["--workdir", str(job.folder), "--module", "thirds", "--handler", "thirds:evaluate"]
    return subprocess.run(
        [*swcli_command(), "model", "run", *options, "--dataset", "numbers", "--executor", executor, "-o", "json"],
        env=dict(job.env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.needs_mount
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_disk_that_is_really_full_stops_jobs_wherever_they_are(small_disk: Path, executor: str) -> None:
    """However little space is left, a job stops with a message, and goes on when there is some; or it fitted."""
    job = make_job(small_disk / "job", rows=ROWS, delay_s=0.002)
    undisturbed = job.tables(job.run(executor))["summary"]
    stopped = 0
    for free_kb in (0, 32, 64, 128, 192, 256):
        with job.instance() as opened:
            known = {each.id for each in opened.jobs.list(limit=100)}
        filler = small_disk / "filler"
        filler.write_bytes(bytes(max(shutil.disk_usage(small_disk).free - free_kb * 1024, 0)))
        done = run_on(job, executor)
        filler.unlink()
        assert "Traceback" not in done.stderr, done.stderr
        with job.instance() as opened:
            new = [each for each in opened.jobs.list(limit=100) if each.id not in known]
        if done.returncode == 0:
            continue
        stopped += 1
        assert "space" in json.loads(done.stdout)["error"]["message"], done.stdout
        for each in new:  # none where the disk was full before the job could be written down
            assert each.status == "interrupted"
            job.resume(each.id)
            tables = job.tables(each.id)
            assert_each_row_once(tables, ROWS)
            assert tables["summary"] == undisturbed
    assert stopped > 1
