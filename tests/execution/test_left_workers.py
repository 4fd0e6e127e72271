"""Workers over HTTP whose driver, or server, or both were killed: they end by themselves, and what they did is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.execution.ledger_job import HANDLERS, LedgerJob, assert_each_row_once, make_job
from tests.execution.test_network_faults import Server, serving

from starwhale.execution.network.launch import ServerPlace
from starwhale.execution.run_options import RunOptions
from starwhale.testing.executors import wait_for

SCRIPT = Path(__file__).with_name("killed_driver.py")
ROWS = 300
DELAY_S = 0.05
"""Per batch of two rows."""
HANG = "data[0]['number'] < 40 or (open(__file__ + '.stuck', 'w').close(), threading.Event().wait())"
STUCK = HANDLERS.replace("threading.Event().wait(DELAY_S)", HANG)
"""A predict that never comes back from row 40: its worker cannot end by itself."""


@contextmanager
def begun(
    job: LedgerJob, server: Server, *, outage_s: float, rows: int = 20
) -> Generator[tuple[str, subprocess.Popen[str], list[int]]]:
    """Run the job in a process of its own; gives its id, the process and its workers when rows are done."""
    with job.instance() as opened:
        job_id = opened.catalog.make_id()
    place = {"address": f"http://127.0.0.1:{server.port}", "lease_s": 3.0, "outage_s": outage_s}
    request = job.request("network", replicas=2, job_id=job_id).to_json()
    spec = {"request": request, "env": dict(job.env), "point": "", "arrival": 1, "server": place}
    driver = subprocess.Popen([sys.executable, str(SCRIPT), json.dumps(spec)], text=True)
    workers: list[int] = []
    try:
        wait_for(slowly(lambda: bool(workers_of(driver.pid)) and job.done(job_id) >= rows), "the first rows")
        workers = workers_of(driver.pid)
        yield job_id, driver, workers
    finally:
        driver.kill()
        driver.wait()
        for each in workers:
            if is_living(each):
                os.kill(each, signal.SIGKILL)


def workers_of(pid: int) -> list[int]:
    command = ["pgrep", "-P", str(pid), "-f", "execution.worker --task"]
    return [int(each) for each in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()]


def is_living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def slowly(is_there: Callable[[], bool]) -> Callable[[], bool]:
    """Do not keep a processor busy with asking."""

    def ask() -> bool:
        time.sleep(0.05)
        return is_there()

    return ask


def said_by_workers(job: LedgerJob, job_id: str) -> str:
    with job.instance() as opened:
        return "".join(each.read_text(encoding="utf-8") for each in opened.stores.layout.logs(job_id).glob("worker-*"))


@pytest.mark.needs_kills
@pytest.mark.skipif(sys.platform != "linux", reason="without a descriptor of the driver it takes a renewal to notice")
@pytest.mark.parametrize("what_else", ["", "the server", "a row that hangs"])
def test_workers_end_after_their_driver(tmp_path: Path, what_else: str) -> None:
    handlers = STUCK if what_else == "a row that hangs" else HANDLERS
    job = make_job(tmp_path, rows=ROWS, delay_s=DELAY_S, handlers=handlers)
    rows = 1 if what_else == "a row that hangs" else 20  # a range may begin before that row and end behind it
    with serving(job.env) as server, begun(job, server, outage_s=2.0, rows=rows) as (job_id, driver, workers):
        if what_else == "the server":
            server.kill()
        if what_else == "a row that hangs":
            wait_for((job.folder / "thirds.py.stuck").exists, "the row that hangs")
        driver.kill()
        driver.wait()
        wait_for(slowly(lambda: not any(map(is_living, workers))), "the end of the workers")
        assert "the driver of the job has ended" in said_by_workers(job, job_id)
        done = job.done(job_id)
        assert 0 < done < ROWS
        if what_else == "the server":
            server.start()
    if what_else == "a row that hangs":
        source = (job.folder / "thirds.py").read_text(encoding="utf-8")
        (job.folder / "thirds.py").write_text(source.replace(HANG, "None"), encoding="utf-8")  # fmt: skip
    job.resume(job_id, "thread", replicas=8)
    assert_each_row_once(job.tables(job_id), ROWS)


@pytest.mark.needs_kills
def test_a_server_that_is_away_for_longer_than_it_is_waited_for_costs_no_row(tmp_path: Path) -> None:
    """Workers give it up and are begun anew until it is there again; nobody calls their rows suspects."""
    job = make_job(tmp_path, rows=ROWS, delay_s=DELAY_S)
    with serving(job.env) as server, begun(job, server, outage_s=2.0) as (job_id, driver, workers):
        server.kill()
        wait_for(slowly(lambda: not any(map(is_living, workers))), "the end of the workers")
        server.start()
        assert driver.wait(120) == 0
        assert all(each.crashes == 0 for each in job.ranges(job_id))
        assert_each_row_once(job.tables(job_id), ROWS)


@pytest.mark.soak
def test_a_server_that_is_away_for_a_minute_is_waited_for(tmp_path: Path) -> None:
    job = make_job(tmp_path, rows=ROWS, delay_s=DELAY_S)
    with serving(job.env) as server, job.instance() as opened:
        place = ServerPlace(address=f"http://127.0.0.1:{server.port}")
        away: list[float] = []

        def should_stop() -> bool:
            """Called several times a second by the loop: takes the server away once rows are done, and brings it back after a minute."""
            if not away and sum(each.done for each in opened.catalog.ledger.progress(job_id)) > 20:
                away.append(time.monotonic())
                server.kill()
            if len(away) == 1 and time.monotonic() - away[0] > 60:
                away.append(time.monotonic())
                server.start()
            return False

        job_id = opened.catalog.make_id()
        options = RunOptions(should_stop=should_stop, find_server=lambda: place)
        outcome = opened.jobs.run(job.request("network", replicas=2, job_id=job_id), options)
        assert outcome.error is None
        assert len(away) == 2
        attempts = opened.catalog.jobs.attempts(job_id)
        assert {each.number for each in attempts} == {1}, "the very same workers went on"
    assert "answers again" in said_by_workers(job, job_id)
    assert_each_row_once(job.tables(job_id), ROWS)
