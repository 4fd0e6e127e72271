"""`container`: a task is a container on this machine, run by podman or docker, for code that is to see its image and little else.

The container finds this program and the user's code read-only, and a folder with one Unix socket, over which the driver hands it the two
sockets that any worker has; it needs no network. Decision record: `docs/decisions`, "Containers on this machine".
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import starwhale
from starwhale.domain.job import HandlerRecord, Task
from starwhale.domain.machine import ACCELERATOR
from starwhale.errors import ContainerError, UsageError, WorkerDiedError
from starwhale.execution.contained import END, FOLDER, SIGNALLED, SOCKET
from starwhale.execution.executors.allotment import Grant, Positions
from starwhale.execution.executors.container_engine import DRIVER, JOB, Engine, driver_label, find_engine, last_line
from starwhale.execution.executors.local_workers import LocalWorkers
from starwhale.execution.executors.protocol import ExecutorOptions
from starwhale.execution.executors.worker_process import Events, WorkerProcess
from starwhale.execution.machine.capacity import ORDER, VISIBLE
from starwhale.settings import child_environment, declared_values
from starwhale.storage.carriers.lifetime import signal_name

logger = logging.getLogger(__name__)

PROGRAM = "/opt/starwhale/program"
"""Where a container finds this program, and nothing else to import."""
NOBODY = 65534
"""User and group of containers that root starts over code of root."""
_LOG = "worker.txt"
_SHARED_MEMORY = "1g"
"""Of /dev/shm, which workers of data loaders use; counts as memory of the container only where it is used."""
_LEAVE_S = 5.0
_OTHERS_READ = stat.S_IROTH | stat.S_IXOTH
_BEGIN = """import sys
if sys.version_info < (3, 11):
    sys.exit("the image has Python %d.%d, and workers need 3.11 or newer" % sys.version_info[:2])
