"""Real SIGKILLs at random instants: after `swcli job resume` each row stands exactly once and the summary is the same to the last digit."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import swcli_command
from tests.execution.ledger_job import LedgerJob, assert_each_row_once, make_job

ROWS = 240
DELAY_S = 0.02
"""Per batch of two rows: a run takes one to three seconds, so that there is something to break into."""
LATEST_S = 2.5
"""The last instant of a kill, counted from the start; one that comes too late is counted and tells nothing."""
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> LedgerJob:
    """One root for all: jobs do not know each other."""
    return make_job(tmp_path_factory.mktemp("kills"), rows=ROWS, delay_s=DELAY_S)


@pytest.fixture(scope="module")
def undisturbed(job: LedgerJob) -> Mapping[str, Rows]:
    """What the tables hold when nothing happens."""
    tables = job.tables(job.run("process", replicas=4))
    assert_each_row_once(tables, ROWS)
    return tables


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kill."""

    victim: str
    executor: str
    replicas: int
    after_s: float
    is_from_first_row: bool = False
    """Whether the clock starts with the first row that is done: on a busy machine a process may take seconds to begin."""


def cases(seed: int, count: int) -> list[Case]:
    """Draw kills: victims and executors take turns, the rest is chance."""
    chance = random.Random(seed)
    kinds = itertools.cycle(itertools.product(("driver", "worker"), ("thread", "process")))
    found: list[Case] = []
    for number, (victim, executor) in enumerate(itertools.islice(kinds, count)):
        replicas = chance.choice((1, 2, 5))
        begun = number // 4 % 2 == 0
        latest = ROWS / 2 * DELAY_S / replicas if begun else LATEST_S
        after_s = chance.uniform(0.0, latest)
        found.append(
            Case(victim=victim, executor=executor, replicas=replicas, after_s=after_s, is_from_first_row=begun)
        )
    return found


def start(job: LedgerJob, case: Case) -> subprocess.Popen[str]:
    options = ["--workdir", str(job.folder), "--module", "thirds", "--handler", "thirds:evaluate"]
    options += ["--dataset", "numbers", "--executor", case.executor, "--replicas", str(case.replicas)]
    return subprocess.Popen(
        [*swcli_command(), "model", "run", *options],
        env=dict(job.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def workers_of(driver: int) -> list[int]:
    """Process ids of the workers that a driver has now."""
    found = subprocess.run(["pgrep", "-P", str(driver)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


def newest_job(job: LedgerJob, known: set[str]) -> str | None:
    with job.instance() as opened:
        return next((each.id for each in opened.jobs.list(limit=1) if each.id not in known), None)


def kill(case: Case, driver: subprocess.Popen[str], chance: random.Random) -> bool:
    """Wait for the instant and kill; returns whether the victim was alive."""
    threading.Event().wait(case.after_s)
    if case.victim == "driver":
        is_alive = driver.poll() is None
        driver.kill()
        return is_alive
    deadline = time.monotonic() + 30
    while driver.poll() is None and time.monotonic() < deadline:
        pids = workers_of(driver.pid)
        if pids:
            try:
                os.kill(chance.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
    return False


def wait_for_rows(job: LedgerJob, known: set[str], driver: subprocess.Popen[str], count: int) -> str | None:
    """Wait until so many rows of the new job are done, or it has ended, and return its id."""
    deadline = time.monotonic() + 60
    while (job_id := newest_job(job, known)) is None or job.done(job_id) < count:
        assert time.monotonic() < deadline, f"{count} rows are not done within a minute"
        if driver.poll() is not None:
            break
    return job_id


def run_case(job: LedgerJob, case: Case, chance: random.Random, undisturbed: Mapping[str, Rows]) -> bool:
    """Kill, resume with the other executor and another number of tasks, and compare. Returns whether rows were done before."""
    with job.instance() as opened:
        known = {each.id for each in opened.jobs.list(limit=1000)}
    driver = start(job, case)
    if case.is_from_first_row:
        wait_for_rows(job, known, driver, 1)
    was_alive = kill(case, driver, chance)
    _, said = driver.communicate(timeout=120)
    job_id = newest_job(job, known)
    if job_id is None:
        assert was_alive, said
        return False  # before the job began, nothing is left to resume
    before = job.done(job_id)
    with job.instance() as opened:
        status = opened.jobs.get(job_id).status
    if status != "success":
        other = "process" if case.executor == "thread" else "thread"
        options = ["--executor", other, "--replicas", str(chance.choice((1, 3, 4)))]
        done = subprocess.run(
            [*swcli_command(), "job", "resume", job_id, *options],
            env=dict(job.env),
            cwd=Path("/"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    tables = job.tables(job_id)
    assert_each_row_once(tables, ROWS)
    assert json.dumps(tables["summary"]) == json.dumps(undisturbed["summary"]), "the same to the last digit"
    return was_alive and 0 < before < ROWS


def check_kills(job: LedgerJob, seed: int, count: int, undisturbed: Mapping[str, Rows]) -> int:
    """Return how many kills hit a job in the middle of its rows."""
    chance = random.Random(seed)
    return sum(run_case(job, case, chance, undisturbed) for case in cases(seed, count))


@pytest.mark.needs_time
def test_three_kills_at_random_instants(job: LedgerJob, undisturbed: Mapping[str, Rows]) -> None:
    check_kills(job, seed=3, count=3, undisturbed=undisturbed)


@pytest.mark.needs_kills
@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.soak)])
def test_many_kills_at_random_instants(job: LedgerJob, undisturbed: Mapping[str, Rows], count: int) -> None:
    hit = check_kills(job, seed=count, count=count, undisturbed=undisturbed)
    assert hit >= count // 5, "kills that come before or after the rows show less"


@pytest.mark.parametrize("executor", [pytest.param("thread", marks=pytest.mark.needs_kills), "process"])
def test_a_worker_killed_in_the_middle_costs_nothing(
    job: LedgerJob, undisturbed: Mapping[str, Rows], executor: str
) -> None:
    """The driver goes on by itself with a new worker."""
    case = Case(victim="worker", executor=executor, replicas=2, after_s=0.0)
    with job.instance() as opened:
        known = {each.id for each in opened.jobs.list(limit=1000)}
    driver = start(job, case)
    job_id = wait_for_rows(job, known, driver, 10)
    assert job_id is not None
    assert driver.poll() is None, "the job was to be killed in the middle"
    os.kill(workers_of(driver.pid)[0], signal.SIGKILL)
    _, said = driver.communicate(timeout=120)
    assert driver.returncode == 0, said
    tables = job.tables(job_id)
    assert_each_row_once(tables, ROWS)
    assert tables["summary"] == undisturbed["summary"]
