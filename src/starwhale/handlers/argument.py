"""`argument`: options of a handler as a dataclass, filled from what stands after `--` of `swcli model run`."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from starwhale.domain.job import HandlerRecord
from starwhale.domain.redaction import REDACTED, is_secret_name, redact_text
from starwhale.errors import HandlerError, UnknownOptionError, UsageError, nearest
from starwhale.handlers.context import find_runtime_context
from starwhale.handlers.registry import UserFunction

MARK = "__starwhale_arguments__"
"""Attribute of a function with options: its dataclasses; `functools.wraps` copies it to wrappers."""
_TYPE_NAMES: dict[Any, str] = {int: "INT", float: "FLOAT", bool: "BOOL", str: "STRING"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One field of a dataclass as an option."""

    name: str
    """Field name."""
    kind: str
    """INT, FLOAT, BOOL, STRING, CHOICE or FUNC."""
    convert: Callable[[str], Any]  # Any: the field's own type
    """Turns text into the value."""
    choices: tuple[str, ...] = ()
    """Accepted words; empty for all."""
    required: bool = False
    """Whether the field has no default."""
    multiple: bool = False
    """Whether the option may be repeated."""
    default: Any = None  # Any: the field's own type
    """What the dataclass says."""
    help: str = ""
    """From the field's metadata."""
    hidden: bool = False
    """From the field's metadata."""

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Option:
        """Make an option from its entry in a record, as far as a process can that has not imported the user's types."""
        kind = str(entry["type"]["param_type"])
        return cls(
            name=str(entry["name"]),
            kind=kind,
            convert=_PLAIN.get(kind, str),
            choices=tuple(entry["type"]["choices"]),
            required=bool(entry["required"]),
            multiple=bool(entry["multiple"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the step record."""
        kind = {
            "name": self.kind.lower(),
            "param_type": self.kind,
            "choices": list(self.choices),
            "case_sensitive": True,
        }
        return {
            "name": self.name,
            "type": kind,
            "required": self.required,
            "multiple": self.multiple,
            "default": self._shown_default(),
            "help": self.help,
            "is_flag": self.kind == "BOOL",
            "hidden": self.hidden,
        }

    def _shown_default(self) -> str | None:
        """Say what the dataclass says, but for a secret: that it came from the environment is no reason to write it down."""
        if self.default is None:
            return None
        text = str(self.default)
        return REDACTED if text and is_secret_name(self.name) else redact_text(text)


def argument(dataclass_types: Any, inject_name: str = "argument") -> Callable[[UserFunction], UserFunction]:
    """Give a function its options as keyword `inject_name`.

    Args:
        dataclass_types: One dataclass, or a sequence of them; then a list of instances is given.
        inject_name: Name of the parameter.

    Raises:
        UsageError: Not a dataclass, or a field of a type that no option can have; it is a ValueError too.
    """
    many = isinstance(dataclass_types, list | tuple)
    classes: list[type] = list(dataclass_types) if many else [dataclass_types]
    for cls in classes:
        if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
            message = f"argument takes dataclasses, not {cls!r}"
            raise UsageError(message, hint="put @dataclasses.dataclass on it")

    def decorate(function: UserFunction) -> UserFunction:
        @functools.wraps(function)
        def with_argument(*args: Any, **kwargs: Any) -> Any:  # Any: passed on as it came
            if inject_name in kwargs:
                message = f"{function.__qualname__} was given {inject_name!r}, which @argument fills"
                raise HandlerError(message, hint="leave it out of the call")
            values = [_value_of(cls) for cls in classes]
            return function(*args, **kwargs, **{inject_name: values if many else values[0]})

        setattr(with_argument, MARK, (*classes, *getattr(function, MARK, ())))
        return with_argument

    return decorate


def _value_of(cls: type) -> Any:  # Any: an instance of the user's dataclass
    context = find_runtime_context()
    if context is None:
        return parse(cls, ())
    if cls not in context.parsed:
        context.parsed[cls] = parse(cls, context.arguments)
    return context.parsed[cls]


def parse(cls: type, tokens: Sequence[str]) -> Any:  # Any: an instance of the user's dataclass
    """Make an instance from tokens: `--x v`, `--x=v`, flags; what is not known is ignored.

    Raises:
        UsageError: A value has the wrong form or is missing; names the option.
    """
    return cls(**_read(options_of(cls), tokens))


def _read(declared: Sequence[Option], tokens: Sequence[str]) -> dict[str, Any]:  # Any: each field's own type
    """Return the values that tokens give, by field; raises as `parse` does."""
    options = {option.name: option for option in declared}
    by_flag = {f"--{name}": name for name in options} | {f"--{name.replace('_', '-')}": name for name in options}
    given: dict[str, Any] = {}
    position = 0
    while position < len(tokens):
        flag, has_value, text = tokens[position].partition("=")
        position += 1
        if flag not in by_flag:
            continue
        option = options[by_flag[flag]]
        if option.kind == "BOOL":
            given[option.name] = not has_value or _convert(option, flag, text)
            continue
        if not has_value:
            if position >= len(tokens) or tokens[position].partition("=")[0] in by_flag:
                message = f"option {flag} needs a value"
                raise UsageError(message, hint=f"write {flag} VALUE")
            text = tokens[position]
            position += 1
        value = _convert(option, flag, text)
        given[option.name] = [*given.get(option.name, []), value] if option.multiple else value
    missing = [name for name, option in options.items() if option.required and name not in given]
    if missing:
        message = f"option --{missing[0].replace('_', '-')} is missing"
        raise UsageError(message, hint=f"give it after --: swcli model run … -- --{missing[0].replace('_', '-')} VALUE")
    return given


def _convert(option: Option, flag: str, text: str) -> Any:  # Any: the field's own type
    shown = REDACTED if is_secret_name(flag) else repr(redact_text(text))
    if option.choices and text not in option.choices:
        message = f"option {flag} cannot be {shown}"
        raise UsageError(message, hint=nearest(text, option.choices))
    try:
        return option.convert(text)
    except (ValueError, TypeError, KeyError) as error:
        message = f"option {flag} cannot be {shown}" + ("" if shown == REDACTED else f": {error}")
        cause = None if shown == REDACTED else error  # it quotes the value
        raise UsageError(message, hint=f"it is of type {option.kind}") from cause


def options_of(cls: type) -> list[Option]:
    """Return the options of a dataclass.

    Raises:
        UsageError: A field has a type that no option can have.
    """
    hints = typing.get_type_hints(cls)
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return [_option(field, hints.get(field.name, str)) for field in fields if field.init]


def _option(field: dataclasses.Field[Any], hint: Any) -> Option:  # Any: annotations have no type of their own
    hint = _without_optional(field.name, hint)
    multiple = typing.get_origin(hint) is list or hint is list
    if multiple:
        hint = _without_optional(field.name, (typing.get_args(hint) or (str,))[0])
    kind, convert, choices = _kind(hint, is_item=multiple)
    has_factory = field.default_factory is not dataclasses.MISSING
    has_default = field.default is not dataclasses.MISSING
    return Option(
        name=field.name,
        kind=kind,
        convert=convert,
        choices=choices,
        required=not has_default and not has_factory,
        multiple=multiple,
        default=field.default if has_default else field.default_factory() if has_factory else None,  # pyright: ignore[reportCallIssue] - it is there
        help=field.metadata.get("help", ""),
        hidden=field.metadata.get("hidden", False),
    )


def _without_optional(name: str, hint: Any) -> Any:  # Any: annotations have no type of their own
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    members = [each for each in typing.get_args(hint) if each is not type(None)]
    if len(members) == 2 and str in members:
        members.remove(str)
    if len(members) != 1:
        message = f"field {name!r} has the type {hint}, which no option can have"
        raise UsageError(message, hint="use one type, Optional[X] or Union[X, str]")
    return members[0]


def _kind(hint: Any, *, is_item: bool) -> tuple[str, Callable[[str], Any], tuple[str, ...]]:  # Any: annotations
    if typing.get_origin(hint) is typing.Literal:
        values = {str(each): each for each in typing.get_args(hint)}
        return "CHOICE", str, tuple(values)
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = tuple(str(each.value) for each in hint)
        members = {str(each.value): each for each in hint}
        return "CHOICE", (members.__getitem__ if is_item else str), words
    if hint is bool:
        return "BOOL", _read_bool, ()
    if hint is dict or typing.get_origin(hint) is dict:
        return "FUNC", json.loads, ()
    if hint is Any or not callable(hint):
        return "STRING", str, ()
    return _TYPE_NAMES.get(hint, "FUNC"), hint, ()


def _read_bool(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return words[text.lower()]


_PLAIN: dict[str, Callable[[str], Any]] = {"INT": int, "FLOAT": float, "BOOL": _read_bool}  # Any: what each gives
"""What reads the text of an option whose type is Python's own."""


def check_loose_options(words: Sequence[str], records: Sequence[HandlerRecord]) -> None:
    """Refuse words of the program's command line that are no options of the handlers that are to run.

    Args:
        words: `--name`, `--name=VALUE` or `--name`, `VALUE`, as they were typed.
        records: The handlers.

    Raises:
        UnknownOptionError: Nobody has such an option, or a word belongs to none.
    """
    flags: dict[str, bool] = {}
    for record in records:
        for options in (record.arguments or {}).values():
            for name, option in options.items():
                flags |= {f"--{each}": bool(option["is_flag"]) for each in (name, name.replace("_", "-"))}
    rest = iter(words)
    for word in rest:
        flag, has_value, _ = word.partition("=")
        if flag not in flags:
            raise UnknownOptionError(flag, known=[each for each in flags if "_" not in each])
        if not flags[flag] and not has_value:
            next(rest, None)


def check_values(tokens: Sequence[str], records: Sequence[HandlerRecord]) -> None:
    """Refuse before anything runs what the handlers would refuse at their first row: a value of the wrong form, or none.

    Types of the user's own are left to the handler, whose process knows them.

    Raises:
        UsageError: Names the option.
    """
    for record in records:
        for options in (record.arguments or {}).values():
            _read([Option.from_json(each) for each in options.values()], tokens)


def declared_arguments(function: object) -> dict[str, Any] | None:
    """Return the options that decorators around a function declare, for its record; None for none."""
    classes: tuple[type, ...] = getattr(function, MARK, ())
    if not classes:
        return None
    return {
        f"{cls.__module__}:{cls.__qualname__}": {option.name: option.to_json() for option in options_of(cls)}
        for cls in classes
    }


def describe_arguments(handlers: Mapping[str, HandlerRecord]) -> str:
    """Return the text of `--show-argument`: one section per dataclass."""
    sections: dict[str, Mapping[str, Any]] = {}
    for record in handlers.values():
        sections.update(record.arguments or {})
    lines: list[str] = []
    for name, options in sections.items():
        lines.append(f"** {name}:")
        lines.extend(_describe(option) for option in options.values() if not option["hidden"])
    return "\n".join(lines) if lines else "the handlers declare no options"


def _describe(option: Mapping[str, Any]) -> str:
    flag = "--" + str(option["name"]).replace("_", "-")
    choices = option["type"]["choices"]
    kind = (
        "" if option["is_flag"] else " " + ("[" + "|".join(choices) + "]" if choices else option["type"]["param_type"])
    )
    notes = [option["help"]] if option["help"] else []
    if option["required"]:
        notes.append("(required)")
    elif option["default"] is not None:
        notes.append(f"(default: {option['default']})")
    if option["multiple"]:
        notes.append("(may be repeated)")
    return f"  {flag}{kind}  {' '.join(notes)}".rstrip()
