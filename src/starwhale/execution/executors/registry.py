"""The table of executors: built-in ones by name, others from installed packages."""

from __future__ import annotations

from collections.abc import Sequence

from starwhale import plugins
from starwhale.domain.job import CALLER, CONTAINER, KUBERNETES, NETWORK, PROCESS, RAY, THREAD
from starwhale.errors import UsageError, nearest
from starwhale.execution.executors.protocol import Executor, ExecutorOptions

BUILTIN = {
    THREAD: "starwhale.execution.executors.thread:ThreadExecutor",
    PROCESS: "starwhale.execution.executors.process:ProcessExecutor",
    CONTAINER: "starwhale.execution.executors.container:ContainerExecutor",
    NETWORK: "starwhale.execution.executors.network:NetworkExecutor",
    KUBERNETES: "starwhale.execution.executors.kubernetes_pods:KubernetesExecutor",
    RAY: "starwhale.execution.executors.ray_cluster:RayExecutor",
    CALLER: "starwhale.execution.executors.caller_threads:CallerThreads",
}
"""Name → where the class is; imported when it is asked for."""
GROUP = "executor"


def open_executor(name: str, options: ExecutorOptions) -> Executor:
    """Make the executor that a name stands for.

    Raises:
        UsageError: Nothing has that name, or what has it cannot be imported.
    """
    check_executor(name)
    try:
        factory = plugins.load(GROUP, name, BUILTIN)
    except (ImportError, AttributeError) as error:
        message = f"the executor {name!r} is installed and cannot be imported: {error}"
        raise UsageError(message, hint="mend or remove the package that brings it") from error
    executor: Executor = factory(options)
    return executor


def check_executor(name: str) -> None:
    """Refuse the name of an executor that is not there; nothing is imported.

    Raises:
        UsageError: Nothing has that name; those that are there are named, and how to install one.
    """
    there = plugins.names(GROUP, BUILTIN)
    if name not in there:
        raise _unknown(name, there)


def _unknown(name: str, there: Sequence[str]) -> UsageError:
    shown = ", ".join(each for each in there if each != CALLER)  # nobody can ask for it by that name
    likely = nearest(name, there)
    install = f"others come with packages that you install, as entry points of the group 'starwhale.{GROUP}'"
    message = f"no executor {name!r}; there are {shown}"
    return UsageError(message, hint=f"{likely} {install}" if likely.startswith("did") else install)
