"""`ray`: a task is an actor of a Ray cluster that holds a worker, which reaches the stores of the driver over HTTP and nothing else.

Ray places actors, and says which it has lost; the ledger decides what is done. How an attempt ended is what its worker says, else what its process came
to, else what Ray says.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from starwhale.domain.attempt_name import attempt_key
from starwhale.domain.job import HandlerRecord, Task, TaskError, TaskUpdate
from starwhale.domain.json_shape import Json
from starwhale.domain.machine import MOST_TASKS, MOST_TASKS_OF_CLUSTER, Machine
from starwhale.errors import ExecutionError, MissingDependencyError, UsageError
from starwhale.execution.cluster.bridge_client import RayBridge
from starwhale.execution.cluster.joining import find_running, reach
from starwhale.execution.cluster.placement import actor_options, read_nodes
from starwhale.execution.cluster.shipping import pack_program, pack_workdir
from starwhale.execution.executors.attempt_ends import Renewals, failed, interrupted, take_waiting
from starwhale.execution.executors.local_workers import LocalWorkers
from starwhale.execution.executors.protocol import DISCOVERY, ExecutorOptions
from starwhale.execution.executors.worker_process import check_python
from starwhale.execution.network.launch import RemoteTasks
from starwhale.execution.network.spec import GAVE_UP, NEVER_REACHED
from starwhale.settings import declared_values
from starwhale.storage.carriers.lifetime import describe_exit, signal_name

logger = logging.getLogger(__name__)

LOCAL = "local"
"""Address that stands for a cluster that is started for the job, as it does for Ray."""
AUTO = "auto"
"""Address that stands for a cluster that runs on this machine, as it does for Ray."""
LOOK_S = 0.1
"""Time between two looks at what workers have said."""
WAITS_S = 30.0
"""After so long without a place for a task, the user is told once."""
_LEAVE_S = 10.0
_UNLIMITED = Machine(cores=float(2**20))


@dataclass(slots=True)
class _Attempt:
    """An attempt, and what is known of its actor."""

    task: Task
    host: str = ""
    since: float = field(default_factory=time.monotonic)
    is_told: bool = False


class RayExecutor:
    """Makes an actor for each attempt."""

    def __init__(self, options: ExecutorOptions) -> None:
        """Begin with nothing; Ray is started or asked when handlers are looked for, or the first task comes.

        Raises:
            MissingDependencyError: Ray is not installed.
            UsageError: The address is that of a client.
        """
        check_address(options.ray.address)
        if importlib.util.find_spec("ray") is None:
            raise MissingDependencyError("ray", extra="ray", purpose="the executor 'ray'")
        self._options = options
        self._bridge: RayBridge | None = None
        self._address = ""
        self._is_ready = False
        self._remote: RemoteTasks | None = options.remote
        self._waiting: deque[Task] = deque()
        self._running: dict[str, _Attempt] = {}
        self._leaving: dict[str, float] = {}
        self._updates: list[TaskUpdate] = []
        self._renewals = Renewals()
        self._gone: TaskError | None = None
        self._worker_bytes = 0
        self._packed: tempfile.TemporaryDirectory[str] | None = None

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        return False

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together, at present; as much as anybody asks for where nodes come when they are needed."""
        if self._options.ray.waits:
            return _UNLIMITED
        return read_nodes(self._ready().nodes)

    @property
    def worker_bytes(self) -> int:
        """Main memory that a worker took after it had imported the user's modules."""
        return self._worker_bytes

    def discover(self) -> dict[str, HandlerRecord]:
        """Import the modules in a worker of the usual kind, which ends then; meanwhile Ray starts."""
        is_run = self._options.job_id != DISCOVERY
        if is_run:
            self._connect()
        workers = LocalWorkers(self._options, shares_workers=False)
        try:
            found = workers.discover()
            self._worker_bytes = workers.worker_bytes
        finally:
            workers.close()
        if is_run:
            self._ready()
        return found

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._start_waiting()

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        deadline = time.monotonic() + timeout_s
        while True:
            self._look()
            left_s = deadline - time.monotonic()
            if self._updates or left_s <= 0 or self._bridge is None:
                break
            try:
                self._hear(self._bridge.events.get(timeout=min(LOOK_S, left_s)))
            except queue.Empty:
                continue
        self._start_waiting()
        found, self._updates = self._updates, []
        return found

    def cancel(self, task_id: str) -> None:
        self._updates += take_waiting(self._waiting, task_id)
        for name, attempt in list(self._running.items()):
            if attempt.task.id != task_id or self._remote is None or self._bridge is None:
                continue
            self._remote.stop(attempt.task)
            if not attempt.host:  # nothing of it is worth waiting for
                self._bridge.kill(name)
                self._finish(name, interrupted(attempt.task))

    def close(self, *, kill: bool = False) -> None:
        running, self._running = self._running, {}
        self._waiting.clear()
        bridge, self._bridge = self._bridge, None
        self._is_ready = False
        for name, attempt in running.items():
            if self._remote is not None:
                self._remote.revoke(attempt.task)
            if bridge is not None:
                bridge.kill(name)
        if bridge is not None:
            bridge.close(kill=kill)
        if self._packed is not None:
            self._packed.cleanup()
            self._packed = None

    def _connect(self) -> RayBridge:
        """Start the process that talks to Ray, and have it come into a cluster or start one."""
        if self._bridge is None:
            options = self._options
            self._packed = tempfile.TemporaryDirectory(prefix="starwhale-ray-")
            folder = Path(self._packed.name)
            self._address = find_cluster(options.ray.address)
            modules = [str(pack_program(folder))] if self._address else []
            if self._address and not options.recorded:
                modules.append(str(pack_workdir(Path(options.workdir), folder, own=options.log_folder)))
            machine = options.find_machine()
            told: Json = {
                "address": self._address,
                "modules": modules,
                "cores": max(int(machine.cores), 1),
                "accelerators": len(machine.accelerators),
                "memory_bytes": machine.memory_bytes,
            }
            self._bridge = RayBridge(options.log_folder / "ray.txt", told)
        return self._bridge

    def _ready(self) -> RayBridge:
        """Return the bridge, in its cluster.

        Raises:
            StarwhaleError: The cluster cannot be used.
        """
        bridge = self._connect()
        if not self._is_ready:
            bridge.wait_ready()
            self._is_ready = True
            if not bridge.is_ours and self._options.environment:
                message = "the runtime of this job is an environment of this machine, which the nodes of a cluster do not have"
                hint = "start the nodes in an environment with its packages, and leave --runtime out; a Ray that is started for the job needs no --address"
                raise UsageError(message, hint=hint)
        return bridge

    def _remotely(self, bridge: RayBridge) -> RemoteTasks:
        if self._remote is None:
            if self._options.open_remote is None:
                message = "the executor 'ray' needs stores that its tasks reach over HTTP"
                raise UsageError(message, hint="run the job with swcli, or with Job.run")
            self._remote = self._options.open_remote(bridge.host)
        return self._remote

    def _start_waiting(self) -> None:
        most = self._options.max_workers
        most = (
            MOST_TASKS_OF_CLUSTER
            if most == MOST_TASKS and self._bridge is not None and not self._bridge.is_ours
            else most
        )
        while self._waiting and self._gone is not None:
            self._updates.append(replace(interrupted(self._waiting.popleft()), error=self._gone))
        while self._waiting and len(self._running) < most:
            self._start(self._waiting.popleft())

    def _start(self, task: Task) -> None:
        bridge = self._ready()
        options, demand = self._options, task.demand
        has_accelerators = bool(read_nodes(bridge.nodes).accelerators) or options.ray.waits
        count = demand.accelerators or (demand.shared_accelerators if has_accelerators else 0)
        task = replace(task, accelerators=tuple(range(count)))
        is_packaged = options.recorded is not None
        is_here = self._is_here(bridge)
        spec = self._remotely(bridge).launch(task, workdir=options.workdir if is_here else "")
        if is_here:
            check_python(options.python)
        declared = declared_values((*options.variables, *task.step.record.envs))
        how: Json = {
            "python": options.python if is_here else "",
            "environment": {
                **options.environment,
                **{name: value for name, value in declared.items() if value is not None},
            },
            "has_workdir": not is_here and not is_packaged,
            "sees_all": not demand.is_confined,
        }
        name = attempt_key(task.id, task.attempt)
        self._running[name] = _Attempt(task)
        bridge.start(
            name, actor_options(demand, has_accelerators=has_accelerators), spec.to_json(with_secrets=True), how
        )

    def _is_here(self, bridge: RayBridge) -> bool:
        """Whether tasks find the user's folder and interpreter where they are."""
        return bridge.is_ours

    def _look(self) -> None:
        """Take in what has happened, and what workers have said of their ends."""
        while self._bridge is not None and not self._bridge.events.empty():
            self._hear(self._bridge.events.get_nowait())
        if not self._running or self._remote is None:
            return
        for name, update in self._remote.words().items():
            if name in self._running:
                self._leaving[name] = time.monotonic() + _LEAVE_S
                self._finish(name, update)
        now = time.monotonic()
        for name, until in list(self._leaving.items()):
            if now > until and self._bridge is not None:
                self._bridge.kill(name)
                del self._leaving[name]
        for attempt in self._running.values():
            if not attempt.host and not attempt.is_told and now - attempt.since > WAITS_S:
                attempt.is_told = True
                task = attempt.task
                logger.warning(
                    "job=%s task=%s waits for a place in the cluster: others hold what it asks for",
                    task.job_id[:12],
                    task.id,
                )

    def _hear(self, event: Json) -> None:
        if event["op"] == "nodes" and self._bridge is not None:
            self._bridge.nodes = event["nodes"]
        if event["op"] in {"gone", "error"}:
            self._lose_all(str(event.get("message", "the process that talks to Ray has ended")))
        name = str(event.get("name", ""))
        if event["op"] in {"ended", "lost"}:
            self._leaving.pop(name, None)
        attempt = self._running.get(name)
        if attempt is None:
            return
        match event["op"]:
            case "begun":
                attempt.host = str(event["host"])
            case "ended":
                said = self._remote.words() if self._remote else {}
                self._finish(name, said.get(name) or self._died(attempt, int(event["code"]), str(event["output"])))
            case "lost":
                self._finish(name, self._lost(attempt, str(event["kind"]), str(event["message"])))
            case _:
                pass

    def _died(self, attempt: _Attempt, code: int, output: str) -> TaskUpdate:
        """Say what became of a worker that ended without a word."""
        task = attempt.task
        how = "gave the server up" if code in {GAVE_UP, NEVER_REACHED} else describe_exit(code)
        update = failed(
            task,
            f"the worker process on {attempt.host} {how} while it ran task {task.index} of {task.step.name}",
            hint="the memory of the node may not suffice, or native code has failed; see the task's log",
            output=output,
            exit_code=code if code >= 0 else None,
            signal=signal_name(code),
        )
        return self._renewals.after_exit(replace(update, worker_died=True), code)

    def _lost(self, attempt: _Attempt, kind: str, message: str) -> TaskUpdate:
        """Say what became of an attempt whose actor has gone."""
        task = attempt.task
        who = f"task {task.index} of {task.step.name}"
        has_begun = bool(attempt.host)
        match kind:
            case "node" | "away":
                update = failed(task, f"the node of {who} has gone", output=message)
                return self._renewals.renew(replace(update, worker_died=has_begun))
            case "refused":
                return failed(task, f"Ray cannot run {who}: {message}")
            case "memory":
                what = f"Ray killed the actor of {who}, because its node ran out of memory"
            case _:
                what = f"the actor of {who} was killed"
        update = replace(failed(task, what, output=message), worker_died=has_begun)
        return update if has_begun else self._renewals.renew(update)  # no row can be to blame

    def _lose_all(self, message: str) -> None:
        """Leave everything as it is: the cluster has gone, and the job can go on later, here or elsewhere."""
        if self._gone is not None:
            return
        hint = "go on with swcli job resume, with another --address or --executor; what was done is kept"
        self._gone = TaskError(message=f"the Ray cluster has gone: {message}", hint=hint, is_user_error=False)
        for name, attempt in list(self._running.items()):
            self._finish(name, replace(interrupted(attempt.task), error=self._gone))

    def _finish(self, name: str, update: TaskUpdate) -> None:
        attempt = self._running.pop(name)
        if self._remote is not None:
            self._remote.revoke(attempt.task)
        self._updates.append(update)


def check_address(address: str) -> None:
    """Refuse an address that is none of a head.

    Raises:
        UsageError: It is that of a client, or no address.
    """
    if address.startswith("ray://"):
        message = (
            f"{address} is for clients of Ray, which are no nodes: workers would not reach the stores of the driver"
        )
        raise UsageError(
            message,
            hint="run it on a node: ray job submit -- swcli model run …, or submit to a server that runs on one",
        )
    host, _, port = address.rpartition(":")
    if address not in {"", LOCAL, AUTO} and not (host and port.isdecimal()):
        hint = f"it looks like HOST:6379; {LOCAL!r} starts one for the job, {AUTO!r} takes one that runs here"
        raise UsageError(f"{address!r} is no address of a Ray cluster", hint=hint)


def find_cluster(said: str) -> str:
    """Return the address of the cluster to use; empty to start one.

    Raises:
        ExecutionError: Nothing answers there, or one that runs here is asked for, and none does.
    """
    if said == LOCAL:
        return ""
    if said not in {"", AUTO}:
        reach(said)
        return said
    found = find_running(is_own=said != AUTO)
    if said == AUTO and not found:
        raise ExecutionError(
            "no Ray runs on this machine", hint="start one with ray start --head, or leave --address out"
        )
    return found
