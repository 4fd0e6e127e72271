"""`starwhale.utils.console`: levelled output for user scripts, with rich markup and `:emoji:` where rich is installed."""

from __future__ import annotations

import sys
import traceback

TRACE, DEBUG, INFO, WARNING, ERROR, FATAL = 5, 10, 20, 30, 40, 50
_level = [WARNING]


def set_level(level: int) -> None:
    """Show only what is at least as important."""
    _level[0] = level


def print(*objects: object, **kwargs: object) -> None:  # noqa: A001 - the specified name
    """Write a line, whatever the level."""
    del kwargs
    text = " ".join(str(each) for each in objects)
    try:
        from rich import print as rich_print
    except ImportError:
        sys.stdout.write(f"{text}\n")
    else:
        rich_print(text, file=sys.stdout)


def rule(title: str = "") -> None:
    """Write a line across, with a title."""
    print(f"── {title} " + "─" * max(60 - len(title), 3))


def _emit(level: int, name: str, objects: tuple[object, ...]) -> None:
    if level >= _level[0]:
        print(f"{name}:", *objects)


def trace(*objects: object) -> None:
    """Say something of the least importance."""
    _emit(TRACE, "trace", objects)


def debug(*objects: object) -> None:
    """Say something for finding faults."""
    _emit(DEBUG, "debug", objects)


def info(*objects: object) -> None:
    """Say something worth knowing."""
    _emit(INFO, "info", objects)


def log(*objects: object) -> None:
    """Say something worth knowing."""
    info(*objects)


def warn(*objects: object) -> None:
    """Say something to look at."""
    _emit(WARNING, "warning", objects)


def warning(*objects: object) -> None:
    """Say something to look at."""
    warn(*objects)


def error(*objects: object) -> None:
    """Say what went wrong."""
    _emit(ERROR, "error", objects)


def exception(*objects: object) -> None:
    """Say what went wrong, with the traceback of the exception at hand."""
    _emit(ERROR, "error", objects)
    print_exception()


def fatal(*objects: object) -> None:
    """Say what ended it all."""
    _emit(FATAL, "fatal", objects)


def print_exception(*args: object, **kwargs: object) -> None:
    """Write the traceback of the exception at hand to stderr."""
    del args, kwargs
    traceback.print_exc()


__all__ = [
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "TRACE",
    "WARNING",
    "debug",
    "error",
    "exception",
    "fatal",
    "info",
    "log",
    "print",
    "print_exception",
    "rule",
    "set_level",
    "trace",
    "warn",
    "warning",
]
