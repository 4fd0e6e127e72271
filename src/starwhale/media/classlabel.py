"""The names of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from starwhale.errors import UnsupportedValueError
from starwhale.media.source import Source
from starwhale.media.value import MediaValue, plain_number


class ClassLabel(MediaValue):
    """The classes of a label column, in the order of their ids.

    Args:
        names: One name per class.
    """

    __slots__ = ("names",)

    def __init__(self, names: Iterable[str | int | float] | None = None) -> None:
        self.names: list[str | int | float] = [plain_number(name) for name in names or ()]

    @classmethod
    def from_num_classes(cls, num: int) -> Self:
        """Make labels for the classes 0 to num - 1.

        Raises:
            UnsupportedValueError: There is no class.
        """
        if num < 1:
            raise UnsupportedValueError(f"a class label needs at least 1 class, not {num}")
        return cls(range(num))

    def to_state(self) -> dict[str, object]:
        """Return the names."""
        return {"names": list(self.names)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], source: Source | None = None) -> Self:
        """Make the value that `to_state` described."""
        return cls(state["names"])

    def __repr__(self) -> str:
        shown = ", ".join(repr(name) for name in self.names[:5])
        return f"ClassLabel([{shown}{', …' if len(self.names) > 5 else ''}])"
