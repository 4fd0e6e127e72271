"""The published suite of executors, over the two that this machine has."""

from __future__ import annotations

from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.testing.executors import ExecutorContract


class TestThreadExecutor(ExecutorContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("thread", options)


class TestProcessExecutor(ExecutorContract):
    def make_executor(self, options: ExecutorOptions) -> Executor:
        return open_executor("process", options)
