"""The words of `swcli model run` that are no options of its own: TARGET, and the handlers' options on either side of `--`."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from starwhale.cli.command import SwCommand
from starwhale.errors import UnknownOptionError, UsageError

_ALL_BUT = 0.8
"""How alike two words are that differ by a slip of the finger: `--limt` and `--limit` are, `--factor` and `--executor` are not."""
AFTER = "starwhale.words_after"
"""Key of the words behind `--` in a context's `meta`."""


class WordsAfterCommand(SwCommand):
    """A command that leaves what stands behind `--` alone, and keeps it apart from what stands before."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the words at the first `--`."""
        cut = args.index("--") if "--" in args else len(args)
        ctx.meta[AFTER] = tuple(args[cut + 1 :])
        return super().parse_args(ctx, args[:cut])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say what may follow."""
        return [*super().collect_usage_pieces(ctx), "[-- HANDLER OPTIONS]"]


class RunCommand(WordsAfterCommand):
    """The command that takes a target and, on either side of `--`, options of handlers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: passed on to click as it came
        kwargs["context_settings"] = {"ignore_unknown_options": True, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say what may follow."""
        del ctx
        return ["[TARGET]", "[OPTIONS]", "[-- HANDLER OPTIONS]"]

    def option_names(self) -> list[str]:
        """Return the long names of the options that are shown."""
        options = [param for param in self.params if isinstance(param, click.Option) and not param.hidden]
        return [name for option in options for name in option.opts if name.startswith("--")]


def words_after() -> tuple[str, ...]:
    """Return what stood behind `--` in this call."""
    return click.get_current_context().meta.get(AFTER, ())


def split_words(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return TARGET, empty where there is none, and the options that are not the program's own.

    Raises:
        UsageError: There is more than one word in front of them.
    """
    first = next((position for position, word in enumerate(words) if word.startswith("-")), len(words))
    if first > 1:
        message = f"one target at a time: {words[0]!r} and {words[1]!r} were given"
        raise UsageError(message, hint="name a .py file, a folder or a packaged model; datasets follow -d")
    return (words[0] if first else ""), tuple(words[first:])


@contextmanager
def knowing_own_options() -> Generator[None]:
    """Turn an option that no handler has into an error that names the closest of all there are."""
    try:
        yield
    except UnknownOptionError as error:
        raise _unknown(error.option, (*_own_names(), *error.known)) from error


@contextmanager
def suspecting_typing_errors(loose: Sequence[str]) -> Generator[None]:
    """Report an option that is all but one of the program's own where nothing is found to run: it is the likelier mistake.

    What the handlers' options are called is not known then; one of theirs may look a little like one of ours.
    """
    own = _own_names()
    typed = [word.partition("=")[0] for word in loose if word.startswith("--")]
    try:
        yield
    except UsageError as error:
        mistyped = next((word for word in typed if difflib.get_close_matches(word, own, cutoff=_ALL_BUT)), "")
        if not mistyped:
            raise
        raise _unknown(mistyped, own) from error


def _own_names() -> list[str]:
    command = click.get_current_context().command
    return command.option_names() if isinstance(command, RunCommand) else []


def _unknown(option: str, known: Sequence[str]) -> UnknownOptionError:
    error = UnknownOptionError(option, known)
    if not option.startswith("-"):
        error.hint = "TARGET stands before the handlers' options; a value follows its option"
    return error
