"""A program on a pseudo-terminal, for tests that answer it as a person would."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

DEADLINE_S = 60.0
"""How long a test waits for what must come."""


class Terminal:
    """One program whose input and output is a terminal of its own."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            env={**env, "TERM": "dumb", "COLUMNS": "200"},
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C needs a controlling terminal
        )
        os.close(theirs)
        self._unread = ""
        self.said = ""
        """All that was read."""

    def read_until(self, text: str) -> str:
        """Read until a text has come; return everything up to its end that was not returned before."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self._unread:
            piece = self._read(deadline)
            assert piece, f"{text!r} did not come before the end:\n{self.said}"
        before, _, self._unread = self._unread.partition(text)
        return before + text

    def answer(self, text: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{text}\n".encode())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C: the terminal signals its foreground processes."""
        os.write(self._ours, b"\x03")

    def interrupt(self, text: str) -> str:
        """Press Ctrl-C, and again as long as nothing comes, then read until a text has come.

        A signal that arrives just before Python waits for a key is noticed only with the next one.
        """
        for _ in range(10):
            self.press_ctrl_c()
            if select.select([self._ours], [], [], 5.0)[0]:
                break
        return self.read_until(text)

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self._read(deadline):
            pass
        return self._process.wait(DEADLINE_S)

    def rest(self) -> str:
        """What was read and not returned by `read_until`."""
        return self._unread

    def close(self) -> None:
        """End the program, if it still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(DEADLINE_S)
        os.close(self._ours)

    def _read(self, deadline: float) -> str:
        """Read what comes next; nothing at the end of the program."""
        ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more has come:\n{self.said}"
        try:
            piece = os.read(self._ours, 65_536).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # so a terminal says that nobody has it open any more
            return ""
        self._unread += piece
        self.said += piece
        return piece


@contextmanager
def open_terminal(command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Generator[Terminal]:
    """Start a program on a terminal; it is ended with the block."""
    terminal = Terminal(command, env=env, cwd=cwd)
    try:
        yield terminal
    finally:
        terminal.close()
