"""A server of this program in a process of its own: started, asked where it listens, and stopped by whoever started it.

Servers live above this room; they are started by name, and say one line of JSON when they answer requests, or why they do not.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from starwhale.errors import ExecutionError, told_error
from starwhale.storage.carriers.frames import error_from_json

Said = dict[str, Any]  # Any: JSON


class ServerProcess:
    """A running server. Whoever starts it stops it."""

    def __init__(
        self, module: str, words: Sequence[str], *, pass_fds: Sequence[int] = (), log: Path | None = None
    ) -> None:
        """Start it.

        Args:
            module: Its program.
            words: What it is given.
            pass_fds: Descriptors that it inherits.
            log: File for what it says later; then it runs in the background, and goes on when the caller ends.
        """
        with ExitStack() as stack:
            errors = None if log is None else stack.enter_context(log.open("ab"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=None if log is None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                pass_fds=tuple(pass_fds),
                start_new_session=log is not None,
            )

    def started(self) -> Said:
        """Wait until it answers requests, and return what it says of itself: its `address`.

        Raises:
            StarwhaleError: It does not start; the error is its own.
        """
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        said = _read(self._process.stdout.readline())
        if "address" in said:
            return said
        code = self._process.wait()
        error: Said = said.get("error") or {}
        if "class" in error:
            raise error_from_json(error)
        if error:
            raise told_error(**error)
        raise ExecutionError(
            f"the server ended with exit code {code} before it answered", hint="what it wrote says why"
        )

    def leave(self) -> None:
        """Let it run on without the caller."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.returncode = 0  # it is not waited for: whoever inherits it does

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for its end, and return its exit code; 0 after Ctrl-C, which it hears itself. A second Ctrl-C ends it at once."""
        try:
            return max(self._process.wait(), 0)
        except KeyboardInterrupt:
            self._process.terminate()
        try:
            return max(self._process.wait(), 0)
        except KeyboardInterrupt:
            self._process.kill()
            return max(self._process.wait(), 0)

    def stop(self, timeout_s: float | None = None) -> int:
        """Ask it to end, and return its exit code; what it had begun is finished, for so long as it is given.

        Args:
            timeout_s: End it at once after so long; None waits as long as it takes.
        """
        if self.is_running:
            self._process.terminate()
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return max(code, 0)

    @contextmanager
    def passing_on(self) -> Generator[None]:
        """Pass SIGTERM on to it for as long as the block takes, and stop it at the end, where it still runs."""
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, lambda *_: self._process.terminate()) if is_main else None
        try:
            yield
        finally:
            if is_main:
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
            with contextlib.suppress(ProcessLookupError):
                self.stop()


def _read(line: str) -> Said:
    try:
        return json.loads(line) if line.strip() else {}
    except ValueError:
        return {}
