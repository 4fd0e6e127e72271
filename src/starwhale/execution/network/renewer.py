"""A small process beside a worker that keeps its leases: `python -m starwhale.execution.network.renewer`, told on its standard input.

It is a process and no thread: native code that holds the interpreter's lock starves every thread beside it, and leases would end under a
worker that is well. It ends with the worker, whose pipe ends then. What it says, a word a line: `stop` when the attempt is to stop at its next
batch boundary, `over` when the token is good no more.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import threading
from collections.abc import Callable

from starwhale.errors import LoginError, StarwhaleError
from starwhale.settings import child_environment
from starwhale.storage.carriers.http import CarrierPatience, HttpClient, TaskAddress
from starwhale.storage.carriers.lifetime import die_with_parent
from starwhale.storage.task_codec import WorkerCodec

PER_LEASE = 6
"""So often is a lease renewed before it would end."""


class Renewer:
    """Starts the process, and tells what it says. Whoever made it closes it."""

    def __init__(self, address: TaskAddress, lease_s: float, *, on_stop: Callable[[], None]) -> None:
        """Begin to renew.

        Args:
            address: The attempt, and its token.
            lease_s: How long a lease lasts that is not renewed.
            on_stop: Called from another thread when the attempt is to stop.
        """
        self._on_stop = on_stop
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "starwhale.execution.network.renewer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment({}),
        )
        told = {
            "server": address.server,
            "token": address.token,
            "task_id": address.task_id,
            "attempt": address.attempt,
            "every_s": lease_s / PER_LEASE,
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
        for _ in self._process.stdout:  # either word: nothing of the attempt is wanted any more
            self._on_stop()
        self._process.stdout.close()


def main() -> None:
    """Renew until the worker has gone, or the attempt is over."""
    die_with_parent()
    told = json.loads(sys.stdin.readline())
    every_s = float(told.pop("every_s"))
    patience = CarrierPatience(answer_s=max(every_s, 1.0), total_s=every_s)
    client = HttpClient(TaskAddress(**told), WorkerCodec("msgpack"), patience=patience, on_wait=_ignore)
    has_said = False
    while not select.select([sys.stdin], [], [], every_s)[0]:  # readable at its end only
        try:
            found, _ = client.call("renew", client.key, {})
        except LoginError:
            print("over", flush=True)  # noqa: T201 - read by the worker
            return
        except StarwhaleError:
            continue  # the server may come back before the leases end
        if found["stop"] and not has_said:
            has_said = True
            print("stop", flush=True)  # noqa: T201 - read by the worker


def _ignore(_text: str) -> None:
    """Say nothing: the worker waits for the same server, and says so."""


if __name__ == "__main__":
    main()
