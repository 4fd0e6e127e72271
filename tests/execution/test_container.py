"""Tasks in containers, with podman: the suites of executors."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import podman

from starwhale.domain.machine import Accelerator, Machine
from starwhale.errors import ContainerError
from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.execution.executors.container_engine import DRIVER, driver_label
from starwhale.settings import ContainerSettings
from starwhale.testing.executors import ExecutorContract, ExecutorPlace, ResourceContract

pytestmark = pytest.mark.needs_podman

_DEVICES = tuple(f"GPU-{number}" for number in range(3))
_SPECIFICATION = Path("/run/cdi/starwhale-test.json")


@pytest.fixture(autouse=True)
def _podman(podman_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make podman work here, and leave no container of ours."""
    for name, value in podman_variables.items():
        monkeypatch.setenv(name, value)
    yield
    assert podman.containers(podman_variables, f"{DRIVER}={driver_label()}") == []


@pytest.fixture(scope="module")
def _accelerators() -> Iterator[None]:
    """Tell podman of accelerators that are none: what it is asked for is what this is about."""
    devices = [{"name": name, "containerEdits": {"env": [f"GIVEN_{name[4:]}=1"]}} for name in _DEVICES]
    _SPECIFICATION.parent.mkdir(exist_ok=True)
    _SPECIFICATION.write_text(
        json.dumps({"cdiVersion": "0.3.0", "kind": "nvidia.com/gpu", "devices": devices, "containerEdits": {}})
    )
    yield
    _SPECIFICATION.unlink()


class _InContainers:
    settings = ContainerSettings(is_writable=True)  # the suites look at what user code writes

    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("container", dataclasses.replace(options, image=podman.IMAGE, container=self.settings))

    def is_living(self, pid: int) -> bool:
        del pid  # it counts for the container
        return bool(podman.containers({}, f"{DRIVER}={driver_label()}"))


class TestContainerExecutor(_InContainers, ExecutorContract):
    pass


@pytest.mark.soak
@pytest.mark.usefixtures("_accelerators")
class TestContainerResources(_InContainers, ResourceContract):
    machine = Machine(cores=64, memory_bytes=64 * 2**30, accelerators=tuple(Accelerator(id=name) for name in _DEVICES))


class TestEndsOfContainers(_InContainers, ExecutorPlace):
    """How it is told that a container ended, or did not begin."""

    def test_one_that_takes_too_much_memory_says_so(self, tmp_path: Path) -> None:
        body = "print('taking', flush=True); waste = bytearray(300 * 2**20)"
        with self.workplace(tmp_path, body, replicas=1, resources={"memory": "96Mi"}) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert update.worker_died
            assert update.error is not None
            assert "went beyond the memory of 96 MiB of its container and was killed" in update.error.message
            assert (update.error.signal, update.error.exit_code) == ("SIGKILL", None)

    def test_an_exit_code_is_told_as_such(self, tmp_path: Path) -> None:
        with self.workplace(tmp_path, "os.write(2, b'last words'); os._exit(7)", replicas=1) as place:
            place.executor.submit(place.tasks[0])
            (update,) = place.collect(1)
            assert update.error is not None
            assert (update.error.exit_code, update.error.signal) == (7, "")
            assert "last words" in update.error.output

    def test_what_a_killed_driver_left_is_removed_by_id(self, tmp_path: Path) -> None:
        dead = driver_label().replace(str(os.getpid()), "1", 1)
        words = ["podman", "run", "--detach", "--network", "none", "--label", f"{DRIVER}={dead}", podman.IMAGE]
        left = subprocess.run([*words, "python3", "-c", "input()"], capture_output=True, text=True, check=True)
        with self.workplace(tmp_path, replicas=1):
            there = podman.containers({}, DRIVER)
            assert left.stdout.strip() not in there
            assert podman.containers({}, f"{DRIVER}={driver_label()}"), "one that lives stays"

    def test_an_image_without_a_fitting_python_is_refused(self, tmp_path: Path) -> None:
        self.settings = ContainerSettings(python="no-such-python")
        with (
            pytest.raises(ContainerError, match=r"podman did not start a container of .*no-such-python") as caught,
            self.workplace(tmp_path),
        ):
            pass
        assert "SW_CONTAINER_PYTHON" in str(caught.value.hint)
