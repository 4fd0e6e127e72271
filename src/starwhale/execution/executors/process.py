"""`process`: a task is a worker process of its own, for Python that computes and for one accelerator each."""

from __future__ import annotations

from starwhale.execution.executors.local_workers import LocalWorkers
from starwhale.execution.executors.protocol import ExecutorOptions


class ProcessExecutor(LocalWorkers):
    """Worker processes with one task each; spawned, never forked."""

    def __init__(self, options: ExecutorOptions) -> None:
        super().__init__(options, shares_workers=False)
