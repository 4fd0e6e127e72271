"""Which process runs a job, and whether it still lives: pid, start time, boot id and host."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from starwhale.errors import ConflictError
from starwhale.storage.catalog.job_records import Driver


def this_driver() -> Driver:
    """The identity of the calling process."""
    pid = os.getpid()
    return Driver(pid=pid, start_time=_start_time(pid), boot_id=_boot_id(), host=os.uname().nodename)


def is_alive(driver: Driver) -> bool:
    """Whether the process lives. One on another machine cannot be seen from here and counts as living."""
    if driver.host != os.uname().nodename:
        return True
    if driver.boot_id != _boot_id():
        return False
    started = _start_time(driver.pid)
    return bool(started) and started == driver.start_time


def end_driver(driver: Driver, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill the process that drives a job, once it is proven to be that very process; one that has ended is left alone.

    On Linux the process is held by a descriptor before it is looked at, so that its number cannot pass to another meanwhile.

    Args:
        driver: The process.
        number: The signal that it gets.

    Raises:
        ConflictError: It is on another machine, or belongs to another user.
    """
    if driver.host != os.uname().nodename:
        message = f"process {driver.pid} is on {driver.host}, and cannot be ended from here"
        raise ConflictError(message, hint="run the same command there")
    try:
        if sys.platform != "linux":
            if is_alive(driver):
                os.kill(driver.pid, number)
            return
        descriptor = os.pidfd_open(driver.pid)
        try:
            if is_alive(driver):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
    except ProcessLookupError:
        return
    except PermissionError as error:
        message = f"process {driver.pid} belongs to another user, and cannot be ended from here"
        raise ConflictError(message, hint="ask its owner") from error


def _start_time(pid: int) -> str:
    """When a process started, as the system writes it; empty when there is none, or only its corpse."""
    if sys.platform != "linux":
        return _start_time_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the program's name before it may hold spaces and brackets
    return "" if fields[0] in "ZX" else fields[19]


def _start_time_by_ps(pid: int) -> str:
    import subprocess

    done = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = done.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
