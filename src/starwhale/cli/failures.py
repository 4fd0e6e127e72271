"""How a failure of `swcli` looks, and what it exits with.

0 done · 1 failed or not found · 2 wrong usage · 3 cannot tell · 70 our bug · 130 interrupted
"""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from typing import Any

import click

from starwhale.cli.app import CliApp
from starwhale.cli.visible import json_halves, visible
from starwhale.errors import StarwhaleError, UsageError, UserCodeError

BUG = 70
"""Exit code of an error that is ours."""
INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def report_failure(app: CliApp, error: BaseException) -> int:
    """Show one failure and return the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        _show(app, "interrupted", "interrupted", "")
        # Click turns Ctrl-C into an Abort too, and keeps it as the cause; without one, somebody said no to a question.
        return INTERRUPTED if isinstance(error.__cause__ or error, KeyboardInterrupt) else 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return error.exit_code
    if isinstance(error, click.ClickException):
        return _report_usage(app, error)
    if isinstance(error, UserCodeError):
        _show_user_code(app, error)
        return error.exit_code
    if isinstance(error, StarwhaleError):
        _show(app, error.code, error.message, error.hint)
        if app.verbosity:
            click.echo(visible(_traceback(error)), err=True)
        return error.exit_code
    if isinstance(error, (BrokenPipeError, SystemExit)):  # rich turns the first into the second
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, FileNotFoundError) and not _has_folder():
        _show(app, "usage", "the current folder is not there any more", "go into another one: cd DIR")
        return UsageError.exit_code
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        _show(app, "usage", f"{error.object!r} is not UTF-8", "write it with characters that UTF-8 has")
        return UsageError.exit_code
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _show(app, "no_space", f"cannot write: {error.strerror}", "free some space, and try again")
        return 1
    click.echo(visible(_traceback(error)), err=True)
    _show(
        app, "bug", f"this is a bug of swcli: {type(error).__name__}: {error}", "please report it with the lines above"
    )
    return BUG


def _has_folder() -> bool:
    """Whether the folder in which this process works is still there."""
    try:
        os.getcwd()  # noqa: PTH109 - what is asked is whether this raises
    except FileNotFoundError:
        return False
    return True


def _report_usage(app: CliApp, error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if isinstance(context, click.Context) else "swcli"
    _show(app, "usage", error.format_message().rstrip("."), f"see '{command} --help'")
    return error.exit_code


def _show_user_code(app: CliApp, error: UserCodeError) -> None:
    """Show the user's own line first, and last the command that tries it again."""
    if app.wants_json:
        names = ("frame", "source", "key", "exception", "log", "command", "resume")
        facts = {name: value for name in names if (value := getattr(error, name))}
        hint = "; ".join(each for each in (error.hint, error.command) if each)
        _print_json({"code": error.code, "message": error.message, "hint": hint, "details": facts})
        return
    if app.verbosity and error.details:
        click.echo(visible(error.details.rstrip()), err=True)
    if error.frame:
        frame = visible(error.frame)
        frame = click.style(frame, bold=True) if app.settings.colours else frame
        click.echo(frame + (f", row {visible(error.key)}" if error.key else ""), err=True)
    if error.source:
        click.echo(visible(error.source), err=True)
    _say(app, "Error:", error.message.removesuffix(f" at {error.frame}"), "red")
    lines = {
        "Hint:": error.hint,
        "Log:": error.log,
        "Later:": error.resume and f"{error.resume} goes on from the rows that are done",
        "Try:": error.command,
    }
    for title, text in lines.items():
        if text:
            _say(app, title, text, "cyan")


def _show(app: CliApp, code: str, message: str, hint: str) -> None:
    if app.wants_json:
        _print_json({"code": code, "message": message, "hint": hint})
        return
    _say(app, "Error:", message, "red")
    if hint:
        _say(app, "Try:", hint, "cyan")


def _print_json(error: dict[str, Any]) -> None:  # Any: a JSON object
    click.echo(json_halves(json.dumps({"error": error}, ensure_ascii=False)))


def _say(app: CliApp, title: str, text: str, colour: str) -> None:
    shown = f"{title:<6}"
    styled = click.style(shown, fg=colour, bold=True) if app.settings.colours else shown
    click.echo(f"{styled} {visible(text)}", err=True)


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
