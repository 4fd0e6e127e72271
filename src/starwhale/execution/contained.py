"""The first process of a container in which a worker runs: it takes the worker's sockets, starts it, and ends with the driver.

A worker that was the first process itself could not be killed by a signal of its own, and would let orphans pile up. This one runs no user
code, so that it notices the end of the driver even while native code keeps every thread of the worker from running; with it ends
everything in the container. Standard library only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDER = "/run/starwhale"
"""Where the container finds what it shares with the driver."""
SOCKET = "socket"
"""Name in that folder: hands the worker's two sockets over to whoever connects."""
END = "end.json"
"""Name in that folder: how the worker was killed, where it was."""
SIGNALLED = 128
"""Added to the number of the signal that killed the worker, in the exit code."""
_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where the kernel counts processes of this container that it killed for want of memory: of control groups of version 2, and 1."""


def main() -> None:
    """Take the sockets, run a worker on them, and end as it does, or with the driver."""
    descriptors = take_sockets(Path(FOLDER, SOCKET))
    child = os.fork()
    if child == 0:
        from starwhale.execution import worker

        worker.main([str(each) for each in descriptors])
    status = watch(child, descriptors[0])
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        told = {"signal": -code, "out_of_memory": was_out_of_memory(map(Path, _COUNTERS))}
        Path(FOLDER, END).write_text(json.dumps(told), encoding="ascii")
    os._exit(code if code >= 0 else SIGNALLED - code)


def take_sockets(path: Path) -> list[int]:
    """Return the descriptors of the worker's control and stores, which the driver sends to whoever connects."""
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
            found = socket.recv_fds(link, 1, 2)[1]
        except OSError as error:
            sys.exit(f"the driver of the job cannot be reached at {path}: {error}")
    if len(found) != 2:
        sys.exit("the driver of the job has gone")
    return found


def watch(child: int, control: int) -> int:
    """Wait for the worker, and collect what it orphaned; where the driver goes first, end everything.

    Returns:
        The status of the worker, as `waitpid` gives it.
    """
    woken, wake = os.pipe()
    for each in (woken, wake):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # so that it interrupts the wait
    signal.signal(signal.SIGTERM, lambda *_: _end_all(child))
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(control, select.POLLRDHUP)
    while True:
        while (found := _collect()) is not None:
            if found[0] == child:
                return found[1]
        ready = [descriptor for descriptor, _ in poll.poll()]
        if control in ready:
            _end_all(child)
        os.read(woken, 512)


def _collect() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _end_all(child: int) -> None:
    """End the worker, and with this process all others of the container."""
    os.kill(child, signal.SIGKILL)
    os._exit(1)


def was_out_of_memory(counters: Iterable[Path]) -> bool:
    """Whether the kernel has killed a process of this container for want of memory.

    Args:
        counters: Files of lines such as `oom_kill 1`; those that are not there are left out.
    """
    for path in counters:
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        if any(name == "oom_kill" and number.strip() != "0" for name, _, number in (x.partition(" ") for x in lines)):
            return True
    return False
