"""`thread`: a task is a Python thread, and all threads share one worker process."""

from __future__ import annotations

from starwhale.execution.executors.local_workers import LocalWorkers
from starwhale.execution.executors.protocol import ExecutorOptions


class ThreadExecutor(LocalWorkers):
    """One worker process with a thread per task: modules are imported once, globals are shared."""

    def __init__(self, options: ExecutorOptions) -> None:
        super().__init__(options, shares_workers=True)
