"""What Ctrl-C and a plea to end do while a job runs: stop at the next batch, or, at a debugger, nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def listen_for_interrupt() -> Generator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop, and the second into a KeyboardInterrupt of whoever asks for the wish.

    It is raised there and not wherever the main thread happens to be: in the middle of a transaction it would be taken for an error of
    the catalog. A third one is raised at once.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) > 2:
            raise KeyboardInterrupt

    def is_asked() -> bool:
        if len(asked) > 1:
            raise KeyboardInterrupt
        return bool(asked)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def leave_interrupt_to_worker() -> Generator[Callable[[], bool]]:
    """Ignore Ctrl-C, which the debugger and user code get; a plea to end, or a terminal that goes away, ends the job.

    That is a KeyboardInterrupt of whoever asks whether to stop, as soon as somebody does so; before that, where a module that is being
    imported may hold everything up, and at the second plea, it is raised at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    state = {"is_asking": False, "is_ending": False}

    def end(_number: int, _frame: object) -> None:
        if state["is_ending"] or not state["is_asking"]:
            raise KeyboardInterrupt
        state["is_ending"] = True

    def should_stop() -> bool:
        state["is_asking"] = True
        if state["is_ending"]:
            raise KeyboardInterrupt
        return False

    handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: end, signal.SIGHUP: end}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield should_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
