"""A small process beside a worker that keeps its leases: `python -m starwhale.execution.network.renewer`, told on its standard input.

It is a process and no thread: native code that holds the interpreter's lock starves every thread beside it, and leases would end under a
worker that is well. It ends with the worker, whose pipe ends then. What it says, a word a line: `stop` when the attempt is to stop at its next
batch boundary, `alone` when the driver of the job lives no more, `over` when the token is good no more. After the last two the worker has a
while to end by itself, and is killed then: user code that hangs holds nobody up.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from starwhale.domain.json_shape import Json
from starwhale.errors import LoginError, StarwhaleError
from starwhale.execution.network.spec import WorkerSpec
from starwhale.settings import child_environment
from starwhale.storage.carriers.http import CarrierPatience, HttpClient, TaskAddress
from starwhale.storage.carriers.lifetime import die_with_parent
from starwhale.storage.task_codec import WorkerCodec

PER_LEASE = 6
"""So often is a lease renewed before it would end."""
LEAVE_S = 60.0
"""So long may a worker take to its end when nobody wants anything of it any more, and so long does it wait for a server then."""


class Renewer:
    """Starts the process, and tells what it says. Whoever made it closes it."""

    def __init__(self, spec: WorkerSpec, *, on_word: Callable[[str], None]) -> None:
        """Begin to renew.

        Args:
            spec: The attempt, its token, and how long things last.
            on_word: Called from another thread with each word.
        """
        self._on_word = on_word
        address = spec.address
        owner = hold_owner(spec.owner)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "starwhale.execution.network.renewer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment({}),
            pass_fds=() if owner is None else (owner,),
        )
        if owner is not None:
            os.close(owner)
        told = {
            "server": address.server,
            "token": address.token,
            "task_id": address.task_id,
            "attempt": address.attempt,
            "every_s": spec.lease_s / PER_LEASE,
            "leave_s": leave_s(spec),
            "worker": os.getpid(),
            "owner": owner,
        }
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        self._listener = threading.Thread(target=self._listen, name="renewer", daemon=True)
        self._listener.start()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for word in self._process.stdout:
            self._on_word(word.strip())
        self._process.stdout.close()


def leave_s(spec: WorkerSpec) -> float:
    """Return how long a worker may take to its end when nobody wants anything of it any more."""
    return min(LEAVE_S, spec.outage_s)


def hold_owner(pid: int) -> int | None:
    """Return a descriptor that is readable when the process that started this one has ended.

    None where there is no such process, or no such descriptor (outside Linux): then the server alone says that the driver is gone.

    Args:
        pid: The process, 0 for none.
    """
    if not pid or not hasattr(os, "pidfd_open"):
        return None
    try:
        found = os.pidfd_open(pid)
        if os.getppid() == pid:
            return found
        os.close(found)  # its number may be another's by now
    except ProcessLookupError:
        pass
    gone, kept = os.pipe()
    os.close(kept)
    return gone


class _Watch:
    """What the process does: renews, says what it learns, and ends a worker that does not end."""

    def __init__(self, told: Json) -> None:
        self._every_s = float(told.pop("every_s"))
        self._leave_s = float(told.pop("leave_s"))
        self._worker = int(told.pop("worker"))
        self._owner: int | None = told.pop("owner")
        patience = CarrierPatience(answer_s=max(self._every_s, 1.0), total_s=self._every_s)
        self._client = HttpClient(TaskAddress(**told), WorkerCodec("msgpack"), patience=patience, on_wait=_ignore)
        self._said: set[str] = set()

    def run(self) -> None:
        """Go on until the worker has gone."""
        while not self._waits(self._every_s):
            if "alone" in self._said or self._renew() in {"alone", "over"}:
                break
        else:
            return
        self._owner = None
        if not self._waits(self._leave_s):
            kill_with_children(self._worker)

    def _waits(self, seconds: float) -> bool:
        """Wait so long, or until the owner has gone; returns whether the worker has."""
        watched = [sys.stdin] if self._owner is None else [sys.stdin, self._owner]
        readable = select.select(watched, [], [], seconds)[0]
        if self._owner in readable:
            self._say("alone")
        return sys.stdin in readable

    def _renew(self) -> str:
        """Renew the leases, and return what the server says of the attempt."""
        try:
            found, _ = self._client.call("renew", self._client.key, {})
        except LoginError:
            return self._say("over")
        except StarwhaleError:
            return ""  # the server may come back before the leases end
        word = "alone" if found["alone"] else "stop" if found["stop"] else ""
        return self._say(word) if word else ""

    def _say(self, word: str) -> str:
        if word not in self._said:
            self._said.add(word)
            print(word, flush=True)  # noqa: T201 - read by the worker
        return word


def kill_with_children(worker: int) -> None:
    """Kill the worker that started this process, with everything in its process group where the group is its own."""
    if os.getppid() != worker:
        return
    if os.getpgid(worker) == worker:
        os.killpg(worker, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)


def main() -> None:
    """Renew until the worker has gone."""
    die_with_parent()
    _Watch(json.loads(sys.stdin.readline())).run()


def _ignore(_text: str) -> None:
    """Say nothing: the worker waits for the same server, and says so."""


if __name__ == "__main__":
    main()
