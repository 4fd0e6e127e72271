"""WHERE TASKS ARE PLACED: submit, wait, cancel, close. Every submitted task reports its end exactly once.

Doors: `open_executor(name, options)`, which reads the table of names; `protocol` has the contract; one file per executor.
`thread` and `process` run on one machine, `caller` in the process of a notebook or script; Ray, Kubernetes and containers come later.

Who may enter: `execution.run` and `execution.start`. What it may import: floors below, and neither `plan` nor `schedule` nor
`run`: an executor knows nothing of ranges, order or retries.
"""

from __future__ import annotations

from starwhale import plugins
from starwhale.execution.executors.protocol import Executor, ExecutorOptions

BUILTIN = {
    "thread": "starwhale.execution.executors.thread:ThreadExecutor",
    "process": "starwhale.execution.executors.process:ProcessExecutor",
    "caller": "starwhale.execution.executors.caller_threads:CallerThreads",
}
"""Name → where the class is; imported when it is asked for."""


def open_executor(name: str, options: ExecutorOptions) -> Executor:
    """Make the executor that a name stands for.

    Raises:
        UsageError: Nothing has that name.
    """
    executor: Executor = plugins.load("executor", name, BUILTIN)(options)
    return executor


__all__ = ["BUILTIN", "Executor", "ExecutorOptions", "open_executor"]
