"""The actor on a node: it holds the worker process of one attempt, and says how that ended.

The worker is a process of its own, as everywhere: Ray and its packages stay out of it, native code that dies takes its worker alone, and the exit code and
the last words are known then. It ends with the actor. Needs the standard library alone, and Ray.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from starwhale.domain.json_shape import Json
from starwhale.errors import UsageError
from starwhale.execution.tasks.task_output import TAIL_BYTES
from starwhale.settings import VERSION, child_environment

MODULE = "starwhale_shipped"
"""Module with the archive of the work directory."""
ARCHIVE = "workdir.tar"
"""The archive in it."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


class TaskActor:
    """Runs one attempt of one task. Its methods are called from several threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._folder = ""
        self._lock = threading.Lock()

    def begin(self, told: Json, how: Json) -> Json:
        """Start the worker.

        Args:
            told: What it is told: a `WorkerSpec` with its secrets.
            how: `python` (empty for ours), `environment`, `has_workdir` (whether the work directory came with the actor), `sees_all`
                (whether it sees every accelerator of the node).

        Returns:
            Where it runs: `host` and `version`.
        """
        session = _session_folder()
        # Where this process is killed, its folder goes with Ray's session, as the files of models do, which are fetched once for all tasks.
        self._folder = tempfile.mkdtemp(prefix="starwhale-actor-", dir=session or None)
        try:
            self._start(told, how, str(Path(session, "starwhale-models")) if session else "")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return {"host": os.uname().nodename, "version": VERSION}

    def _start(self, told: Json, how: Json, cache: str) -> None:
        if how["has_workdir"]:
            workdir = Path(self._folder, "work")
            unpack_workdir(workdir)
            told = {**told, "workdir": str(workdir)}
        elif not told["workdir"]:
            told = {**told, "cache": cache}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(told).encode())
            file.seek(0)
            self._process = subprocess.Popen(
                [
                    how["python"] or sys.executable,
                    "-P",
                    "-m",
                    "starwhale.execution.worker",
                    "--task",
                    "-",
                    "--with-parent",
                ],
                env=_environment(how),
                stdin=file,
                stdout=self._output,
                stderr=self._output,
                cwd=self._folder,
                start_new_session=True,
            )

    def wait(self) -> Json:
        """Wait until the worker has ended, however often it is asked; returns `code` and the last of its `output`."""
        assert self._process is not None  # noqa: S101 - `begin` comes first
        assert self._output is not None  # noqa: S101 - the same
        code = self._process.wait()
        self._kill_group()  # whatever user code has started in it
        descriptor = self._output.fileno()
        start = max(os.fstat(descriptor).st_size - TAIL_BYTES, 0)
        output = os.pread(descriptor, TAIL_BYTES, start).decode(errors="replace").strip()
        with self._lock:
            shutil.rmtree(self._folder, ignore_errors=True)
        return {"code": code, "output": output}

    def end(self) -> None:
        """Kill the worker with everything that it has started."""
        self._kill_group()

    def _kill_group(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _environment(how: Json) -> dict[str, str]:
    """Return what the worker finds in its environment."""
    # Ray hides all accelerators from an actor that has asked for none.
    hidden = [VISIBLE] if how["sees_all"] and not child_environment({}).get(VISIBLE, "all") else []
    return child_environment(how["environment"], without=hidden)


def _session_folder() -> str:
    """Return the folder of Ray's session on this node, which goes with it; empty where Ray does not say."""
    with contextlib.suppress(Exception):
        from ray._private.worker import global_worker

        node: Any = global_worker.node  # Any: no public way leads there
        return str(node.get_session_dir_path())
    return ""


def unpack_workdir(target: Path) -> None:
    """Unpack, on a node, the work directory that came with the actor.

    Raises:
        UsageError: Nothing came.
    """
    found = importlib.util.find_spec(MODULE)
    if found is None or found.origin is None:
        raise UsageError(
            "the work directory of the job has not come to this node", hint="look at Ray's log of its runtime_env"
        )
    with tarfile.open(Path(found.origin).with_name(ARCHIVE)) as archive:
        archive.extractall(target, filter="data")
