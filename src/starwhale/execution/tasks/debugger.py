"""The worker's side of `--debug`: what users see of a failure where it happens, and the debugger at their own line.

It needs the standard library only. The terminal is shared with the parent, which leaves Ctrl-C to this process.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from starwhale.errors import UserCodeError
from starwhale.handlers.failures import has_quit, is_user_file


def attach() -> None:
    """Prepare this process: native code that crashes says where."""
    faulthandler.enable(all_threads=False)


@contextmanager
def interruptible() -> Generator[None]:
    """Let Ctrl-C raise a KeyboardInterrupt in user code; outside of it the parent's connection must not be torn."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def show_failure(error: UserCodeError) -> None:
    """Show what user code raised, and open the debugger where it did if somebody can answer it."""
    cause = error.__cause__
    if cause is None or has_quit(cause) or isinstance(cause, SystemExit):
        return
    trace = _from_user(cause.__traceback__)
    if trace is None:  # nothing of the user's ran: a syntax error, or a function that cannot be called
        return
    sys.stdout.flush()
    sys.stderr.write(f"{f'row {error.key}: ' if error.key else ''}{error.details.rstrip()}\n")
    sys.stderr.flush()
    if sys.stdin.isatty():
        _open_debugger(trace)


def _from_user(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames before the first of the user's; None where the user has none."""
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _open_debugger(trace: TracebackType) -> None:
    import pdb  # noqa: T100 - this is what the user asked for

    class AtUserLine(pdb.Pdb):
        """Begins at the user's innermost frame, not inside the library that raised."""

        def get_stack(self, f: Any, t: Any) -> Any:  # Any: as bdb types them
            stack, at = super().get_stack(f, t)
            mine = [place for place, (frame, _) in enumerate(stack) if is_user_file(frame.f_code.co_filename)]
            return stack, mine[-1] if mine else at

    sys.stderr.write("q leaves the debugger\n")
    sys.stderr.flush()
    debugger = AtUserLine()
    debugger.reset()
    debugger.interaction(None, trace)


__all__ = ["attach", "has_quit", "interruptible", "show_failure"]
