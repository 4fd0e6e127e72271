"""The features of a row as user code sees them: a dict that answers names in any case, and as attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Self, TypeVar

from starwhale.errors import nearest

_NONE = type(None)
_has = dict.__contains__
F = TypeVar("F", bound="Features")


class Features(dict[str, Any]):  # Any: cells hold what users gave
    """Feature name → value; `row["Label"]`, `row["label"]` and `row.label` are one feature.

    A name that is there as it is written wins. What is written under another spelling replaces the feature that is there.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> Any:  # Any: a cell
        own = self._own_name(name)
        if own == name:
            raise KeyError(name)
        return super().__getitem__(own)

    def __getattr__(self, name: str) -> Any:  # Any: a cell
        own = name if _has(self, name) else self._own_name(name)
        if _has(self, own):
            return dict.__getitem__(self, own)
        if name.startswith("__"):
            raise AttributeError(name)
        hint = nearest(name, map(str, self)) or f"it has {sorted(map(str, self))}"
        raise AttributeError(f"the row has no feature {name!r}; {hint}")

    def __setattr__(self, name: str, value: Any) -> None:  # Any: a cell
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(name)
        del self[name]

    def __contains__(self, name: object) -> bool:
        if _has(self, name):
            return True
        return isinstance(name, str) and _has(self, self._own_name(name))

    def get(self, name: str, default: Any = None) -> Any:  # Any: a cell
        """Return a feature by its name in any case."""
        own = name if _has(self, name) else self._own_name(name)
        return dict.get(self, own, default)

    def __setitem__(self, name: str, value: Any) -> None:  # Any: a cell
        super().__setitem__(name if _has(self, name) else self._own_name(name), value)

    def __delitem__(self, name: str) -> None:
        own = self._own_name(name)
        if own not in self.keys():
            raise KeyError(name)
        super().__delitem__(own)

    def update(self, *args: Any, **kwargs: Any) -> None:  # Any: whatever dict.update takes
        """Write several features."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Self:  # Any: whatever dict.update takes
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:  # Any: a cell
        """Return a feature, and write it where it is missing."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:  # Any: a cell
        """Delete a feature and return it."""
        if name not in self:
            if default:
                return default[0]
            raise KeyError(name)
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:  # Any: a cell
        """Delete the last feature and return it."""
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Delete all features."""
        for name in list(self):
            del self[name]

    def copy(self) -> dict[str, Any]:  # Any: cells
        """Return a plain dict."""
        return dict(self)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return (type(self), (dict(self),))

    def _own_name(self, name: str) -> str:
        """Return a name as the row has it; one that it has not as it is."""
        if _has(self, name) or not isinstance(name, str):
            return name
        folded = name.casefold()
        for own in self:
            if own.casefold() == folded:
                return own
        return name


def feature_rows(columns: Mapping[str, Sequence[Any]], count: int, make: Callable[..., F]) -> Iterator[F]:  # Any: cells
    """Turn columns into one mapping per row, without the cells that are None; each is made when its turn comes.

    A row costs a zip and a dict; columns with gaps are looked at cell by cell.

    Args:
        columns: Feature name → one value per row; all equally long.
        count: Rows.
        make: Makes a mapping of pairs.
    """
    names, values = list(columns), list(columns.values())
    if not names:
        return (make() for _ in range(count))
    if any(map(may_have_gaps, values)):
        return (
            make([pair for pair in zip(names, row, strict=True) if pair[1] is not None])
            for row in zip(*values, strict=True)
        )
    return map(make, map(zip, repeat(names), zip(*values)))  # noqa: B905 - columns are equally long; strict costs time per row


def may_have_gaps(column: Sequence[object]) -> bool:
    """Whether a column holds None; one whose values are made in turn says so itself."""
    return not getattr(column, "is_full", False) and _NONE in set(map(type, column))
