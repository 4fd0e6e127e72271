"""Requirement files of a user: read with what they include, checked, and copied without what must not be kept."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starwhale.domain.runtime import Indexes
from starwhale.errors import UsageError
from starwhale.runtimes.lock import OURS, requirement_name
from starwhale.runtimes.runtime_yaml import without_credentials

_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[=\s]\s*(?P<path>\S+)")
_OPTION = re.compile(
    r"^\s*(?P<name>-i|--index-url|--extra-index-url|--trusted-host|--find-links|-f)[=\s]\s*(?P<value>\S+)"
)
_EDITABLE = re.compile(r"^\s*(?:-e|--editable)[=\s]")
_LOCAL = re.compile(r"^\s*(?:\.{0,2}/|file:|\S+\s*@\s*file:|~/)|^\s*\.{1,2}\s*$|^\s*\S+\.whl(?:\s|$)")
_ADDRESS = re.compile(r"^\s*(?:\S+\s*@\s*)?(?:git|hg|svn|bzr)\+|^\s*(?:\S+\s*@\s*)?https?://")


@dataclass(slots=True)
class Requirements:
    """What was read."""

    indexes: Indexes = field(default_factory=Indexes)
    """Options of the files about indexes, credentials and all."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Text of each file by its path below the root, as it is resolved."""
    kept: dict[str, str] = field(default_factory=dict[str, str])
    """The same as it is kept: no credentials."""
    ours: list[str] = field(default_factory=list[str])
    """Requirements that this program stands in for."""


def read_requirements(root: Path, names: Sequence[str]) -> Requirements:
    """Read requirement files below a folder, and those that they include.

    Raises:
        UsageError: One is missing, lies outside, or asks for what no lock can pin.
    """
    found = Requirements()
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            message = f"the requirement file {name} lies outside of {root}"
            raise UsageError(message, hint="put it beside the runtime.yaml")
        key = path.relative_to(root.resolve()).as_posix()
        if key in found.files:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(f"cannot read the requirement file {path}: {said}", hint="mend its path") from error
        found.kept[key] = without_credentials(text)
        found.files[key] = _read(found, key, text)
        waiting += [(Path(key).parent / each).as_posix() for each in _included(text)]
    return found


def check_requirements(lines: Sequence[str], where: str) -> list[str]:
    """Return requirements without those that this program stands in for, checked.

    Raises:
        UsageError: One names a folder, file or repository, of which no lock can say what it will be.
    """
    is_file = where.endswith((".txt", ".in"))
    for number, line in enumerate(lines, start=1):
        if not is_file and (line.lstrip().startswith("-") or "\n" in line):
            message = f"{where}: {without_credentials(line)!r} is an option, or more than one line"
            hint = "write one requirement per entry; indexes go under configs.pip, other files under dependencies"
            raise UsageError(message, hint=hint)
        _check(line, f"{where}:{number}" if is_file else where)
    return [line for line in lines if requirement_name(line) not in OURS]


def _read(found: Requirements, name: str, text: str) -> str:
    """Return the lines to be resolved; the options about indexes are given in another way."""
    lines = text.splitlines()
    kept = check_requirements(lines, name)
    found.ours += [line.strip() for line in lines if requirement_name(line) in OURS]
    for line in kept:
        if option := _OPTION.match(line):
            _note(found, option["name"], shlex.split(option["value"])[0], name)
    return "\n".join(line for line in kept if not _OPTION.match(line)) + "\n"


def _note(found: Requirements, option: str, value: str, name: str) -> None:
    said = found.indexes
    match option:
        case "-i" | "--index-url":
            said = Indexes(index_url=value, extra_index_urls=said.extra_index_urls, trusted_hosts=said.trusted_hosts)
        case "--extra-index-url":
            said = Indexes(
                index_url=said.index_url,
                extra_index_urls=(*said.extra_index_urls, value),
                trusted_hosts=said.trusted_hosts,
            )
        case "--trusted-host":
            said = Indexes(
                index_url=said.index_url,
                extra_index_urls=said.extra_index_urls,
                trusted_hosts=(*said.trusted_hosts, value),
            )
        case _:
            message = f"{name}: {option} names a place of one machine"
            raise UsageError(message, hint="list its wheels under wheels in the runtime.yaml")
    found.indexes = said


def _included(text: str) -> list[str]:
    return [match["path"] for line in text.splitlines() if (match := _INCLUDE.match(line))]


def _check(line: str, where: str) -> None:
    what = ("an editable source" if _EDITABLE.match(line) else "a local path" if _LOCAL.match(line) else "") or (
        "an address" if _ADDRESS.match(line) else ""
    )
    if what:
        message = f"{where}: {without_credentials(line.strip())!r} is {what}, of which no lock can say what it will be"
        raise UsageError(message, hint="build its wheel, and list that under wheels in the runtime.yaml")
