"""The driver's end of the bridge: starts the process, tells it what to do, and hears what happens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from starwhale.domain.json_shape import Json
from starwhale.errors import ExecutionError, told_error
from starwhale.execution.cluster.joining import STAYS_HERE
from starwhale.settings import child_environment

PREFIX = "sw-ray-"
"""Name of the folder of a cluster that was started for a job, up to what is random."""
START_S = 180.0
"""How long a cluster of this machine may take to start, and one that answers to let this process in."""
LEAVE_S = 30.0
"""How long the bridge may take to end."""
_LOOK_S = 0.05
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # as ever; without, Ray warns of what is to come
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
_INSIDE = "r"
"""Folder below it that is Ray's, which everybody may write to: Ray sees to that. The one around it, with the token, is the user's alone."""
_LONGEST = 22
"""Letters of a folder below which Ray's sockets still fit into the 107 bytes that their names may have."""


class RayBridge:
    """The process that talks to Ray, for one job. Whoever made it closes it; one thread uses it."""

    def __init__(self, log: Path, told: Json) -> None:
        """Start the process, and have it come into a cluster, or start one; `wait_ready` says when that is done.

        Args:
            log: Where it and Ray write what they print.
            told: What `joining.join` needs, but for `folder`.
        """
        self.events: queue.SimpleQueue[Json] = queue.SimpleQueue()
        """What has happened to actors and nodes; `{"op": "gone"}` last, when the process has ended."""
        self.host = ""
        """Address of this node in the cluster, once it is known."""
        self.is_ours = False
        """Whether the cluster was started for this job."""
        self._is_ready = False
        self.nodes: list[Json] = []
        """What Ray says of the nodes."""
        self._address = str(told["address"])
        self._folder, self._lock = _make_folder()
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "starwhale.execution.cluster.bridge"],
            env=child_environment({**_ENVIRONMENT, **self._login()}, without=["RAY_ADDRESS", "RAY_RUNTIME_ENV_HOOK"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="ray", daemon=True)
        self._reader.start()
        self._say({"op": "connect", "folder": str(Path(self._folder, _INSIDE)), **told})

    def wait_ready(self) -> None:
        """Wait until it is part of the cluster.

        Raises:
            StarwhaleError: It cannot be; says why.
        """
        address = self._address
        deadline = time.monotonic() + START_S
        while True:
            try:
                event = self.events.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                self.close(kill=True)
                raise _too_late(address) from None
            match event["op"]:
                case "nodes":
                    self.nodes = event["nodes"]
                case "ready":
                    self.host, self.is_ours = str(event["host"]), bool(event["is_ours"])
                    self._is_ready = True
                    return
                case "error":
                    self.close(kill=True)
                    raise told_error(str(event["code"]), str(event["message"]), str(event["hint"]))
                case _:
                    self.close(kill=True)
                    message = f"Ray{f' at {address}' if address else ''} ended the process that talks to it"
                    raise ExecutionError(message, hint=f"its last words are in {self._log.name}")

    def start(self, name: str, options: Json, told: Json, how: Json) -> None:
        """Have an actor made that runs the worker of an attempt.

        Args:
            name: Of the attempt.
            options: What it is placed by.
            told: What the worker is told.
            how: How it is started, see `TaskActor.begin`.
        """
        self._say({"op": "start", "name": name, "options": options, "told": told, "how": how})

    def kill(self, name: str) -> None:
        """End an actor and its worker at once; one that is not there is ignored."""
        self._say({"op": "kill", "name": name})

    def close(self, *, kill: bool = False) -> None:
        """End the process and what it has started: politely, when all workers have ended, or at once. Safe to call twice."""
        self._say({"op": "close", "kill": kill})
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if not self._is_ready:
            self._process.kill()  # Ray may keep it for a minute, and nobody needs what it is starting
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # what it has started ends with it
            self._process.wait()
        self._reader.join()
        self._log.close()
        deadline = time.monotonic() + LEAVE_S
        while Path(self._folder).exists() and time.monotonic() < deadline:  # what ends may still write its last words
            shutil.rmtree(self._folder, ignore_errors=True)
            time.sleep(_LOOK_S)
        self._lock.close()

    def _say(self, words: Json) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError, ValueError):  # it has gone, and the reader says so
            self._process.stdin.write(json.dumps(words) + "\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            self.events.put(json.loads(line))
        self._process.stdout.close()
        self.events.put({"op": "gone"})

    def _login(self) -> dict[str, str]:
        """Return what keeps everybody else out of a cluster of our own: a token, and no address but loopback. One that is there has its own rules."""
        if self._address:
            return {}
        token = Path(self._folder, "token")
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), **STAYS_HERE}


def _make_folder() -> tuple[str, IO[str]]:
    """Make the folder of a cluster that may be started, and return it with its lock; remove those whose drivers have been killed."""
    usual = tempfile.gettempdir()
    parent = Path(usual if len(usual) <= _LONGEST else "/tmp")  # noqa: S108 - names of sockets are short
    for each in _left_behind(parent):
        shutil.rmtree(each, ignore_errors=True)
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        lock = Path(folder, "driver").open("w", encoding="utf-8")  # noqa: SIM115 - held as long as the bridge
        fcntl.flock(lock, fcntl.LOCK_EX)
        if Path(folder, "driver").exists():
            return folder, lock
        lock.close()  # another job took it for one that was left behind, before it had its lock


def _left_behind(parent: Path) -> Iterator[Path]:
    """Find folders of clusters whose driver holds no lock on them any more."""
    for each in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), Path(each, "driver").open("r+", encoding="utf-8") as lock:
            if os.fstat(lock.fileno()).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield each


def _too_late(address: str) -> ExecutionError:
    if not address:
        message = f"no Ray could be started on this machine within {START_S:g} s"
        return ExecutionError(message, hint="try it with: ray start --head")
    message = f"something answers at {address}, and does not let this machine into its cluster within {START_S:g} s"
    return ExecutionError(message, hint="look at ray status there; the token of the cluster may be another")
