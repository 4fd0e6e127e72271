"""The contract of executors, and what they are given."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from starwhale.domain.job import HandlerRecord, Task, TaskUpdate
from starwhale.domain.machine import MOST_TASKS, Machine
from starwhale.execution.machine.capacity import find_machine
from starwhale.settings import ContainerSettings, KubernetesSettings, RaySettings

if TYPE_CHECKING:
    from starwhale.execution.network.launch import RemoteTasks
    from starwhale.storage.task_contract import TaskStores


DISCOVERY = "discovery"
"""Stands for the job where handlers alone are looked for, and no task will come."""


class Served(Protocol):
    """The stores' side of one worker's connection."""

    def add(self, task: Task) -> None:
        """Let the worker act for one attempt of a task from now on."""
        ...

    def drain(self) -> None:
        """End the connection, and return when nothing that the worker asked for is under way any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorOptions:
    """What an executor on this machine needs to start workers."""

    python: str
    """Interpreter of the workers."""
    workdir: str
    """Model root: the working directory of user code."""
    modules: tuple[str, ...]
    """Modules that define the handlers."""
    log_folder: Path
    """Where workers keep what native code writes to their output; made when the first task starts."""
    serve: Callable[[socket.socket], Served]
    """Answers a worker's calls of the stores that arrive on the socket."""
    arguments: tuple[str, ...] = ()
    """What stood after `--`: constructors of handlers may look at it while handlers are found."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What workers find in their environment beside what this process has; with another interpreter, where it finds this program."""
    open_stores: Callable[[Task], TaskStores] | None = None
    """Opens a task's side of the stores in this process, for an executor that has no workers."""
    is_verbose: bool = False
    """Whether output of user code is echoed to the standard error stream."""
    is_debug: bool = False
    """Whether the one worker shares our terminal and runs user code in its main thread."""
    max_workers: int = MOST_TASKS
    """Tasks that run at the same time, at most."""
    job_id: str = ""
    """Job whose tasks run; `DISCOVERY` where none will."""
    image: str = ""
    """Image of containers; empty for executors that have none."""
    container: ContainerSettings = field(default_factory=ContainerSettings)
    """How containers are run on this machine."""
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    """Which cluster, and what its operator has set."""
    ray: RaySettings = field(default_factory=RaySettings)
    """Which cluster of Ray, for the executor that needs one."""
    recorded: Callable[[], dict[str, HandlerRecord]] | None = None
    """Reads the handlers that were found when the model was packaged; None for a work directory."""
    variables: tuple[str, ...] = ()
    """Environment variables that the model declares, by name: passed on where workers do not have all that this process has."""
    remote: RemoteTasks | None = None
    """Starts workers that reach the instance over HTTP, for executors whose tasks are elsewhere; None where no server is known."""
    open_remote: Callable[[str], RemoteTasks] | None = None
    """The same at an address of this machine that is found out when the executor is at work: serves the stores there until the job has ended."""
    find_machine: Callable[[], Machine] = find_machine
    """Says what there is for tasks: asked once, and only when a task asks for something."""


class Executor(Protocol):
    """Places tasks and says how each ended; knows nothing of ranges, order or retries.

    Rules: every submitted task reports its end exactly once, even when its worker is killed; `wait` returns as soon as there is
    something to report; after the update of a task whose worker died nothing of that worker reaches the stores any more. A task holds
    what its `needs` say from its start to its end, and waits while others hold it: an accelerator that it was given alone is nobody
    else's meanwhile, `Context.accelerators` names it, and where the task has a process of its own that sees no others. One thread calls
    an executor.
    """

    @property
    def shares_workers(self) -> bool:
        """Whether a worker that dies takes several tasks with it."""
        ...

    @property
    def machine(self) -> Machine:
        """What there is for its tasks, all together."""
        ...

    @property
    def worker_bytes(self) -> int:
        """Main memory that a worker took after it had imported the user's modules; 0 where nobody knows or tasks share it."""
        ...

    def discover(self) -> dict[str, HandlerRecord]:
        """Import the user's modules in the first worker and return the handlers by name.

        Raises:
            UserCodeError: A module does not import.
            HandlerError: Its handlers are wrong.
            WorkerDiedError: The worker ended before it answered.
        """
        ...

    def submit(self, task: Task) -> None:
        """Start one attempt of a task, or queue it until there is room."""
        ...

    def wait(self, timeout_s: float) -> list[TaskUpdate]:
        """Return what ended; an empty list when nothing did before the timeout."""
        ...

    def cancel(self, task_id: str) -> None:
        """Ask a task to stop at its next batch boundary; one that is unknown or has ended is ignored."""
        ...

    def close(self, *, kill: bool = False) -> None:
        """End all workers: politely, or at once. Safe to call twice."""
        ...
