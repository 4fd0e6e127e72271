"""What users see of their own errors: their file and line first, our frames and the machinery's left out."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import linecache
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from starwhale.domain.job import TaskError
from starwhale.errors import StarwhaleError, UserCodeError

_FAULT_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
_NUMBERS = ("'int'", "'float'")
"""How Python names numbers when it refuses to mix them with something else."""


@dataclass(frozen=True, slots=True)
class FailurePlace:
    """A line of the user's code."""

    file: str
    """Path of the file."""
    line: int
    """Line, from 1."""
    function: str = ""
    """Function that it is in, or empty."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")

    def excerpt(self) -> str:
        """Return the line with its neighbours, the line itself marked; empty where the source is not to be had."""
        linecache.checkcache(self.file)  # the file may have been edited since it was read last
        lines = linecache.getlines(self.file)
        if not 1 <= self.line <= len(lines):
            return ""
        shown = range(max(self.line - 1, 1), min(self.line + 1, len(lines)) + 1)
        width = len(str(shown[-1]))
        return "\n".join(
            f"  {'>' if number == self.line else ' '} {number:>{width}} │ {lines[number - 1].rstrip()}".rstrip()
            for number in shown
        )


@functools.cache
def _own() -> tuple[str, ...]:
    return (str(Path(importlib.import_module("starwhale").__file__ or "").parent) + "/", "<frozen ")


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[name].rstrip("/") + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def definition(function: Callable[..., object]) -> FailurePlace | None:
    """Return the line of a function's `def`, below its decorators; None for one that is not written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    below = next((count for count, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def "))), 0)
    return FailurePlace(code.co_filename, code.co_firstlineno + below, code.co_name)


def user_frames(error: BaseException) -> traceback.StackSummary:
    """Return the frames from the first of the user's on; all that are not ours where the user has none.

    A StopIteration that leaves a coroutine comes as a RuntimeError without them: its cause has them.
    """
    cause = error.__cause__
    told = cause if isinstance(error, RuntimeError) and isinstance(cause, StopIteration | StopAsyncIteration) else error
    frames = list(traceback.extract_tb(told.__traceback__))
    while frames and (frames[0].filename.startswith(_own())):
        frames.pop(0)
    mine = [position for position, frame in enumerate(frames) if is_user_file(frame.filename)]
    return traceback.StackSummary.from_list(frames[mine[0] :] if mine else frames)


def is_user_file(name: str) -> bool:
    """Whether a file is neither ours nor installed."""
    if name.endswith((".pyx", ".pxi", ".pxd")) and not Path(name).exists():
        return False  # a frame of a compiled extension names its source as it was where the extension was built
    return not name.startswith(_own()) and not name.startswith(_installed())


def user_place(error: BaseException) -> FailurePlace | None:
    """Return the innermost line of the user's own code; None when there is no line at all."""
    if isinstance(error, SyntaxError) and error.filename:
        return FailurePlace(error.filename, error.lineno or 1)
    if isinstance(place := getattr(error, "place", None), FailurePlace):
        return place
    frames = user_frames(error)
    mine = [frame for frame in frames if is_user_file(frame.filename)] or list(frames)
    return FailurePlace(mine[-1].filename, mine[-1].lineno or 1, mine[-1].name) if mine else None


def user_frame(error: BaseException) -> str:
    """Return `file:line in function` of the innermost frame of the user's own code, or nothing."""
    return str(user_place(error) or "")


def stuck_place(stack: FrameType | None) -> tuple[str, str]:
    """Return `file:line in function` of the user's innermost frame of a thread that does not go on, and its stack."""
    frames = [frame for frame in traceback.extract_stack(stack) if not frame.filename.startswith(_own())]
    mine = [position for position, frame in enumerate(frames) if is_user_file(frame.filename)]
    if not mine:
        return "", ""
    frame = frames[mine[-1]]
    shown = traceback.StackSummary.from_list(frames[mine[0] :])
    return str(FailurePlace(frame.filename, frame.lineno or 1, frame.name)), "".join(shown.format())


