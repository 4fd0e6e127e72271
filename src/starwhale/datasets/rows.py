"""Rows as users see them: `DataRow` and its `RowFeatures`, which write through to an open dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Self, SupportsIndex, cast

from starwhale.domain.features import Features, feature_rows
from starwhale.errors import ArgumentTypeError, UnsupportedValueError
from starwhale.media.artifact import BaseArtifact
from starwhale.storage.protocols import Key, Rows, Value

BIGGEST_KEY = 2**63 - 1
"""Largest integer key, and with its sign the smallest but one."""


class RowSink(Protocol):
    """Takes the changes that a user makes to a row that was read."""

    def put_feature(self, key: Key, name: str, value: Value) -> None:
        """Write one feature; None hides it."""
        ...


class RowFeatures(Features):
    """Features of a row of a dataset. Those of an open dataset's rows write through when they come from iteration or indexing."""

    __slots__ = ("_key", "_sink")

    _key: Key
    _sink: RowSink | None

    def __setitem__(self, name: str, value: Value) -> None:
        own = self._own_name(name)
        self._send(own, value)
        super().__setitem__(own, value)

    def __delitem__(self, name: str) -> None:
        own = self._own_name(name)
        if own in self.keys():
            self._send(own, None)
        super().__delitem__(name)

    def _send(self, name: str, value: Value) -> None:
        try:
            sink = object.__getattribute__(self, "_sink")
        except AttributeError:
            return
        if sink is not None:
            sink.put_feature(object.__getattribute__(self, "_key"), name, value)


class DataRow(tuple[Key, RowFeatures]):
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
        made = features if isinstance(features, RowFeatures) else RowFeatures(features)
        return tuple.__new__(cls, (check_key(index), made))

    @property
    def index(self) -> Key:  # pyright: ignore[reportIncompatibleMethodOverride] - the public name hides tuple's method
        """Key of the row."""
        return self[0]

    @property
    def features(self) -> RowFeatures:
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

    def __getnewargs__(self) -> tuple[Key, RowFeatures]:
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
    make_row: Callable[[type[DataRow], tuple[Key, RowFeatures]], DataRow] = tuple.__new__
    for key, features in zip(rows.keys, _features(rows), strict=True):
        if sink is not None:
            _set_key(features, key)
            _set_sink(features, sink)
        yield make_row(DataRow, (key, features))


def _features(rows: Rows) -> Iterator[RowFeatures]:
    for name, column in rows.columns.items():
        BaseArtifact.note_cells(name, rows.keys, column)
    return feature_rows(rows.columns, len(rows.keys), RowFeatures)


_set_key: Callable[[RowFeatures, Key], None] = RowFeatures.__dict__["_key"].__set__
_set_sink: Callable[[RowFeatures, RowSink], None] = RowFeatures.__dict__["_sink"].__set__
