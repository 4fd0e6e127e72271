"""Jobs whose workers reach the server through a network that loses, doubles, delays and reorders, while servers and workers are killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.execution.ledger_job import LedgerJob, assert_each_row_once, make_job
from tests.faulty_proxy import FATES, faulty

from starwhale.domain.status import Status
from starwhale.execution.network.launch import ServerPlace
from starwhale.execution.run_options import RunOptions

ROWS = 150
DELAY_S = 0.01
"""Per batch of two rows."""
LEASE_S = 3.0
BETWEEN_KILLS = (10, 50)
"""Requests between two of them."""


class Server:
    """A server that is killed and started again on the same port."""

    def __init__(self, env: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._env = dict(env)
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "starwhale.server", "--login", "--say-json", "--port", str(self.port)]
        self._process = subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline()
        self.starts += 1

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def serving(env: Mapping[str, str]) -> Generator[Server]:
    server = Server(env)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def workers() -> list[int]:
    """Process ids of the workers that this process has started."""
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "execution.worker --task"], capture_output=True, text=True, check=False)  # fmt: skip
    return [int(each) for each in found.stdout.split()]


def kill_now_and_then(
    server: Server, chance: random.Random, over: threading.Event, asked: Callable[[], int]
) -> list[int]:
    """Kill the server or a worker after every so many requests, until it is over; returns which workers.

    Counting requests in place of seconds, each seed gets its kills however busy the machine is: a server takes seconds to start, and one that is killed by the clock is
    hardly ever there.
    """
    killed: list[int] = []
    while not over.is_set():
        until = asked() + chance.randint(*BETWEEN_KILLS)
        while asked() < until and not over.wait(0.05):
            continue
        if over.is_set():
            break
        if chance.random() < 0.5:
            server.kill()
            over.wait(chance.uniform(0.0, 0.5))
            server.start()
        elif (alive := workers()) and len(killed) < 3:
            killed.append(chance.choice(alive))
            with suppress(ProcessLookupError):
                os.kill(killed[-1], signal.SIGKILL)
    return killed


def run(job: LedgerJob, seed: int, *, replicas: int) -> tuple[str, Mapping[str, int], Server, list[int]]:
    """Run the job while everything goes wrong; returns its id, what became of requests, the server, and the killed workers."""
    over, killed = threading.Event(), list[int]()
    with serving(job.env) as server, faulty(server.port, seed) as proxy, job.instance() as opened:
        place = ServerPlace(address=proxy.address, lease_s=LEASE_S)
        options = RunOptions(should_stop=lambda: False, find_server=lambda: place)

        def disturb() -> None:
            killed.extend(kill_now_and_then(server, random.Random(seed), over, proxy.fates.total))

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            outcome = opened.jobs.run(job.request("network", replicas=replicas), options)
        finally:
            over.set()
            thread.join()
        assert outcome.status is Status.SUCCESS, outcome.error
        with opened.catalog.read() as connection:
            assert connection.exec_driver_sql("select count(*) from task_access").scalar_one() == 0, "no right is left"
        return outcome.job_id, dict(proxy.fates), server, killed


@pytest.mark.needs_kills
@pytest.mark.parametrize("seed", [1])
def test_every_row_is_there_once_whatever_happens_to_requests_servers_and_workers(tmp_path: Path, seed: int) -> None:
    job = make_job(tmp_path, rows=ROWS, delay_s=DELAY_S)
    job_id, fates, server, _ = run(job, seed, replicas=2)
    assert_each_row_once(job.tables(job_id), ROWS)
    assert set(fates) == set(FATES), "all of it happened"
    assert server.starts > 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_thirty_thousand_rows_are_there_once(tmp_path: Path, seed: int) -> None:
    job = make_job(tmp_path, rows=30_000, delay_s=0.001)
    began = time.monotonic()
    job_id, fates, server, killed = run(job, 100 + seed, replicas=4)
    assert_each_row_once(job.tables(job_id), 30_000)
    told = f"seed {seed}: {time.monotonic() - began:.1f} s, {fates}, servers {server.starts}, workers killed {len(killed)}\n"
    with (tmp_path / "told").open("w", encoding="utf-8") as file:  # what `--basetemp` keeps of a soak
        file.write(told)
