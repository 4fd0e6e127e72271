"""The process in which user code runs: `python -m starwhale.execution.worker CONTROL STORES`, given two inherited sockets; or, elsewhere, `--task FILE`.

It imports the user's modules, runs tasks that arrive as JSON and reports their ends. It needs the standard library only, so that the
user's environment can hold whatever it wants. It ends when its parent does: the control socket ends then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from starwhale.domain.job import Task, TaskUpdate
from starwhale.domain.json_shape import Json
from starwhale.errors import InterruptedJobError, UserCodeError
from starwhale.execution.tasks.packages import LoadedPackages
from starwhale.execution.tasks.task_output import Echo, TaskLog, TaskStream, ThreadLogs
from starwhale.storage.carriers.carried import CarriedTaskStores
from starwhale.storage.carriers.frames import Channel, error_to_json
from starwhale.storage.carriers.lifetime import die_with_parent
from starwhale.storage.carriers.pipe import PipeClient
from starwhale.storage.object_accounts import accounts


class Worker:
    """What one worker process does with the messages of its parent."""

    def __init__(self, control: socket.socket, stores: socket.socket) -> None:
        self._control = Channel(control)
        self._stores_channel = Channel(stores)
        self._client: PipeClient | None = None
        self._hello: Json = {}
        self._messages: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._stops: dict[str, threading.Event] = {}
        self._logs = ThreadLogs()
        self._handlers: Json | None = None
        self._log_is_open = False
        self._echo: Echo | None = None
        self._packages = LoadedPackages()
        self._importing = threading.RLock()  # one thread at a time: discovery replaces modules
        self._pid = os.getpid()

    def run(self) -> None:
        """Work until the parent says that it is enough."""
        threading.Thread(target=self._receive, name="control", daemon=True).start()
        while (message := self._messages.get())["op"] != "exit":
            match message["op"]:
                case "hello":
                    self._begin(message)
                case "discover":
                    self._discover()
                case "run":
                    self._start(Task.from_json(message["task"]))
                case _:
                    pass

    def _receive(self) -> None:
        while (message := self._control.receive()) is not None:
            if message[0]["op"] == "stop":  # at once, whatever the main thread is doing
                self._stop_event(message[0]["task"]).set()
            else:
                self._messages.put(message[0])
        os._exit(1)  # the parent has gone: nobody would take what user code still does

    def _begin(self, message: Json) -> None:
        self._hello = message
        accounts.take_over(message["link_auths"])
        if message["is_debug"]:  # the streams are the terminal's, as the user's own program has them
            from starwhale.execution.tasks import debugger

            debugger.attach()
        else:
            faulthandler.enable(all_threads=False)  # a crash in native code says in which line of Python it was
            self._echo = Echo() if message["is_verbose"] else None
            self._logs.follow_threads()
            for name in ("stdout", "stderr"):
                raw = getattr(sys, name)
                raw.reconfigure(errors="backslashreplace", line_buffering=True)
                setattr(sys, name, TaskStream(raw, self._logs, self._echo))
        os.chdir(message["workdir"])

    def _discover(self) -> None:
        if self._hello["runs_tasks"]:  # what it costs would otherwise stand between the loaded model and its first row
            self._stores().codec.warm_up()
        try:
            with self._interruptible():
                handlers = self._import_modules()
        except BaseException as error:
            self._end_in_child()
            if (quit_error := self._show(error)) is not None:
                error = quit_error
            elif not isinstance(error, Exception):  # user code may raise KeyboardInterrupt, or make one of its own
                from starwhale.handlers.failures import user_code_error

                error = user_code_error(f"importing {', '.join(self._hello['modules'])}", error)
            self._control.send({"op": "error", "error": error_to_json(error)})
            return
        self._end_in_child()
        self._control.send({"op": "handlers", "handlers": handlers})
        self._warm_up()

    def _end_in_child(self) -> None:
        """End a process that user code forked and let go on here: it is no worker, and nobody talks to it."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _warm_up(self) -> None:
        """Import the rest of what the first task will need, while the parent plans the job: never beside the user's modules."""
        from starwhale.execution.tasks import task_entry

        del task_entry
        self._stores().codec.warm_up()
        if any(record["is_async"] for record in (self._handlers or {}).values()):
            from starwhale.execution.tasks import async_rows

            del async_rows

    def _interruptible(self) -> AbstractContextManager[None]:
        """In a debugger, let Ctrl-C reach user code; otherwise the parent decides when to stop."""
        if not self._hello["is_debug"]:
            return contextlib.nullcontext()
        from starwhale.execution.tasks import debugger

        return debugger.interruptible()

    def _show(self, error: BaseException) -> InterruptedJobError | None:
        """In a debugger, show what an import raised; return what it comes to when the user wanted to stop."""
        if not self._hello["is_debug"]:
            return None
        from starwhale.execution.tasks import debugger

        cause = error.__cause__ or error
        if isinstance(cause, KeyboardInterrupt) or debugger.has_quit(cause):
            return InterruptedJobError("the debug run was stopped while the modules were imported")
        if isinstance(error, UserCodeError):
            with debugger.interruptible():
                debugger.show_failure(error)
        return None

    def _import_modules(self) -> Json:
        """Import the user's modules once, and return the records of their handlers."""
        if self._handlers is None:
            from starwhale.handlers.discover import discover

            found = discover(Path(self._hello["workdir"]), self._hello["modules"], arguments=self._hello["arguments"])
            self._handlers = {name: record.to_json() for name, record in found.items()}
        return self._handlers

    def _start(self, task: Task) -> None:
        if self._hello["uses_threads"]:
            threading.Thread(target=self._run, args=(task,), name=task.id, daemon=True).start()
        else:
            self._run(task)  # in the main thread, which some libraries insist on

    def _run(self, task: Task) -> None:
        from starwhale.execution.tasks import task_entry

        stores = CarriedTaskStores(self._stores(), task.id, task.attempt)
        log = TaskLog(stores, self._echo)
        self._logs.begin(log)
        stop = self._stop_event(task.id)
        try:
            with self._importing:
                self._open_log()
                self._import_modules()
            with self._interruptible():
                update = task_entry.run_task(
                    task,
                    stores,
                    should_stop=stop.is_set,
                    on_failure=self._on_failure(),
                    output=log,
                    on_stuck=self._on_stuck(log, stores),
                )
        except BaseException as error:
            is_stopped = self._hello["is_debug"] and isinstance(error, KeyboardInterrupt)
            update = TaskUpdate(
                task_id=task.id,
                attempt=task.attempt,
                status=task_entry.Status.INTERRUPTED if is_stopped else task_entry.Status.FAILED,
                error=None if is_stopped else task_entry.describe_error(error),
            )
        finally:
            self._logs.end()
            self._stops.pop(task.id, None)
        with contextlib.suppress(Exception):
            log.flush()
            stores.sync()
        with self._importing:
            update = dataclasses.replace(update, packages=self._packages.versions())
        self._control.send({"op": "update", "update": update.to_json()})

    def _on_stuck(self, log: TaskLog, stores: CarriedTaskStores) -> Callable[[TaskUpdate], None] | None:
        """Return what has this process ended by its parent; None where other tasks live in it."""
        if self._hello["uses_threads"] or self._hello["is_debug"]:
            return None

        def end(update: TaskUpdate) -> None:
            with contextlib.suppress(Exception):
                log.flush()
                stores.sync()
            self._control.send({"op": "update", "update": update.to_json(), "ends": True})

        return end

    def _on_failure(self) -> Callable[[UserCodeError], None] | None:
        if not self._hello["is_debug"]:
            return None
        from starwhale.execution.tasks import debugger

        return debugger.show_failure

    def _stores(self) -> PipeClient:
        with self._importing:
            if self._client is None:
                from starwhale.storage.task_codec import WorkerCodec

                self._client = PipeClient(self._stores_channel, WorkerCodec())
            return self._client

    def _stop_event(self, task_id: str) -> threading.Event:
        return self._stops.setdefault(task_id, threading.Event())

    def _open_log(self) -> None:
        """Send what native code writes to a file that stays, once there is a job that it belongs to."""
        if self._log_is_open or self._hello["is_debug"]:
            return
        self._log_is_open = True
        path = Path(self._hello["log"])
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        if self._echo is not None:
            self._echo.is_left_to_parent = True


def main(arguments: list[str]) -> None:
    """Run a worker over the two inherited sockets whose descriptors are given; with `--task FILE`, one that reaches a server over HTTP, and with `--with-parent` after that, not longer than its parent lives."""
    if arguments[:1] == ["--task"]:
        from starwhale.execution.network.remote_worker import work

        if "--with-parent" in arguments:
            die_with_parent()
        sys.exit(work(*arguments[1:2] or ["-"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    control, stores = (socket.socket(fileno=int(each)) for each in arguments)
    for each in (control, stores):
        each.set_inheritable(False)
    die_with_parent()
    Worker(control, stores).run()
    sys.stdout.flush()
    os._exit(0)  # threads that user code left behind do not hold the job up


if __name__ == "__main__":
    main(sys.argv[1:])
