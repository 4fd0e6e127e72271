"""What all data types share: a state without content, equality by value, a short repr."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from starwhale.media.source import Source


class ArtifactType(StrEnum):
    """The family of a value that has content."""

    BINARY = "binary"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    LINK = "link"
    UNKNOWN = "unknown"


class MediaValue:
    """A value of the data types that a dataset or result cell can hold beside plain ones."""

    __slots__ = ()

    def to_state(self) -> dict[str, object]:
        """Return the attributes without content, as values that JSON and msgpack can hold."""
        raise NotImplementedError

    def stored_state(self) -> dict[str, object]:
        """Return the state as it is stored: whatever only holds here and now is made to last."""
        return self.to_state()

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described; content is read from `source` when it is asked for."""
        raise NotImplementedError

    @classmethod
    def all_from_state(cls, state: Mapping[str, Any], sources: Sequence[Source | None]) -> Sequence[Self]:
        """Make values that differ in nothing but their content; each is made as `from_state` does it."""
        return [cls.from_state(state, source) for source in sources]

    def asdict(self, ignore_keys: list[str] | None = None) -> dict[str, Any]:  # Any: JSON values
        """Return the attributes for display, without content."""
        shown = {"_type": _snake(type(self).__name__), **self.to_state()}
        return {key: value for key, value in shown.items() if key not in (ignore_keys or ())}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MediaValue) or type(self) is not type(other):
            return NotImplemented
        return self is other or self.to_state() == other.to_state()

    def __hash__(self) -> int:
        return hash(repr(self.to_state()))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def plain_number(value: Any) -> Any:  # Any: a number of Python or of NumPy
    """Turn a NumPy number into the Python number of the same value."""
    return value.item() if hasattr(value, "item") else value
