"""Click classes of `swcli`: aliases, unique prefixes, lazily loaded groups, and `-o`, `-v` that may follow the command."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import click

from starwhale.cli.app import CliApp
from starwhale.errors import NotBuiltYetError, UsageError, nearest

HELP_NAMES = {"help_option_names": ["-h", "--help"]}
"""`-h` is help wherever the command has no `-h` of its own."""


def _set_output(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(CliApp).wants_json = value == "json"


def _add_verbosity(ctx: click.Context, _param: click.Parameter, value: int) -> None:
    if value:
        ctx.ensure_object(CliApp).verbosity += value


def shared_options(taken: set[str]) -> list[click.Option]:
    """Return `-o/--output` and `-v/--verbose`, less the letters that a command uses itself."""
    output = [name for name in ("-o", "--output") if name not in taken]
    verbose = [name for name in ("-v", "--verbose") if name not in taken]
    options: list[click.Option] = []
    if output:
        kind = click.Choice(["json"])
        text = "Give the result as JSON on stdout."
        options.append(
            click.Option(output, type=kind, expose_value=False, is_eager=True, callback=_set_output, help=text)
        )
    if verbose:
        text = "Say more; echo what user code prints."
        options.append(
            click.Option(verbose, count=True, expose_value=False, is_eager=True, callback=_add_verbosity, help=text)
        )
    return options


class SwOption(click.Option):
    """An option that the help shows in a panel of its own."""

    def __init__(self, *args: Any, panel: str = "", **kwargs: Any) -> None:  # Any: passed on to click as it came
        super().__init__(*args, **kwargs)
        self.panel = panel
        """Title of the panel; empty for the first one."""


class SwCommand(click.Command):
    """A command that takes `-o json` and `-v` as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: passed on to click as it came
        kwargs["context_settings"] = {**HELP_NAMES, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)
        taken = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        self.params.extend(shared_options(taken))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by panels, the first one for every day."""
        panels: dict[str, list[tuple[str, str]]] = {"": []}
        for param in (each for each in self.get_params(ctx) if isinstance(each, click.Option)):
            if row := param.get_help_record(ctx):
                panels.setdefault(getattr(param, "panel", ""), []).append(row)
        for title, rows in panels.items():
            if rows:
                with formatter.section(title or "Options"):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help for a lone `-h`, also where `-h` takes a value.

        Raises:
            UsageError: `-o json` is written where `-o` is something else, and does not fit.
        """
        own = args[: args.index("--")] if "--" in args else args
        if own and own[-1] == "-h" and (len(own) < 2 or own[-2] != "-h"):
            click.echo(ctx.get_help())
            ctx.exit(0)
        own = [*own]  # what is parsed is taken away
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # the parser of options does not say whose they are
            meant = self._own_output(own)
            if meant:
                message = f"{error.format_message().rstrip('.')}: -o is {meant} in '{ctx.command_path}'"
                raise UsageError(message, hint="for a result as JSON write: --output json") from error
            raise

    def _own_output(self, words: list[str]) -> str:
        """Return what `-o` means in this command, where `-o json` was written and it does not mean the form of the result."""
        if ("-o", "json") not in pairwise(words):
            return ""
        own = (param for param in self.params if "-o" in param.opts and param.name != "output")
        return next((param.opts[-1] for param in own), "")


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is imported when it is used."""

    target: str
    """`module:attribute`."""
    help: str
    """One line for the list of commands."""
    panel: str = "Commands"
    """Title under which it is listed."""


class SwGroup(click.Group):
    """A group whose commands answer to exact names, aliases and unique prefixes."""

    command_class = SwCommand

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: passed on to click as it came
        self.aliases: dict[str, str] = kwargs.pop("aliases", {})
        self.lazy: dict[str, LazyCommand] = kwargs.pop("lazy", {})
        kwargs["context_settings"] = {**HELP_NAMES, **(kwargs.get("context_settings") or {})}
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options({name for param in self.params for name in param.opts}))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names without aliases."""
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by name, then alias, then unique prefix."""
        name = self._full_name(ctx, cmd_name)
        if name is None:
            return None
        if name in self.lazy and name not in self.commands:
            module, _, attribute = self.lazy[name].target.partition(":")
            self.add_command(cast("click.Command", getattr(importlib.import_module(module), attribute)), name)
        return super().get_command(ctx, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help of a command whose name follows `-h`."""
        if len(args) > 1 and args[0] in ctx.help_option_names and not args[1].startswith("-"):
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name what is close when nothing fits."""
        wanted = args[0] if args else ""
        if wanted and not wanted.startswith("-") and self.get_command(ctx, wanted) is None:
            ctx.fail(f"no command {wanted!r} in {ctx.command_path!r}; {self._nearest(ctx, wanted)}")
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what it is for right below the usage: the first page has to fit 24 lines."""
        with formatter.indentation():
            formatter.write_text(inspect.cleandoc(self.help or ""))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by panels with one line each, without importing the lazy ones."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in dict.fromkeys([*self.lazy, *self.list_commands(ctx)]):
            lazy = self.lazy.get(name)
            command = self.commands.get(name)
            text = lazy.help if lazy else command.get_short_help_str(70) if command else ""
            others = sorted(alias for alias, full in self.aliases.items() if full == name)
            if not (command and command.hidden):
                row = (f"{name} ({', '.join(others)})" if others else name, text)
                panels.setdefault(lazy.panel if lazy else "Commands", []).append(row)
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Close with the names that do nothing yet, and what else there is to say."""
        later = [name for name in self.list_commands(ctx) if isinstance(self.commands.get(name), NotBuilt)]
        lines = [*([f"Not built yet: {', '.join(later)}."] if later else []), *([self.epilog] if self.epilog else [])]
        for line in lines:  # right below the commands: the first page has to fit 24 lines
            formatter.write_text(line)

    def _nearest(self, ctx: click.Context, wanted: str) -> str:
        """Name what is close; where nothing is, list what works."""
        names = self.list_commands(ctx)
        close = nearest(wanted, names)
        works = [name for name in names if not isinstance(self.commands.get(name), NotBuilt)]
        return close if close.startswith("did you mean") else nearest(wanted, works)

    def _full_name(self, ctx: click.Context, given: str) -> str | None:
        names = self.list_commands(ctx)
        if given in names:
            return given
        if given in self.aliases:
            return self.aliases[given]
        found = [name for name in names if name.lower().startswith(given.lower())]
        if len(found) > 1:
            ctx.fail(f"{given!r} could be {' or '.join(repr(name) for name in found)}; type more letters")
        return found[0] if found else None


def add_not_built(group: SwGroup, names: dict[str, str]) -> None:
    """Declare commands of the specification that do not exist yet: they say so and exit with 1.

    Args:
        group: Where they belong.
        names: Name → what they will do.
    """
    for name, purpose in names.items():
        path = name if group.name == "swcli" else f"{group.name} {name}"
        group.add_command(_not_built(path, purpose), name)


class NotBuilt(click.Command):
    """A name of the specification for which there is nothing yet."""


def _not_built(path: str, purpose: str) -> click.Command:
    def refuse(words: tuple[str, ...]) -> None:
        del words
        message = f"'swcli {path}' is not built yet"
        raise NotBuiltYetError(message, hint="see docs/reference/compatibility.md for what works")

    words = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return NotBuilt(
        hidden=True,
        name=path.rsplit(" ", 1)[-1],
        params=[words],
        callback=refuse,
        help=f"{purpose} (not built yet)",
        context_settings={**HELP_NAMES, **settings},
    )