sys.path[:] = [each for each in sys.path if each]
from starwhale.execution.contained import main
main()
"""
_UUIDS = ("GPU-", "MIG-")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlace:
    """What is fixed when a container is started; tasks with an equal one may use it one after another."""

    accelerators: tuple[str, ...] = ()
    """As the driver of the machine calls them."""
    cpu: float = 0.0
    """Processors that it may use at most; 0 for no limit."""
    memory_bytes: int = 0
    """Memory that it may use at most; 0 for no limit."""
    variables: tuple[str, ...] = ()
    """Names of environment variables that are passed on."""

    @classmethod
    def of(cls, task: Task, accelerators: Sequence[str]) -> ContainerPlace:
        """Return what a task needs, from the limits in its resources and the variables that its handler and model declare."""
        limits: Mapping[str, float] = {each["type"]: float(each["limit"]) for each in task.step.record.resources}
        return cls(
            accelerators=tuple(accelerators),
            cpu=limits.get("cpu", 0.0),
            memory_bytes=int(limits.get("memory", 0)),
            variables=tuple(sorted({*task.request.envs, *task.step.record.envs})),
        )


class ContainerExecutor(LocalWorkers):
    """Containers with one task each; idle ones are used again by tasks with the same limits."""

    def __init__(self, options: ExecutorOptions) -> None:
        super().__init__(options, shares_workers=False)
        if not options.image:
            message = "no image is named for the containers of this job"
            raise UsageError(message, hint="add --image NAME, or use a runtime that names one")
        self._engine: Engine | None = None

    def discover(self) -> dict[str, HandlerRecord]:
        try:
            return super().discover()
        except WorkerDiedError as died:
            raise self._not_started() or died from died

    def _not_started(self) -> ContainerError | None:
        """Say why the last container did not come to run its worker; None where it did."""
        return self._last.why_not_started() if isinstance(self._last, ContainerWorker) else None

    def _worker_for(self, task: Task, grant: Grant) -> WorkerProcess:
        place = ContainerPlace.of(task, [self.machine.accelerators[each].id for each in grant.accelerators or ()])
        for worker in self._idle():
            if isinstance(worker, ContainerWorker) and worker.place == place:
                return worker
        for worker in self._idle():  # one with other limits only takes room
            self._workers.remove(worker)
            worker.close(kill=False)
        return self._begin(place, grant.accelerators)

    def _start(self, accelerators: Positions | None = None) -> WorkerProcess:
        """Start the container in which modules are looked at, before anybody knows what tasks will ask for."""
        return self._begin(ContainerPlace(variables=tuple(sorted(self._options.variables))), accelerators)

    def _begin(self, place: ContainerPlace, accelerators: Positions | None) -> WorkerProcess:
        engine = self._find_engine()
        worker = ContainerWorker(self._options, self._events, number=self._started, engine=engine, place=place)
        return self._add(worker, accelerators)

    def _find_engine(self) -> Engine:
        if self._engine is None:
            engine = find_engine(self._options.container)
            for each in engine.remove_left_behind():
                logger.info("removed container %s, whose driver has gone", each)
            if not engine.image_id(self._options.image):
                engine.pull(self._options.image)
            self._engine = engine
        return self._engine


class ContainerWorker(WorkerProcess):
    """A worker in a container: the process that is watched is the engine's, which ends as the container does."""

    def __init__(
        self, options: ExecutorOptions, events: Events, *, number: int, engine: Engine, place: ContainerPlace
    ) -> None:
        self.place = place
        """What it was started with."""
        self._engine = engine
        self._image = options.image
        self._name = f"starwhale-{(options.job_id or 'job')[:12]}-{number}-{secrets.token_hex(4)}"
        self._folder = Path(tempfile.mkdtemp(prefix="starwhale-"))
        self._host_pid = 0
        self._said = ""
        self._told: dict[str, object] | None = None
        super().__init__(options, events, number=number, uses_threads=False)

    def why_not_started(self) -> ContainerError | None:
        """Say why the container did not come to run the worker; None where it did."""
        if self._host_pid:
            return None
        said = self._said or last_line(self.output_tail())
        message = f"{self._engine.name} did not start a container of {self._image!r}" + (f": {said}" if said else "")
        hint = f"the image needs Python 3.11 or newer as its python3 (SW_CONTAINER_PYTHON names another): try '{self._engine.name} run --rm --entrypoint python3 {self._image} --version'"
        return ContainerError(message, hint=hint)

    def memory_bytes(self) -> int:
        """Return the main memory of the worker, the only child of the container's first process; 0 where that cannot be read."""
        children = Path(f"/proc/{self._host_pid}/task/{self._host_pid}/children")
        try:
            worker = children.read_text(encoding="ascii").split()[0]
            pages = int(Path(f"/proc/{worker}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self, *, kill: bool) -> None:
        self._said = last_line(self.output_tail())
        super().close(kill=kill)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._native_log.exists() and self._native_log.stat().st_size == 0:
            with contextlib.suppress(OSError):  # others may write there
                self._native_log.unlink()
                self._native_log.parent.rmdir()

    @property
    def exit_code(self) -> int | None:
        code = self._process.poll()
        return None if code is None or not 0 <= code <= SIGNALLED else code

    @property
    def signal(self) -> str:
        code = self._process.poll() or 0
        return signal_name(SIGNALLED - code) if code > SIGNALLED else signal_name(code)

    def describe_end(self) -> str:
        if not self._host_pid:
            return f"did not start ({self._engine.name} ended with exit code {self._process.poll()})"
        limit = f" of {self.place.memory_bytes / 2**20:g} MiB" if self.place.memory_bytes else ""
        if self._read_end().get("out_of_memory"):
            return f"went beyond the memory{limit} of its container and was killed"
        if self.signal == "SIGKILL" and not self._read_end():  # the first process too: of the whole container
            return f"was killed with its container, by hand or for want of memory{limit}"
        return f"was killed by {self.signal}" if self.signal else super().describe_end()

    def _read_end(self) -> Mapping[str, object]:
        """Return how the container's first process says that the worker was killed; nothing where it said nothing."""
        if self._told is None:
            try:
                self._told = dict(json.loads((self._folder / END).read_text(encoding="ascii")))
            except (OSError, ValueError, TypeError):
                self._told = {}
        return self._told

    def _launch(self, options: ExecutorOptions, theirs: Sequence[socket.socket]) -> subprocess.Popen[bytes]:
        self._native_log.parent.mkdir(parents=True, exist_ok=True)
        self._native_log.touch()
        self._log_inside = f"{FOLDER}/{_LOG}"
        listener = _listen(self._folder)
        user, group = _user_of(options)
        if os.geteuid() == 0:
            for each in (self._folder, self._folder / SOCKET, self._native_log):
                os.chown(each, user, group)
        command = run_command(
            self._engine, options, self.place, name=self._name, shared=self._folder, log=self._native_log
        )
        process = subprocess.Popen(
            command,
            cwd=self._folder,  # podman's monitor leaves a file there when memory runs out
            env=child_environment({}),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=None if options.is_verbose else self._output,
            start_new_session=True,
        )
        threading.Thread(target=self._hand_over, args=(listener, theirs, process), daemon=True).start()
        return process

    def _hand_over(
        self, listener: socket.socket, theirs: Sequence[socket.socket], process: subprocess.Popen[bytes]
    ) -> None:
        """Give the container its sockets when it asks for them; where it ends first, they end too."""
        listener.settimeout(0.2)
        with listener, contextlib.ExitStack() as stack:
            for each in theirs:
                stack.enter_context(each)
            while process.poll() is None:
                try:
                    link, _ = listener.accept()
                except TimeoutError:
                    continue
                with link:
                    credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                    self._host_pid = int.from_bytes(credentials[:4], "little") or -1
                    with contextlib.suppress(OSError):  # it ended meanwhile
                        socket.send_fds(link, [b"."], [each.fileno() for each in theirs])
                return

    def _kill_group(self) -> None:
        """End everything in the container: its first process does when the control socket ends; otherwise the engine has to."""
        self._channel.shut_down()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ContainerError):
                self._engine.ask("rm", "--force", self._name)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def run_command(
    engine: Engine, options: ExecutorOptions, place: ContainerPlace, *, name: str, shared: Path, log: Path
) -> list[str]:
    """Return the command that runs a worker in a container.

    Args:
        engine: What runs it.
        options: Image, code and settings.
        place: Limits, accelerators and variables.
        name: Of the container.
        shared: Folder outside with the socket.
        log: File outside for what native code writes.
    """
    settings = options.container
    user, group = _user_of(options)
    words = [engine.program, "run", "--rm", "--pull", "never", "--log-driver", "none", "--name", name]
    words += ["--label", f"{JOB}={options.job_id}", "--label", f"{DRIVER}={driver_label()}"]
    words += ["--network", settings.network, "--shm-size", _SHARED_MEMORY, "--cap-drop", "ALL"]
    words += ["--security-opt", "no-new-privileges", "--security-opt", "label=disable"]
    if engine.is_rootless and not engine.is_podman:
        user, group = 0, 0  # who is root in there is ourselves outside
    elif engine.is_rootless:
        words += ["--userns", "keep-id"]
    words += ["--user", f"{user}:{group}", "--env", "HOME=/tmp", "--env", f"PYTHONPATH={PROGRAM}"]
    words += _mount(Path(starwhale.__file__).resolve().parent, f"{PROGRAM}/starwhale")
    words += _mount(Path(options.workdir), options.workdir, is_writable=settings.is_writable)
    words += _mount(shared, FOLDER, is_writable=True)
    words += _mount(log, f"{FOLDER}/{_LOG}", is_writable=True)
    if place.memory_bytes:  # no swap beside it
        words += ["--memory", str(place.memory_bytes), "--memory-swap", str(place.memory_bytes)]
    if 0 < place.cpu < (os.cpu_count() or 1):  # engines refuse more than there is
        words += ["--cpus", f"{place.cpu:g}"]
    words += _accelerator_words(engine, place.accelerators)
    for variable, value in declared_values(place.variables).items():
        words += ["--env", variable] if value is not None else []  # the value is not on the command line
    return [*words, *settings.options, "--entrypoint", settings.python, options.image, "-c", _BEGIN]


def _mount(outside: Path, inside: str, *, is_writable: bool = False) -> list[str]:
    words = ["type=bind", f"source={outside}", f"target={inside}", *([] if is_writable else ["readonly"])]
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(words)  # a path may have commas
    return ["--mount", text.getvalue()]


def _accelerator_words(engine: Engine, ids: Sequence[str]) -> list[str]:
    """Give accelerators by the engine's own means; in the container they are counted from 0, and a UUID stays what it is."""
    if not ids:
        return []
    seen = ids if all(each.startswith(_UUIDS) for each in ids) else [str(position) for position in range(len(ids))]
    words = ["--env", f"{VISIBLE}={','.join(seen)}", "--env", f"{ORDER}=PCI_BUS_ID"]
    if engine.is_podman:
        return [*words, *(word for each in ids for word in ("--device", f"{ACCELERATOR}={each}"))]
    return [*words, "--gpus", f'"device={",".join(ids)}"']


def _user_of(options: ExecutorOptions) -> tuple[int, int]:
    """Return user and group of the worker.

    Those of this process. For root, the owner of the work directory; where that is root too, nobody, unless others may not read there, or the worker is to write there.
    """
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    found = Path(options.workdir).stat()
    if found.st_uid == 0 and found.st_mode & _OTHERS_READ == _OTHERS_READ and not options.container.is_writable:
        return NOBODY, NOBODY
    return found.st_uid, found.st_gid


def _listen(folder: Path) -> socket.socket:
    """Listen on a socket in a folder, however long its path is."""
    listener = socket.socket(socket.AF_UNIX)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
    finally:
        os.close(descriptor)
    listener.listen(1)
    return listener


__all__ = ["ContainerExecutor", "ContainerPlace", "ContainerWorker", "run_command"]
