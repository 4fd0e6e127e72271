"""What a user keeps beside the rows: a mapping that is versioned with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping

from starwhale.errors import ArgumentTypeError
from starwhale.storage.protocols import Value


class Info(MutableMapping[str, Value]):
    """A mapping with str keys; a change counts as a change of the dataset and is kept by the next commit.

    What is changed inside a value (a list, say) is kept only when the value is set again.
    """

    def __init__(self, values: Mapping[str, Value], save: Callable[[Mapping[str, Value]], None]) -> None:
        self._values = dict(values)
        self._save = save

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __setitem__(self, name: str, value: Value) -> None:
        if not isinstance(name, str):
            message = f"the keys of a dataset's info are str, not {type(name).__name__}: {name!r}"
            raise ArgumentTypeError(message)
        self._store({**self._values, name: value})

    def __delitem__(self, name: str) -> None:
        if name not in self._values:
            raise KeyError(name)
        self._store({key: value for key, value in self._values.items() if key != name})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def _store(self, values: dict[str, Value]) -> None:
        self._save(copy.copy(values))
        self._values = values
