"""The table of importers: built-in ones here, those of installed packages by their entry points in `starwhale.importer`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starwhale.datasets.importers.blocks import Chunk
from starwhale.errors import UsageError, nearest
from starwhale.plugins import load

BUILTIN: Mapping[str, str] = {
    "arrow": "starwhale.datasets.importers.arrow_files:IMPORTER",
    "audio": "starwhale.datasets.importers.folder:AUDIO",
    "coco": "starwhale.datasets.importers.coco:IMPORTER",
    "csv": "starwhale.datasets.importers.csv_files:IMPORTER",
    "huggingface": "starwhale.datasets.importers.huggingface:IMPORTER",
    "image": "starwhale.datasets.importers.folder:IMAGE",
    "json": "starwhale.datasets.importers.json_files:IMPORTER",
    "lance": "starwhale.datasets.importers.lance_data:IMPORTER",
    "parquet": "starwhale.datasets.importers.parquet_files:IMPORTER",
    "video": "starwhale.datasets.importers.folder:VIDEO",
    "webdataset": "starwhale.datasets.importers.webdataset:IMPORTER",
}
"""Kind of source → where its `Importer` stands."""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of an importer that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """How one kind of source is read.

    Rules for `read`: it yields rows `(key, features)` or `RowBlock`s, as it reads, in bounded memory; keys are all int or all str; it
    opens nothing before the first is asked for; whatever cannot be read raises a `DatasetSourceError` that names the place; nothing
    that it reads is executed. The conformance suite is `starwhale.testing.importers`.
    """

    read: Callable[[Sequence[str], Any], Iterator[Chunk]]  # Any: an instance of `options`
    """Reads places (files, folders, addresses, whatever they are for this kind) with options."""
    options: type = NoOptions
    """A frozen dataclass whose fields all have defaults."""
    suffixes: tuple[str, ...] = ()
    """Endings of files, in lower case, that are of this kind and of no other."""


def open_source(kind: str, places: Sequence[str], options: Mapping[str, object] | None = None) -> Iterator[Chunk]:
    """Read places of a kind.

    Args:
        kind: A name of the table.
        places: What to read.
        options: Option → value; a text is read as the type that the option's default has.

    Raises:
        UsageError: There is no such kind or option, or no place is given.
        DatasetSourceError: While iterating: something cannot be read.
    """
    found = load("importer", kind, BUILTIN)
    if not isinstance(found, Importer):
        message = f"the importer {kind!r} of an installed package is of type {type(found).__name__}, not Importer"
        raise UsageError(message, hint="ask its author to register a starwhale.datasets.importers.Importer")
    if not places:
        message = f"no place is given for the importer {kind!r}"
        raise UsageError(message, hint="name a file, a folder or an address")
    return found.read(places, make_options(kind, found.options, options or {}))


def option_names(kind: str) -> frozenset[str]:
    """Return the options that a built-in kind has."""
    return frozenset(field.name for field in dataclasses.fields(load("importer", kind, BUILTIN).options))


def kind_of(suffix: str) -> str:
    """Return the built-in kind of files with an ending, such as `.csv`; empty where it says nothing."""
    return next((kind for kind in BUILTIN if suffix and suffix in load("importer", kind, BUILTIN).suffixes), "")


def make_options(kind: str, made: type[Any], given: Mapping[str, object]) -> Any:  # Any: an instance of `made`
    """Make the options of an importer from what was given by name.

    Raises:
        UsageError: The importer has no option of a name; the nearest are said.
    """
    fields = {field.name: field for field in dataclasses.fields(made)}
    for name in given:
        if name not in fields:
            message = f"the importer {kind!r} has no option {name!r}"
            raise UsageError(message, hint=nearest(name, fields) or "it has no options")
    blank = made()
    return made(**{name: _as_meant(kind, name, value, getattr(blank, name)) for name, value in given.items()})


def _as_meant(kind: str, name: str, value: object, default: object) -> object:
    if not isinstance(value, str) or isinstance(default, str) or default is None:
        return value
    if isinstance(default, bool):
        if value.lower() in {"true", "yes", "1", "on", "false", "no", "0", "off"}:
            return value.lower() in {"true", "yes", "1", "on"}
    elif isinstance(default, (int, float)):
        try:
            return type(default)(value)
        except ValueError:
            pass
    elif isinstance(default, tuple):
        return tuple(part for part in value.split(",") if part)
    message = f"the option {name!r} of the importer {kind!r} cannot be {value!r}"
    raise UsageError(message, hint=f"its default is {default!r}")
