"""WHERE TASKS ARE PLACED: submit, wait, cancel, close. Every submitted task reports its end exactly once.

Doors: `registry.open_executor(name, options)`, with the table of names `registry.BUILTIN`; `protocol` has the contract. `thread` and `process` run on one
machine (`local_workers`, `worker_process` and `allotment` are theirs), `container` too, by the `container_engine` that is there, `network` with workers that have
nothing but HTTP, `kubernetes_pods` with Pods (`kubernetes_manifests` and `kubernetes_status` are pure, `kubernetes_cluster` asks, `kubernetes_fields` checks templates), and
`ray_cluster` with actors of Ray (`execution.cluster` talks to it), `caller_threads` in the process of a notebook or script. `attempt_ends` is what several of them say of an attempt. To add one: its file, a line in the table, a subclass of `testing.executors.ExecutorContract`.

Who may enter: `execution.run`, `execution.place`, `execution.resume`, `execution.fit`, `execution.handler_rows`. What it may import: `execution.tasks`, `execution.machine`, `execution.network`, `execution.cluster` and floors
below, and neither `plan` nor `schedule` nor `run`: an executor knows nothing of ranges, order or retries.
"""

from __future__ import annotations

from starwhale.execution.executors.protocol import Executor, ExecutorOptions
from starwhale.execution.executors.registry import BUILTIN, check_executor, open_executor

__all__ = ["BUILTIN", "Executor", "ExecutorOptions", "check_executor", "open_executor"]
