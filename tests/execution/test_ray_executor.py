"""Tasks on a real Ray of this machine: the suites of executors, and what a cluster does that nothing else does."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.task_server import serving

from starwhale.domain.status import Status
from starwhale.execution.cluster.bridge_client import RayBridge
from starwhale.execution.executors import Executor, ExecutorOptions
from starwhale.execution.executors.ray_cluster import RayExecutor
from starwhale.execution.network.desk import TaskDesk
from starwhale.execution.network.launch import ServerPlace
from starwhale.settings import RaySettings
from starwhale.storage.stores import Stores
from starwhale.testing.executors import MACHINE, ExecutorContract, ExecutorPlace, ResourceContract

pytestmark = pytest.mark.needs_ray


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Address of a Ray with what `MACHINE` says."""
    folder = tempfile.mkdtemp(prefix="sw-head-", dir="/tmp")
    words = [str(int(MACHINE.cores)), str(len(MACHINE.accelerators)), str(MACHINE.memory_bytes), folder]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("ray_head.py")), *words],
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


class _HereExecutor(RayExecutor):
    """Tasks that find the user's folder where it is: what the suites look at lies there."""

    def _is_here(self, bridge: RayBridge) -> bool:
        return True


class _OnRay(ExecutorPlace):
    address = ""
    machine = dataclasses.replace(MACHINE, custom=(("tpu", 2.0),), labels=(("zone", "west"),))

    @pytest.fixture(autouse=True)
    def _find(self, head: str) -> None:
        self.address = head

    @contextmanager
    def server(self, stores: Stores) -> Generator[ServerPlace]:
        with serving(TaskDesk(stores)) as address:
            yield ServerPlace(address=address, lease_s=20.0)

    def make_executor(self, options: ExecutorOptions) -> Executor:
        return _HereExecutor(dataclasses.replace(options, ray=RaySettings(address=self.address)))


@pytest.mark.soak  # its workers are those of `network`, which passes in every run
class TestRayExecutor(_OnRay, ExecutorContract, ResourceContract):
    pass


class TestShipped(_OnRay):
    """Tasks that have nothing but what was shipped to them."""

    def make_executor(self, options: ExecutorOptions) -> Executor:
        return RayExecutor(dataclasses.replace(options, ray=RaySettings(address=self.address)))

    def test_a_task_runs_in_a_copy_of_the_work_directory(self, tmp_path: Path) -> None:
        resources = {"custom/tpu": 2, "label/zone": "west"}
        with self.workplace(tmp_path, replicas=2, resources=resources) as place:
            for task in place.tasks:
                place.executor.submit(task)
            updates = place.collect(2)
            assert [each.error for each in updates if each.error] == []
            assert {(each.status, each.worker_died) for each in updates} == {(Status.SUCCESS, False)}
            assert place.rows_done() == 400
            assert not (place.folder / "pids").exists(), "user code has written to its copy"