def waiting_place(call: object) -> FailurePlace | None:
    """Return the user's innermost line at which a coroutine waits; None for what is no coroutine, or is not the user's."""
    place: FailurePlace | None = None
    while call is not None:
        frame: FrameType | None = getattr(call, "cr_frame", None)
        if frame is not None and is_user_file(frame.f_code.co_filename):
            place = FailurePlace(frame.f_code.co_filename, frame.f_lineno or 1, frame.f_code.co_name)
        call = getattr(call, "cr_await", None)
    return place


def crash_frame(output: str) -> str:
    """Return `file:line in function` of the user's innermost frame in what `faulthandler` wrote of a crash, or nothing."""
    for file, line, function in _FAULT_FRAME.findall(output.rpartition("(most recent call first)")[2]):
        if is_user_file(file):
            return str(FailurePlace(file, int(line), function))
    return ""


def has_quit(error: BaseException) -> bool:
    """Whether the user left the debugger; only where it was used can that be."""
    bdb = sys.modules.get("bdb")
    return bdb is not None and isinstance(error, bdb.BdbQuit)


def exception_text(error: BaseException) -> str:
    """Return `Type: text`."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def details(error: BaseException) -> str:
    """Return the traceback, the user's frames first."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = user_frames(error)
    return "".join(told.format())


def user_code_error(what: str, error: BaseException) -> UserCodeError:
    """Say that user code raised.

    Args:
        what: What was being done: `handler 'a:b'`.
        error: What was raised.
    """
    place = user_place(error)
    raised = _raised(error)
    message = f"{what} raised {raised}" + (f" at {place}" if place else "")
    made = UserCodeError(
        message, exception=raised, frame=str(place or ""), details=details(error), hint=_hint(error, ())
    )
    made.source = place.excerpt() if place else ""
    return made


def row_error(what: str, key: str, error: BaseException, *, row: str = "", features: Iterable[str] = ()) -> TaskError:
    """Say that user code raised on a row.

    Args:
        what: What was being done: `handler 'a:b'`.
        key: The row, or the first and the last of a batch, for people.
        error: What was raised.
        row: The row for `--row`; empty where there are several.
        features: Names of the row's features.
    """
    place = user_place(error)
    raised = _raised(error)
    message = f"{what} raised {raised} on row {key}" + (f" at {place}" if place else "")
    return TaskError(
        message=message,
        exception=raised,
        frame=str(place or ""),
        details=details(error),
        key=key,
        row=row,
        source=place.excerpt() if place else "",
        hint=_hint(error, features),
    )


def _raised(error: BaseException) -> str:
    """Say what was raised, on one line; the hint of our own errors stands elsewhere."""
    text = f"{type(error).__name__}: {error.message}" if isinstance(error, StarwhaleError) else exception_text(error)
    return " ".join(text.split())


def _hint(error: BaseException, features: Iterable[str]) -> str:
    """Say what may be meant: of our own errors their hint, of a feature that is not there the nearest one."""
    if isinstance(error, StarwhaleError):
        return error.hint
    if isinstance(error, ModuleNotFoundError) and error.name == "gradio":
        return "install it where the model runs: pip install 'starwhale-evaluation[serve]'"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install what brings {error.name!r} into this environment: {sys.prefix}"
    if isinstance(error, TypeError) and "'str'" in str(error) and any(kind in str(error) for kind in _NUMBERS):
        return "one of them is text: every column of a CSV file is; write float(row[NAME]) or int(row[NAME])"
    if has_quit(error):
        return "a breakpoint() needs a terminal: add --debug"
    if isinstance(error, KeyError) and error.args and isinstance(wanted := error.args[0], str):
        known = list(features)
        close = difflib.get_close_matches(wanted, known, n=1)
        if close and wanted not in known:
            return f"did you mean {close[0]!r}? The row has {', '.join(map(repr, sorted(known)))}"
    return ""
