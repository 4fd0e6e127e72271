"""Rows as users see them: `DataRow` and its `Features`, which write through to an open dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, SupportsIndex, cast

from starwhale.errors import ArgumentTypeError, UnsupportedValueError, nearest
from starwhale.media.artifact import BaseArtifact
from starwhale.storage.protocols import Key, Rows, Value

BIGGEST_KEY = 2**63 - 1
"""Largest integer key, and with its sign the smallest but one."""


class RowSink(Protocol):
    """Takes the changes that a user makes to a row that was read."""

    def put_feature(self, key: Key, name: str, value: Value) -> None:
        """Write one feature; None hides it."""
        ...


class Features(dict[str, Value]):
    """Features of a row by name, in any case, also as attributes; changes go to the dataset that the row was read from.

    Rows of an open dataset write through when they come from iteration or indexing; others are plain dicts.
    """

    __slots__ = ("_key", "_sink")

    _key: Key
    _sink: RowSink | None

    def __missing__(self, name: str) -> Value:
        own = self._own_name(name)
        if own == name:
            raise KeyError(name)
        return super().__getitem__(own)

    def __getattr__(self, name: str) -> Value:
        own = self._own_name(name)
        if own in self.keys():
            return super().__getitem__(own)
        if name.startswith("__"):
            raise AttributeError(name)
        hint = nearest(name, map(str, self))
        message = f"the row has no feature {name!r}" + (f"; {hint}" if hint else "")
        raise AttributeError(message)

    def __setattr__(self, name: str, value: Value) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(name)
        del self[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and super().__contains__(self._own_name(name)))

    def get(self, name: str, default: Any = None) -> Any:  # Any: a cell holds whatever the user gave
        """Return a feature by its name in any case."""
        return super().get(self._own_name(name), default)

    def __setitem__(self, name: str, value: Value) -> None:
        own = self._own_name(name)
        self._send(own, value)
        super().__setitem__(own, value)

    def __delitem__(self, name: str) -> None:
        own = self._own_name(name)
        if own not in self.keys():
            raise KeyError(name)
        self._send(own, None)
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

    def popitem(self) -> tuple[str, Value]:
        """Delete the last feature and return it."""
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Delete all features."""
        for name in list(self):
            del self[name]

    def copy(self) -> dict[str, Value]:
        """Return a plain dict."""
        return dict(self)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Value]]]:
        return (Features, (dict(self),))

    def _own_name(self, name: str) -> str:
        if super().__contains__(name):
            return name
        folded = name.casefold()
        for own in self:
            if own.casefold() == folded:
                return own
        return name

    def _send(self, name: str, value: Value) -> None:
        try:
            sink = object.__getattribute__(self, "_sink")
        except AttributeError:
            return
        if sink is not None:
            sink.put_feature(object.__getattribute__(self, "_key"), name, value)


class DataRow(tuple[Key, Features]):
    """A row: its index and its features; unpacks as `(index, features)`."""

    __slots__ = ()

    def __new__(cls, index: Key, features: Mapping[str, Value]) -> Self:
        """Check and make a row.

        Args:
            index: Key of the row, int or str.
            features: Feature name → value.

        Raises:
            ArgumentTypeError: The index is no key, or the features are no mapping.
        """
        if not isinstance(features, Mapping):
            message = f"the features of row {index!r} must be a dict, not {type(features).__name__}"
            raise ArgumentTypeError(message)
        made = features if isinstance(features, Features) else Features(features)
        return tuple.__new__(cls, (check_key(index), made))

    @property
    def index(self) -> Key:  # pyright: ignore[reportIncompatibleMethodOverride] - the public name hides tuple's method
        """Key of the row."""
        return self[0]

    @property
    def features(self) -> Features:
        """Features by name."""
        return self[1]

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return self[0] < other[0]

    def __le__(self, other: tuple[Any, ...]) -> bool:
        return self[0] <= other[0]

    def __gt__(self, other: tuple[Any, ...]) -> bool:
        return self[0] > other[0]

    def __ge__(self, other: tuple[Any, ...]) -> bool:
        return self[0] >= other[0]

    def __getnewargs__(self) -> tuple[Key, Features]:
        return self[0], self[1]

    def __repr__(self) -> str:
        return f"DataRow(index={self[0]!r}, features={dict(self[1])!r})"

    __str__ = __repr__


def check_key(key: object) -> Key:
    """Return a row key, with other integers (numpy's) as int.

    Raises:
        ArgumentTypeError: It is neither int nor str.
        UnsupportedValueError: It does not fit into 64 bits.
    """
    kind = type(key)
    if kind is str:
        return cast("str", key)
    if kind is not int:
        if isinstance(key, str):
            return str(key)
        if isinstance(key, bool) or not hasattr(key, "__index__") or hasattr(key, "__len__"):
            message = f"a row key is int or str, not {kind.__name__}: {key!r}"
            raise ArgumentTypeError(message)
        key = int(cast("SupportsIndex", key))
    number = cast("int", key)
    if not -BIGGEST_KEY - 1 <= number <= BIGGEST_KEY:
        message = f"row key {number} does not fit into 64 bits"
        raise UnsupportedValueError(message, hint="use it as a str")
    return number


def iterate_rows(rows: Rows, sink: RowSink | None = None) -> Iterator[DataRow]:
    """Turn columns into rows; absent features are left out.

    Args:
        rows: Columns of one batch.
        sink: Where changes of the rows go; None makes plain rows.
    """
    make_row: Callable[[type[DataRow], tuple[Key, Features]], DataRow] = tuple.__new__
    for key, features in zip(rows.keys, _features(rows), strict=True):
        if sink is not None:
            _set_key(features, key)
            _set_sink(features, sink)
        yield make_row(DataRow, (key, features))


def _features(rows: Rows) -> Iterable[Features]:
    if not rows.columns:
        return (Features() for _ in rows.keys)
    names = tuple(rows.columns)
    columns: Sequence[Sequence[Value]] = list(rows.columns.values())
    for name, column in zip(names, columns, strict=True):
        BaseArtifact.note_cells(name, rows.keys, column)
    if any(type(None) in set(map(type, column)) for column in columns):
        return (
            Features([pair for pair in zip(names, values, strict=True) if pair[1] is not None])
            for values in zip(*columns, strict=True)
        )
    # No cell is absent: zip without strict is a third faster here, and the columns are equally long by contract.
    return (Features(zip(names, values)) for values in zip(*columns))  # noqa: B905


_set_key: Callable[[Features, Key], None] = Features.__dict__["_key"].__set__
_set_sink: Callable[[Features, RowSink], None] = Features.__dict__["_sink"].__set__
