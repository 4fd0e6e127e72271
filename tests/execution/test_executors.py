"""The published suites of executors, over the two that this machine has."""

from __future__ import annotations

import pytest

from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
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
