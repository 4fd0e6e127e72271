"""Where the tasks of a job run: its executor, opened with what the request and this process say."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starwhale.domain.job import CALLER, CONTAINER, PROCESS, RAY, THREAD, HandlerRecord, RunRequest
from starwhale.errors import UsageError
from starwhale.execution.executors import Executor, ExecutorOptions, open_executor
from starwhale.execution.executors.worker_process import is_ours
from starwhale.storage.carriers.pipe import PipeServer

if TYPE_CHECKING:
    from starwhale.execution.attempt_stores import AttemptStores
    from starwhale.execution.network.launch import RemoteTasks
    from starwhale.execution.run_options import RunOptions
    from starwhale.storage.stores import Stores


@contextmanager
def open_place(
    request: RunRequest, stores: Stores, attempts: AttemptStores, options: RunOptions, *, job_id: str
) -> Generator[Executor]:
    """Open the executor of a request, and close it afterwards.

    Args:
        request: Which one, and for which code.
        stores: Where everything is kept.
        attempts: Hands each attempt its side of the stores.
        options: How this process runs it.
        job_id: Whose logs are written.

    Raises:
        UsageError: Nothing has the executor's name, or it runs where the functions are not.
    """
    _check_place(request, options)
    with ExitStack() as doors:
        executor = open_executor(
            request.executor,
            ExecutorOptions(
                python=options.python,
                workdir=request.workdir,
                modules=request.modules,
                log_folder=stores.layout.logs(job_id),
                serve=lambda sock: PipeServer(sock, attempts.open),
                arguments=request.handler_arguments,
                environment={**_program_path(options.python, stores), **options.environment},
                open_stores=attempts.open,
                is_verbose=options.is_verbose,
                is_debug=request.is_debug,
                job_id=job_id,
                image=options.image or request.image,
                container=options.container,
                kubernetes=options.kubernetes,
                ray=options.ray,
                recorded=(lambda: _read_recorded(request, stores)) if request.model_version else None,
                variables=request.envs,
                remote=_remote(request, stores, attempts, options),
                open_remote=_Doors(request, stores, attempts, options, doors, stores.layout.logs(job_id)).open,
            ),
        )
        try:
            yield executor
        finally:
            executor.close()


def _read_recorded(request: RunRequest, stores: Stores) -> dict[str, HandlerRecord]:
    from starwhale.models.describe import read_handlers

    return read_handlers(stores.catalog.versions.get(request.model_version))


def _remote(request: RunRequest, stores: Stores, attempts: AttemptStores, options: RunOptions) -> RemoteTasks | None:
    """Return what starts workers elsewhere; None for executors that have none, and where no server runs that they could reach."""
    if request.executor in {THREAD, PROCESS, CONTAINER, RAY, CALLER} or options.find_server is None:
        return None
    from starwhale.execution.network.launch import RemoteTasks

    found = options.find_server()
    if found is None:
        return None
    return RemoteTasks(stores, attempts, request.modules, found, arguments=request.handler_arguments)


@dataclass(frozen=True, slots=True)
class _Doors:
    """Serves the stores of a job at an address that its executor finds out."""

    request: RunRequest
    stores: Stores
    attempts: AttemptStores
    options: RunOptions
    stack: ExitStack
    log_folder: Path

    def open(self, host: str) -> RemoteTasks:
        """Serve them there until the stack is closed.

        Raises:
            UsageError: This process does not know how to serve any.
        """
        from starwhale.execution.network.launch import RemoteTasks

        request = self.request
        if self.options.open_door is None:
            message = f"the executor {request.executor!r} needs stores that its tasks reach over HTTP"
            raise UsageError(message, hint="run the job with swcli, or with Job.run")
        door = self.stack.enter_context(self.options.open_door(host, self.log_folder / "door.txt"))
        return RemoteTasks(self.stores, self.attempts, request.modules, door, arguments=request.handler_arguments)


def _program_path(python: str, stores: Stores) -> dict[str, str]:
    """Let another interpreter find this program and nothing else: beside it may lie all packages of the environment that it is installed in."""
    if is_ours(python):
        return {}
    from starwhale.runtimes.ours import link_ours

    return {"PYTHONPATH": str(link_ours(stores.layout.runtimes / "ours"))}


def _check_place(request: RunRequest, options: RunOptions) -> None:
    """Refuse to look in another process for functions that only a notebook or a script has."""
    is_main = any(each.partition(":")[0] == "__main__" for each in request.modules)
    if is_main and not (request.executor == CALLER and options.is_caller):
        message = "the functions of this job were defined in a notebook or script, and no other process can import them"
        raise UsageError(
            message,
            hint=f"begin their cell with %%writefile evaluation.py, and call Job.run(model='evaluation.py', executor={_other(request)!r})",
        )
    if request.executor == CALLER and not options.is_caller:
        message = "the executor 'caller' runs tasks in the process of a notebook or script"
        raise UsageError(message, hint="use --executor thread or --executor process")


def _other(request: RunRequest) -> str:
    return THREAD if request.executor == CALLER else request.executor
