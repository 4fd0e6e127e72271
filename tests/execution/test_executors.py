"""The published suites of executors, over those that this machine has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from tests.task_server import serving

from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.execution.network.desk import TaskDesk
from starwhale.execution.network.launch import ServerPlace
from starwhale.storage.stores import Stores
from starwhale.testing.executors import ExecutorContract, ResourceContract


class TestThreadExecutor(ExecutorContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("thread", options)


class TestProcessExecutor(ExecutorContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("process", options)


@pytest.mark.needs_time
class TestThreadResources(ResourceContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("thread", options)


class TestProcessResources(ResourceContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("process", options)


@pytest.mark.needs_time
class TestNetworkExecutor(ExecutorContract, ResourceContract):
    @contextmanager
    def server(self, stores: Stores) -> Generator[ServerPlace]:
        with serving(TaskDesk(stores)) as address:
            yield ServerPlace(address=address, lease_s=6.0)

    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("network", options)
