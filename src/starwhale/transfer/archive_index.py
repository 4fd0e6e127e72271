"""What an archive says that it holds; everything in it is looked at before anything is done with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from starwhale.errors import RootError

FORMAT = 1
"""Number of the format; a higher one belongs to a newer program."""
MEMBERS = "members"
"""Folder of the files of whatever else an archive holds."""
_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_NAME_LENGTH = 90
"""A longer name would not fit into a plain tar header."""
_TEXTS = ("kind", "name", "project", "version", "content_digest", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveIndex:
    """What an archive holds."""

    kind: str
    """`dataset`, `model`, `runtime` or `job`."""
    name: str
    """Name of the thing."""
    project: str
    """Project that it came from."""
    version: str
    """Whole version id; of a job its id."""
    content_digest: str
    """Digest of the version's content."""
    message: str = ""
    """What the user said about it."""
    tags: tuple[str, ...] = ()
    """The user's tags."""
    manifest: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What `info` shows."""
    files: tuple[tuple[str, int], ...] = ()
    """Name and bytes of each file, in the order of the archive; those of the members come after them."""
    members: tuple[ArchiveIndex, ...] = ()
    """What else the archive holds: the model and the datasets of a job. Members have none themselves."""

    def all_files(self) -> Iterator[tuple[str, int]]:
        """Name every file of the archive with its bytes, in order; those of the members as they lie below `MEMBERS`."""
        yield from self.files
        for number, member in enumerate(self.members):
            for name, size in member.files:
                yield f"{MEMBERS}/{number}/{name}", size

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.all_files())

    def to_json(self) -> bytes:
        """Write canonical JSON."""
        return canonical({**_state(self), "format": FORMAT})

    @classmethod
    def from_json(cls, text: bytes) -> ArchiveIndex:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is no index.
            RootError: A newer program wrote it.
        """
        try:
            state: Any = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(state, dict) or type(state.get("format")) is not int:
            raise ValueError("it is not one of this program")
        if state.pop("format") > FORMAT:
            raise RootError("this archive was written by a newer program", hint="upgrade starwhale-evaluation")
        index = _read(cast("dict[str, Any]", state), may_have_members=True)
        _check_names([name for name, _ in index.all_files()])
        return index


def canonical(value: object) -> bytes:
    """Write JSON so that equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _state(index: ArchiveIndex) -> dict[str, Any]:  # Any: a JSON object
    state = asdict(index)
    if not index.members:
        del state["members"]
        return state
    return {**state, "members": [_state(each) for each in index.members]}


def _read(state: dict[str, Any], *, may_have_members: bool) -> ArchiveIndex:
    members = state.pop("members", [])
    if set(state) != {each.name for each in fields(ArchiveIndex)} - {"members"}:
        raise ValueError("it has other fields than it should")
    for name in _TEXTS:
        if type(state[name]) is not str:
            raise ValueError(f"its {name} is not a text")
    lists = all(isinstance(each, list) for each in (state["tags"], state["files"], members))
    if not (lists and isinstance(state["manifest"], dict)) or (members and not may_have_members):
        raise ValueError("it has other fields than it should")
    if not all(type(tag) is str for tag in state["tags"]) or not all(isinstance(each, dict) for each in members):
        raise ValueError("it has other fields than it should")
    checked: dict[str, Any] = {
        "tags": tuple(state["tags"]),
        "files": tuple(_checked_file(each) for each in state["files"]),
        "members": tuple(_read(each, may_have_members=False) for each in members),
    }
    return ArchiveIndex(**{**state, **checked})


def _checked_file(entry: Any) -> tuple[str, int]:  # Any: JSON of anybody
    name, size = entry
    if type(name) is not str or type(size) is not int or size < 0:
        raise ValueError(f"{name!r} is not a name of a file in an archive")
    if _NAME.fullmatch(name) is None or len(name) > _NAME_LENGTH or name.partition("/")[0] == MEMBERS:
        raise ValueError(f"{name!r} is not a name of a file in an archive")
    return name, size


def _check_names(names: list[str]) -> None:
    """Refuse a name that stands twice, or that is a file here and a folder there."""
    folders: set[str] = set()
    for name in names:
        while "/" in name:
            name = name.rpartition("/")[0]
            folders.add(name)
    seen: set[str] = set()
    for name in names:
        if name in seen or name in folders:
            raise ValueError(f"{name!r} stands there twice")
        seen.add(name)


__all__ = ["FORMAT", "MEMBERS", "ArchiveIndex", "canonical"]
