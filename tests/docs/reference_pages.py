"""Write docs/reference/cli.md and docs/reference/sdk.md from the program itself, so that they cannot say what is not so.

python tests/docs/reference_pages.py docs/reference
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import click

PLAIN_MODULES = {
    "starwhale.api.evaluation": "(`from starwhale import evaluation`.) Decorators of an evaluation, and what it logs.",
    "starwhale.api.model": "(`from starwhale import model`.) Packaged models.",
    "starwhale.api.runtime": "Locked environments.",
    "starwhale.api.project": "Projects.",
    "starwhale.api.track": "(`from starwhale import track`.) Not built yet.",
}
"""Modules of the front door whose functions are verbs, with what they are for."""
_NOTE = "<!-- Written by `make docs` from the program; a test compares. -->\n"


# --------------------------------------------------------------------------------------------------------- command line


def cli_page() -> str:
    """Return the reference of `swcli`."""
    from starwhale.cli.root import swcli

    lines = ["# The command line", "", _NOTE]
    lines += [
        "`-o json` and `-v` may follow every command. What the exit codes mean: [exit-codes.md](exit-codes.md).",
        "",
    ]
    for path, command in walk_commands(swcli, ["swcli"]):
        lines += _command_lines(path, command)
    return "\n".join(lines).rstrip() + "\n"


def walk_commands(command: click.Command, path: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    """Yield every command that is no group and is built, in the order of the tree."""
    if not isinstance(command, click.Group):
        if "not built yet" not in command.get_short_help_str(200):
            yield path, command
        return
    context = click.Context(command, info_name=path[-1])
    for name in sorted(command.list_commands(context)):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:
            yield from walk_commands(found, [*path, name])


def _command_lines(path: list[str], command: click.Command) -> list[str]:
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join([*path, *(piece for piece in command.collect_usage_pieces(context) if piece)])
    lines = [f"## {' '.join(path)}", "", _help_text(command), "", "```", usage, "```", ""]
    rows = [_option_row(param) for param in command.params if isinstance(param, click.Option) and not param.hidden]
    own = [
        row
        for row in rows
        if not row.startswith(("| `-o, --output ", "| `-v, --verbose`", "| `--output ", "| `--verbose`"))
    ]
    if own:
        lines += ["| option | default | meaning |", "|---|---|---|", *own, ""]
    return lines


def _help_text(command: click.Command) -> str:
    text = inspect.cleandoc((command.help or "").replace("\b", "")).strip()
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return "\n\n".join(part for part in paragraphs if part)


def _option_row(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    kind = (
        "" if option.is_flag or option.count else f" {option.metavar or option.type.name.upper().replace(' RANGE', '')}"
    )
    default = option.default
    shown = "" if callable(default) or default in {None, False, "", ()} or option.is_flag else str(default)
    if "UNSET" in shown.upper():  # click's mark for an option without a default
        shown = ""
    several = " (repeatable)" if option.multiple else ""
    meaning = " ".join((option.help or "").split()).replace("|", "\\|")
    return f"| `{names}{kind}` | {f'`{shown}`' if shown else ''} | {meaning}{several} |"


# ----------------------------------------------------------------------------------------------------------------- SDK


def sdk_page() -> str:
    """Return the reference of `import starwhale`."""
    front = importlib.import_module("starwhale")
    lines = ["# The Python package", "", _NOTE]
    lines += ["Everything below is imported as it is written: `from starwhale import Job`.", ""]
    names = [name for name in front.__all__ if not name.startswith("_")]
    for name in names:
        value = getattr(front, name)
        if inspect.ismodule(value):
            continue
        lines += (
            _class_lines(name, value) if inspect.isclass(value) else _function_lines(f"starwhale.{name}", value, "##")
        )
    for path, purpose in PLAIN_MODULES.items():
        module = importlib.import_module(path)
        lines += [f"## {path}", "", purpose, ""]
        for name, value in sorted(vars(module).items()):
            if inspect.isfunction(value) and not name.startswith("_") and _is_offered(module, name, value):
                lines += _function_lines(f"{path}.{name}", value, "###")
    return "\n".join(lines).rstrip() + "\n"


def _is_offered(module: object, name: str, value: Callable[..., object]) -> bool:
    offered = getattr(module, "__all__", None)
    return (
        name in offered
        if offered is not None
        else value.__module__ == getattr(module, "__name__", "") or name in {"predict", "evaluate"}
    )


def _class_lines(name: str, cls: type) -> list[str]:
    lines = [f"## starwhale.{name}", "", *_doc(cls), "```python", f"{name}{_signature(cls)}", "```", ""]
    members: list[str] = []
    for member, value in sorted(inspect.getmembers_static(cls)):
        if member.startswith("_") or not _is_ours(cls, member):
            continue
        if isinstance(value, property):
            members.append(f"- `.{member}`: {_first_line(value.fget)}")
        elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
            function = cast("Callable[..., object]", getattr(value, "__func__", value))
            shown = _signature(function, drops_first=not isinstance(value, staticmethod))
            members.append(f"- `.{member}{shown}`: {_first_line(function)}")
    return [*lines, *members, ""] if members else lines


def _is_ours(cls: type, member: str) -> bool:
    home = next((each for each in cls.__mro__ if member in vars(each)), object)
    return home.__module__.startswith("starwhale")


def _function_lines(title: str, function: Callable[..., object], mark: str) -> list[str]:
    name = title.rpartition(".")[2]
    return [f"{mark} {title}", "", "```python", f"{name}{_signature(function)}", "```", "", *_doc(function)]


def _doc(thing: object) -> list[str]:
    text = inspect.getdoc(thing) or ""
    first, _, rest = text.partition("\n")
    sections = rest.strip()
    lines = [first, ""]
    if sections:
        lines += ["```text", sections, "```", ""]
    return lines


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _signature(thing: Callable[..., object], *, drops_first: bool = False) -> str:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(…)"
    parameters = list(signature.parameters.values())
    if drops_first and parameters:
        parameters = parameters[1:]
    shown = [each.replace(annotation=_shown(each.annotation)) for each in parameters]
    text = str(signature.replace(parameters=shown, return_annotation=_shown(signature.return_annotation)))
    return re.sub(r" at 0x[0-9a-f]+", "", text)


class _Words(str):
    """An annotation as it was written, without the quotes that a text has."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(annotation: object) -> object:
    return _Words(annotation.replace("'", "")) if isinstance(annotation, str) else annotation


PAGES: dict[str, Callable[[], str]] = {"cli.md": cli_page, "sdk.md": sdk_page}
"""File name below docs/reference → what writes it."""


def main(folder: str) -> None:
    """Write the pages."""
    for name, make in PAGES.items():
        (Path(folder) / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
