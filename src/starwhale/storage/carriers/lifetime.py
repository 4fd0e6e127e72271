"""How a process that we start ends: with its parent, or by itself, and how that is told."""

from __future__ import annotations

import contextlib
import signal
import sys


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread of its parent ends that started it, even while native code keeps every thread from running."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def describe_exit(code: int | None) -> str:
    """Say how a process ended, of its return code; None where it runs on."""
    if name := signal_name(code):
        return f"was killed by {name}"
    return "closed its connection" if code is None else f"ended with exit code {code}"


def signal_name(code: int | None) -> str:
    """Return the name of the signal that ended a process, of its return code; empty where it ended by itself."""
    if code is None or code >= 0:
        return ""
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
