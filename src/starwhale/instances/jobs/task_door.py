"""A server for the tasks of one job, beside its driver: for executors whose workers reach this machine, and may find no server here."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starwhale.errors import ExecutionError, told_error
from starwhale.execution.network.launch import ServerPlace

if TYPE_CHECKING:
    from starwhale.storage.stores import Stores

_END_S = 10.0


@contextmanager
def open_door(stores: Stores, host: str, log: Path) -> Generator[ServerPlace]:
    """Serve the tasks of these stores while it is entered; the process ends with this one, however that ends.

    Args:
        stores: Where the job is kept.
        host: Address of this machine that workers reach.
        log: What it says goes there.

    Raises:
        ExecutionError: It did not begin; says why.
        PortError: The address is none of this machine's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "starwhale.server.task_door"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        with contextlib.suppress(OSError):  # it has gone, which its silence says
            process.stdin.write(json.dumps({"root": str(stores.layout.root), "host": host}) + "\n")
            process.stdin.flush()
        yield ServerPlace(address=_address(process.stdout.readline(), host, str(log)))
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _address(line: str, host: str, log: str) -> str:
    said: Any = json.loads(line) if line.strip() else {}  # Any: JSON
    if "error" in said:
        error = said["error"]
        raise told_error(str(error["code"]), str(error["message"]), str(error["hint"]))
    if "address" not in said:
        message = f"the server for the tasks of this job did not begin at {host}"
        raise ExecutionError(message, hint=f"its last words are in {log}")
    return str(said["address"])
