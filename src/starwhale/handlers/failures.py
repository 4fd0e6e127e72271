"""What users see of their own errors: their file and line first, our frames and the machinery's left out."""

from __future__ import annotations

import functools
import importlib
import sysconfig
import traceback
from pathlib import Path

from starwhale.domain.job import TaskError
from starwhale.errors import StarwhaleError, UserCodeError


@functools.cache
def _own() -> tuple[str, ...]:
    return (str(Path(importlib.import_module("starwhale").__file__ or "").parent) + "/", "<frozen ")


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[name].rstrip("/") + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def user_frames(error: BaseException) -> traceback.StackSummary:
    """Return the frames from the first of the user's on; all that are not ours where the user has none."""
    frames = list(traceback.extract_tb(error.__traceback__))
    while frames and (frames[0].filename.startswith(_own())):
        frames.pop(0)
    mine = [position for position, frame in enumerate(frames) if is_user_file(frame.filename)]
    return traceback.StackSummary.from_list(frames[mine[0] :] if mine else frames)


def is_user_file(name: str) -> bool:
    """Whether a file is neither ours nor installed."""
    return not name.startswith(_own()) and not name.startswith(_installed())


def user_frame(error: BaseException) -> str:
    """Return `file:line in function` of the innermost frame of the user's own code, or nothing."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = user_frames(error)
    mine = [frame for frame in frames if is_user_file(frame.filename)] or list(frames)
    return f"{mine[-1].filename}:{mine[-1].lineno} in {mine[-1].name}" if mine else ""


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
    frame = user_frame(error)
    message = f"{what} raised {exception_text(error)}" + (f" at {frame}" if frame else "")
    hint = error.hint if isinstance(error, StarwhaleError) else ""
    return UserCodeError(message, exception=exception_text(error), frame=frame, details=details(error), hint=hint)


def row_error(what: str, key: str, error: BaseException) -> TaskError:
    """Say that user code raised on a row."""
    frame = user_frame(error)
    message = f"{what} raised {exception_text(error)} on row {key}" + (f" at {frame}" if frame else "")
    return TaskError(message=message, exception=exception_text(error), frame=frame, details=details(error), key=key)
