"""One worker process of this machine, seen from its parent: started, told what to do, and watched until it ends.

A control socket carries JSON messages, a second socket carries the task-side contract of the stores. A worker is started anew, never
forked; it ends with its parent, because then its control socket ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from starwhale.domain.job import Task
from starwhale.domain.json_shape import Json
from starwhale.errors import UsageError
from starwhale.execution.executors.protocol import DISCOVERY, ExecutorOptions
from starwhale.execution.tasks.task_output import TAIL_BYTES, read_tail
from starwhale.settings import child_environment
from starwhale.storage.carriers.frames import Channel
from starwhale.storage.carriers.lifetime import describe_exit, signal_name
from starwhale.storage.object_accounts import accounts

Events = queue.SimpleQueue[tuple["WorkerProcess", Json | None]]
"""Messages of workers; None after the last one of a worker."""
OLDEST_PYTHON = (3, 11)
"""Workers run on this Python and newer ones."""
_OLDEST_TEXT = ".".join(map(str, OLDEST_PYTHON))
_ASK_S = 30.0
_PIECE_BYTES = 1 << 16
_END_S = 5.0


class WorkerProcess:
    """A worker; its messages arrive in the queue that it was given, the end of the process last."""

    def __init__(self, options: ExecutorOptions, events: Events, *, number: int, uses_threads: bool) -> None:
        self.tasks: dict[str, Task] = {}
        """Tasks that it has and that have not reported their end."""
        self.accelerators: tuple[int, ...] | None = None
        """Positions of those that it sees; None when it sees what this process sees."""
        self._events = events
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        control, control_theirs = socket.socketpair()
        stores, stores_theirs = socket.socketpair()
        self._channel = Channel(control)
        self._is_attached = options.is_debug
        self._native_log = options.log_folder / f"worker-{number}.txt"
        self._native_start = self._native_log.stat().st_size if self._native_log.exists() else 0
        self._echoed: int | None = None
        if options.is_verbose and not self._is_attached:
            self._echoed = self._native_start
        self._log_inside = str(self._native_log)
        self._process = self._launch(options, (control_theirs, stores_theirs))
        self._served = options.serve(stores)
        self._send(
            {
                "op": "hello",
                "workdir": options.workdir,
                "modules": options.modules,
                "arguments": options.arguments,
                "uses_threads": uses_threads,
                "is_verbose": options.is_verbose,
                "is_debug": options.is_debug,
                "log": self._log_inside,
                "runs_tasks": options.job_id != DISCOVERY,
                "link_auths": accounts.pass_on(),
            }
        )
        self._receiver = threading.Thread(target=self._receive, name=f"worker-{number}", daemon=True)
        self._receiver.start()
        self._watcher = threading.Thread(target=self._watch, name=f"worker-{number}-end", daemon=True)
        self._watcher.start()

    def _launch(self, options: ExecutorOptions, theirs: Sequence[socket.socket]) -> subprocess.Popen[bytes]:
        """Start the process that gets the other ends of the control socket and of the stores, which are closed here."""
        descriptors = [each.fileno() for each in theirs]
        process = subprocess.Popen(
            [options.python, "-P", "-m", "starwhale.execution.worker", *map(str, descriptors)],
            env=child_environment(options.environment),
            stdin=None if self._is_attached else subprocess.DEVNULL,
            stdout=None if self._is_attached else self._output,
            stderr=None if self._is_attached or options.is_verbose else self._output,
            pass_fds=descriptors,
            # Ctrl-C is for the parent, which decides; in a debugger it is for the worker, in the terminal's foreground group.
            start_new_session=not self._is_attached,
        )
        for each in theirs:
            each.close()
        return process

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """Return the main memory that the process has at present; 0 where that cannot be read."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def discover(self) -> None:
        """Ask for the handlers; the answer is a message `handlers` or `error`."""
        self._send({"op": "discover"})

    def run(self, task: Task) -> None:
        """Begin an attempt of a task; its end is a message `update`."""
        self.tasks[task.id] = task
        self._served.add(task)
        self._send({"op": "run", "task": task.to_json()})

    def stop(self, task_id: str) -> None:
        """Ask a task to stop at its next batch boundary."""
        self._send({"op": "stop", "task": task_id})

    def echo(self) -> None:
        """Show what native code and processes of the user have written to the worker's log, where that is asked for."""
        if self._echoed is None or not self._native_log.exists():
            return
        with self._native_log.open("rb") as file:
            file.seek(self._echoed)
            while piece := file.read(_PIECE_BYTES):
                self._echoed += len(piece)
                sys.stderr.write(piece.decode(errors="backslashreplace"))
        sys.stderr.flush()

    def close(self, *, kill: bool) -> None:
        """End the process, politely or at once, wait for it and for what it asked of the stores, and give everything back."""
        if kill:
            self._kill_group()
        else:
            self._send({"op": "exit"})
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._kill_group()
            self._process.wait()
        self._watcher.join()
        self.echo()
        self._output.close()

    def _kill_group(self) -> None:
        """End the worker with everything that user code started in it: the worker leads a process group of its own.

        One that shares our terminal is in our own group, and ends alone.
        """
        if self._is_attached:
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def exit_code(self) -> int | None:
        """With which the process ended by itself; None while it runs, or when a signal killed it."""
        code = self._process.poll()
        return None if code is None or code < 0 else code

    @property
    def signal(self) -> str:
        """Name of the signal that killed the process, or empty."""
        return signal_name(self._process.poll())

    def describe_end(self) -> str:
        """Say how the process ended."""
        return describe_exit(self._process.poll())

    def output_tail(self) -> str:
        """Return the end of what native code wrote when it ended, or of what the process wrote before it began its first task."""
        if self._native_log.exists() and (tail := read_tail(self._native_log, self._native_start)):
            return tail
        descriptor = self._output.fileno()  # the worker shares the file's position: it is not moved here
        start = max(os.fstat(descriptor).st_size - TAIL_BYTES, 0)
        return os.pread(descriptor, TAIL_BYTES, start).decode(errors="replace").strip()

    def _send(self, message: Json) -> None:
        try:
            self._channel.send(message)
        except OSError:
            return  # it has ended, which `_watch` reports

    def _receive(self) -> None:
        while (message := self._channel.receive()) is not None:
            self._events.put((self, message[0]))

    def _watch(self) -> None:
        """Report the end of the process after everything that it has sent, and after the stores are done with it.

        The process is waited for, not the end of its sockets: children that user code forked may hold those open.
        """
        if self._process.wait() != 0:
            self._kill_group()
        self._channel.shut_down()
        self._receiver.join()
        self._channel.close()
        self._served.drain()
        self._events.put((self, None))


def is_ours(python: str) -> bool:
    """Whether an interpreter is the one that runs this program, with its packages."""
    return Path(python).absolute() == Path(sys.executable).absolute()


def check_python(python: str) -> None:
    """Refuse an interpreter that cannot run a worker; our own is not asked.

    Raises:
        UsageError: It is missing, is no Python, or is too old.
    """
    if is_ours(python):
        return
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"  # a Python 2 must understand it too
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=_ASK_S, stdin=subprocess.DEVNULL, check=True
        )
        version = tuple(int(each) for each in done.stdout.strip().split("."))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        message = f"{python} does not run as a Python interpreter"
        raise UsageError(message, hint=f"name one of Python {_OLDEST_TEXT} or newer") from error
    if version < OLDEST_PYTHON:
        message = f"{python} is Python {done.stdout.strip()}, and workers need {_OLDEST_TEXT} or newer"
        raise UsageError(message, hint=f"name an interpreter of Python {_OLDEST_TEXT} or newer")
