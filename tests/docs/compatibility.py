"""Write docs/reference/compatibility.md: which public names and commands of 0.6 work here.

The names stand in spec_names.json; what becomes of each is asked of the program itself, so that the page cannot promise what
is not there. A name that is not built says so in the first line of its docstring or help: "(not built yet)".

    python tests/docs/compatibility.py docs/reference/compatibility.md
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
NOT_BUILT = "not built yet"
ABSENT = object()


class Status(StrEnum):
    """What becomes of a name."""

    WORKS = "works"
    PARTLY = "works in part"
    NOT_BUILT = "raises NotBuiltYetError"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One public name and what becomes of it."""

    name: str
    """As scripts write it."""
    status: Status
    """What becomes of it."""
    note: str = ""
    """What is different, or empty."""


def spec_names() -> dict[str, Any]:
    """The public names, parameters, commands and options of 0.6."""
    return json.loads((HERE / "spec_names.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------- Python names


def module_entries(module_name: str, names: dict[str, list[str] | None]) -> list[Entry]:
    """Ask one import path for its names."""
    try:
        module: object = _import(module_name)
    except ImportError:
        return [Entry(name=name, status=Status.MISSING, note="the module is missing") for name in names]
    return [_entry(name, _attribute(module, name), wanted) for name, wanted in names.items()]


def class_entries(place: str, names: dict[str, list[str] | None]) -> list[Entry]:
    """Ask one class for its methods, properties and attributes."""
    module_name, _, class_name = place.partition(":")
    try:
        owner = _attribute(_import(module_name), class_name)
    except ImportError:
        owner = ABSENT
    if owner is ABSENT:
        return [Entry(name=name, status=Status.MISSING, note="the class is missing") for name in names]
    return [_member_entry(owner, name, wanted) for name, wanted in names.items()]


def _import(module_name: str) -> object:
    """Import a module, or find the name that the front door gives for it (`starwhale.evaluation`)."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError:
        parent, _, name = module_name.rpartition(".")
        found = _attribute(importlib.import_module(parent), name) if parent else ABSENT
        if found is ABSENT:
            raise
        return found


def _attribute(owner: object, name: str) -> object:
    try:
        found = getattr(owner, name, ABSENT)
        if found is ABSENT and inspect.ismodule(owner):
            return importlib.import_module(f"{owner.__name__}.{name}")
    except ImportError:
        return ABSENT
    return found


def _member_entry(owner: object, name: str, wanted: list[str] | None) -> Entry:
    found = inspect.getattr_static(owner, name, ABSENT)
    if found is ABSENT:
        here = name in _attributes_of(owner)
        return Entry(name=name, status=Status.WORKS if here else Status.MISSING)
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if isinstance(found, property):
        found = found.fget
    return _entry(name, found, wanted)


def _attributes_of(owner: object) -> set[str]:
    """The attributes that a class sets on itself: annotated, in slots, or assigned to `self`."""
    names: set[str] = set()
    for kind in inspect.getmro(owner) if isinstance(owner, type) else ():
        names |= set(getattr(kind, "__annotations__", ())) | set(getattr(kind, "__slots__", ()))
        names |= set(re.findall(r"\bself\.(\w+)\b[^=\n(]*=[^=]", _source(kind)))
    return names


def _entry(name: str, found: object, wanted: list[str] | None) -> Entry:
    if found is ABSENT:
        return Entry(name=name, status=Status.MISSING)
    if is_not_built(found):
        return Entry(name=name, status=Status.NOT_BUILT)
    lacking = _lacking_parameters(found, wanted or [])
    if lacking:
        return Entry(name=name, status=Status.PARTLY, note=f"without {', '.join(f'`{word}`' for word in lacking)}")
    if inspect.isfunction(found) and "NotBuiltYetError" in _code(found):
        return Entry(name=name, status=Status.PARTLY, note="some uses raise NotBuiltYetError")
    return Entry(name=name, status=Status.WORKS)


def is_not_built(found: object) -> bool:
    """Whether a module, class or function says of itself that it is not built yet."""
    if not (inspect.ismodule(found) or inspect.isclass(found) or inspect.isroutine(found)):
        return False
    text = inspect.getdoc(found) or ""
    return NOT_BUILT in text.partition("\n")[0] or "NotBuiltYetError: Always" in text


def _lacking_parameters(found: object, wanted: list[str]) -> list[str]:
    if not wanted or not callable(found):
        return []
    parameters = _parameters(found)
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return []
    names = {parameter.name for parameter in parameters}
    return [name for name in wanted if name not in names]


def _parameters(found: Callable[..., object]) -> Iterable[inspect.Parameter]:
    """All parameters of a function, those of its overloads included."""
    from typing import get_overloads

    try:
        own = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return []
    for overload in get_overloads(found):
        own += [one for one in inspect.signature(overload).parameters.values() if one.kind is not one.VAR_KEYWORD]
    return own


def _source(found: Any) -> str:  # Any: whatever inspect takes
    try:
        return inspect.getsource(found)
    except (OSError, TypeError):
        return ""


def _code(found: Any) -> str:  # Any: whatever inspect takes
    """The source of a function without its docstring."""
    try:
        tree = ast.parse(textwrap.dedent(_source(found)))
    except SyntaxError:
        return ""
    return ast.unparse([node for top in tree.body for node in getattr(top, "body", [])][1:])  # pyright: ignore[reportArgumentType]  # a list of statements unparses


# ----------------------------------------------------------------------------------------------------------- commands


def command_entries(names: dict[str, list[str]]) -> Iterator[tuple[str, Entry, list[Entry]]]:
    """Ask `swcli` for each command and its options; the empty name is `swcli` itself."""
    root: click.Command = importlib.import_module("starwhale.cli.root").swcli
    for path, options in names.items():
        title = f"swcli {path}".strip()
        command, not_built = _find(root, path.split())
        if command is None:
            status = Status.NOT_BUILT if not_built else Status.MISSING
            yield title, Entry(name=title, status=status), []
        elif not_built:
            yield title, Entry(name=title, status=Status.NOT_BUILT), []
        else:
            found = [_option_entry(command, option) for option in options]
            lacking = [entry for entry in found if entry.status is not Status.WORKS]
            note = f"{len(lacking)} of {len(found)} options are missing or not built" if lacking else ""
            yield title, Entry(name=title, status=Status.PARTLY if lacking else Status.WORKS, note=note), found


def _find(command: click.Command, words: list[str]) -> tuple[click.Command | None, bool]:
    """Follow the words of a command; also whether it, or the group it would be in, says that it is not built yet."""
    current: click.Command | None = command
    for word in words:
        if current is None or not isinstance(current, click.Group):
            return None, current is not None and NOT_BUILT in (current.help or "")
        try:
            current = current.get_command(click.Context(current), word)
        except ImportError:
            return None, False
    return current, current is not None and NOT_BUILT in (current.help or "")


def _option_entry(command: click.Command, option: str) -> Entry:
    spellings = option.split("/")
    for parameter in command.get_params(click.Context(command)):
        names = {*parameter.opts, *parameter.secondary_opts}
        lacking = [spelling for spelling in spellings if spelling not in names]
        if len(lacking) < len(spellings):
            if NOT_BUILT in (getattr(parameter, "help", None) or ""):
                return Entry(name=option, status=Status.NOT_BUILT)
            if lacking:
                return Entry(name=option, status=Status.PARTLY, note=f"without `{'`, `'.join(lacking)}`")
            return Entry(name=option, status=Status.WORKS)
    return Entry(name=option, status=Status.MISSING)


# --------------------------------------------------------------------------------------------------------------- page


def render() -> str:
    """The whole page."""
    names = spec_names()
    blocks: list[tuple[str, list[Entry]]] = [
        (f"`{place}`", module_entries(place, wanted)) for place, wanted in names["modules"].items()
    ]
    members = [
        (f"`{place.rpartition(':')[2]}`", class_entries(place, wanted)) for place, wanted in names["classes"].items()
    ]
    commands = list(command_entries(names["commands"]))
    variables = _variable_entries(names["environment"])
    everything = [entry for _, entries in [*blocks, *members] for entry in entries]
    everything += [entry for _, entry, _ in commands]
    counts = Counter(entry.status for entry in everything)
    lines = [_HEAD, ""]
    lines += [f"Of {len(everything)} names and commands: " + ", ".join(f"{counts[s]} {s}" for s in Status) + ".", ""]
    lines += ["## Import paths", ""]
    for title, entries in blocks:
        lines += _table(f"### {title}", entries)
    lines += ["## Methods and attributes", ""]
    for title, entries in members:
        lines += _table(f"### {title}", entries)
    lines += _table("## Commands", [entry for _, entry, _ in commands])
    lines += ["## Options", "", "Of the commands that work, the options that do not, or not in every spelling:", ""]
    for title, _, options in commands:
        lacking = [entry for entry in options if entry.status is not Status.WORKS]
        if lacking:
            lines += _table(f"### `{title}`", lacking)
    lines += _table("## Environment variables", variables)
    lines += ["## What is different on purpose", "", *(f"- {text}" for text in names["differences"]), ""]
    return "\n".join(lines)


_HEAD = """# What of Starwhale 0.6 works here

Made by `make docs` from the public names of 0.6 and from the program itself; a test keeps it true. *Works* means that the name is
there with the parameters it had; *works in part* says what is lacking; *raises NotBuiltYetError* means that the name can be imported and
says, when it is used, that it is not built yet (a command exits with 1); *missing* means that it cannot be imported."""


def _table(title: str, entries: list[Entry]) -> list[str]:
    """One heading with its entries, those of equal fate on one line."""
    lines = [title, "", "| what becomes of it | names |", "|---|---|"]
    for status in Status:
        found = [entry for entry in entries if entry.status is status]
        notes = {entry.note for entry in found}
        if len(found) > 1 and len(notes) == 1 and "" not in notes:
            names = ", ".join(f"`{entry.name}`" for entry in found) + f": {notes.pop()}"
        else:
            names = ", ".join(f"`{entry.name}`" + (f" ({entry.note})" if entry.note else "") for entry in found)
        if found:
            lines.append(f"| {status} | {names} |")
    return [*lines, ""]


def _variable_entries(names: list[str]) -> list[Entry]:
    """Which variables the one file that reads the environment reads."""
    text = (HERE.parent.parent / "src" / "starwhale" / "settings.py").read_text(encoding="utf-8")
    return [Entry(name=name, status=Status.WORKS if f'"{name}"' in text else Status.MISSING) for name in names]


def main(target: Path) -> None:
    """Write the page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
